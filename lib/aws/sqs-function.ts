/**
 * The frame of every function that a queue feeds: one invocation token and deadline around the work, an answer that names
 * the messages to be delivered again, and a short wait for those, instead of the queue's visibility time-out (which has to
 * be long, since it must outlast a function that hangs).
 */
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { HaltedError } from '../commit/halt.ts';
import { errorText, MisaError } from '../errors.ts';
import type { Queue } from '../queue/queue.ts';
import type { Clock } from '../util/clock.ts';
import { asInvocation, DeadlineError, type Invocation } from './invocation.ts';
import type { Report } from './report.ts';
import { ANSWER_MS, MARGIN_MS } from './reserves.ts';

/** Longest wait before a message is delivered again, s. */
const MAX_WAIT_S = 300;
/** Errors that only mean that it is not yet the message's turn. */
const WAITS = new Set(['FLUSH_UNDER_WAY', 'INPUT_AHEAD']);
/** Wait while planning is halted. People need hours to repair it, and a message has twenty tries. */
const HALTED_WAIT_S = 300;
const MAX_HALTED_WAIT_S = 3600;

export interface SqsFunction {
  readonly clock: Clock;
  readonly report: Report;
  /** The queue that feeds this function; without it, failed messages wait for their visibility time-out. */
  readonly queue?: Queue | undefined;
  /** Failed messages that come again at once; the others wait, longer each time. */
  readonly atOnce?: ((record: SQSRecord, error: unknown) => boolean) | undefined;
  /** @returns why a message must come again, by message id; those not in it are done */
  readonly work: (records: readonly SQSRecord[], invocation: Invocation) => Promise<ReadonlyMap<string, unknown>>;
  /** After the work, beyond its deadline too, in what is left of the platform's time. Best effort. */
  readonly ended?: (() => Promise<void>) | undefined;
}

export async function answerSqs(
  event: SQSEvent,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
  { clock, report, queue, atOnce = () => false, work, ended }: SqsFunction,
): Promise<SQSBatchResponse> {
  const remainingMs = context.getRemainingTimeInMillis();
  let failed: ReadonlyMap<string, unknown>;
  try {
    failed = await asInvocation(clock, { remainingMs, marginMs: Math.min(MARGIN_MS, remainingMs / 4) }, (invocation) =>
      work(event.Records, invocation),
    );
  } catch (error) {
    failed = new Map(event.Records.map((record) => [record.messageId, error]));
  }
  for (const [message, error] of failed) {
    if (error instanceof DeadlineError) report.info('time is up: the message comes again at once', { message });
    else if (error instanceof MisaError && WAITS.has(error.code))
      report.info(`${error.message}: the message comes again`, { message });
    else if (error instanceof HaltedError) report.warn(`${error.message}: the message comes again later`, { message });
    else report.error('a message failed and comes again', error, { message });
  }
  const waitOf = (record: SQSRecord): number => {
    const error = failed.get(record.messageId);
    return atOnce(record, error) ? 0 : waitSeconds(error, triesOf(record));
  };
  const again = event.Records.filter(({ messageId }) => failed.has(messageId));
  await afterWork(clock, context, report, async () => {
    await Promise.all([queue && showAgain(again, waitOf, queue, report), ended?.()]);
  });
  return { batchItemFailures: [...failed.keys()].map((itemIdentifier) => ({ itemIdentifier })) };
}

/** Runs messages side by side, each for itself. */
export async function eachRecord(
  records: readonly SQSRecord[],
  work: (record: SQSRecord) => Promise<void>,
): Promise<Map<string, unknown>> {
  const failed = new Map<string, unknown>();
  const settled = await Promise.allSettled(records.map((record) => work(record)));
  for (const [i, result] of settled.entries()) {
    if (result.status === 'rejected') failed.set(records[i]!.messageId, result.reason);
  }
  return failed;
}

/** Whether it comes from a FIFO queue: only those number their messages. */
export function isFifo({ attributes, eventSourceARN }: SQSRecord): boolean {
  return attributes.SequenceNumber !== undefined || (eventSourceARN ?? '').endsWith('.fifo');
}

/** How often a message was delivered, this time included. */
export function triesOf(record: SQSRecord): number {
  return Number(record.attributes.ApproximateReceiveCount) || 1;
}

/**
 * What follows the work of an invocation, best effort: it is given up when the platform's time is nearly over, or the function would be
 * killed before its answer, and all that is done would come again.
 */
export async function afterWork(
  clock: Clock,
  context: Pick<Context, 'getRemainingTimeInMillis'>,
  report: Report,
  work: () => Promise<void>,
): Promise<void> {
  const remainingMs = context.getRemainingTimeInMillis();
  try {
    await asInvocation(clock, { remainingMs, marginMs: Math.min(ANSWER_MS, remainingMs / 2) }, work);
  } catch (error) {
    report.warn('what follows the work was not done in time', { error: errorText(error) });
  }
}

async function showAgain(
  records: readonly SQSRecord[],
  waitOf: (record: SQSRecord) => number,
  queue: Queue,
  report: Report,
): Promise<void> {
  await Promise.all(
    records.map(async (record) => {
      try {
        await queue.changeVisibility(record.receiptHandle, waitOf(record));
      } catch (error) {
        report.warn('a failed message waits for its visibility time-out', {
          message: record.messageId,
          error: String(error),
        });
      }
    }),
  );
}

/** After a deadline: at once. After a retryable error: 1, 2, 4 … s. After others: longer, until the dead-letter queue has it. */
function waitSeconds(error: unknown, tries: number): number {
  if (error instanceof DeadlineError) return 0;
  if (error instanceof HaltedError) return Math.min(MAX_HALTED_WAIT_S, HALTED_WAIT_S * 2 ** (tries - 1));
  const base = error instanceof MisaError && error.retryable ? 2 : 4;
  return Math.min(MAX_WAIT_S, base ** (tries - 1));
}
