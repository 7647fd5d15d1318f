/**
 * Requests to a queue, sent until they are carried out or cannot be. Of a batch that went through in part, only the entries
 * that failed and may succeed are sent again; one that cannot go does not hold back the others.
 */
import type { RequestOptions } from '../object-store/object-store.ts';
import { backoffMs } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { failureOfCall, failureOfEntry, type QueueFailure, queueError } from './queue-error.ts';

const TRIES = 6;

export interface Attempts extends RequestOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** What is tried, for messages: `send to <url>`. */
  readonly doing: string;
}

/** An entry of a batch that did not go, as SQS answers it. */
export interface FailedEntry {
  readonly Id?: string | undefined;
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
  readonly SenderFault?: boolean | undefined;
}

/** How much of a call went, over all its batches. */
export interface Counts {
  done: number;
  readonly of: number;
}

/** Becomes an error once it is known how much of the whole call went. */
export class BatchFailure extends Error {
  readonly #failure: QueueFailure;
  readonly #doing: string;

  constructor(failure: QueueFailure, doing: string, cause: unknown) {
    super(failure.message, { cause });
    this.#failure = failure;
    this.#doing = doing;
  }

  toError(counts: Counts): Error {
    return queueError(this.#failure, this.#doing, counts, this.cause);
  }
}

/** The answer to one request. @throws {QueueError} */
export async function attempt<T>(attempts: Attempts, send: () => Promise<T>): Promise<T> {
  const { clock, random, signal, doing } = attempts;
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      return await send();
    } catch (error) {
      signal?.throwIfAborted();
      const failure = failureOfCall(error);
      if (!failure.again || tries === TRIES) throw queueError(failure, doing, { done: 0, of: 0 }, error);
    }
    await clock.sleep(backoffMs(tries, random), signal);
  }
}

/**
 * Sends the entries of one batch. Adds to `counts.done` what went.
 * @param send is given entries by their ids, and answers with those that failed
 * @throws {BatchFailure}
 */
export async function attemptBatch<T>(
  attempts: Attempts,
  items: readonly T[],
  counts: Counts,
  send: (entries: ReadonlyMap<string, T>) => Promise<readonly FailedEntry[]>,
): Promise<void> {
  const { clock, random, signal, doing } = attempts;
  let left = new Map(items.map((item, i) => [String(i), item]));
  let refused: QueueFailure | undefined;
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    let busy: QueueFailure | undefined;
    let cause: unknown;
    try {
      const again = new Map<string, T>();
      const failed = await send(left);
      for (const entry of failed) {
        const failure = failureOfEntry(entry);
        const item = left.get(entry.Id ?? '');
        if (!failure.again || item === undefined) refused ??= failure;
        else {
          again.set(entry.Id!, item);
          busy = failure;
        }
      }
      counts.done += left.size - failed.length;
      left = again;
    } catch (error) {
      signal?.throwIfAborted();
      cause = error;
      busy = failureOfCall(error);
      if (!busy.again) throw new BatchFailure(refused ?? busy, doing, error);
    }
    if (left.size === 0) {
      if (refused === undefined) return;
      throw new BatchFailure(refused, doing, cause);
    }
    if (tries === TRIES) throw new BatchFailure(refused ?? busy!, doing, cause);
    await clock.sleep(backoffMs(tries, random), signal);
  }
}
