/**
 * Delivers announced result objects to the sinks of their outputs. A message is done when all of its objects are with all of
 * their sinks; one that fails does not hold up the others. Batches of one output and partition are delivered one after the
 * other in their order, as far as the queue has brought them together: nothing depends on it, but consumers see fewer
 * surprises. It stops in time to say which messages are done.
 */
import type { SQSRecord } from 'aws-lambda';
import { CorruptionError, errorText, MisaError } from '../errors.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { createdObjects } from '../sinks/created-objects.ts';
import { openSinks, type Sinks } from '../sinks/open-sinks.ts';
import { parseResultName } from '../sinks/result-name.ts';
import { type ResultName, SinkError } from '../sinks/sink.ts';
import { type TakenResult, writeTaken } from '../sinks/taken.ts';
import type { Clock } from '../util/clock.ts';
import { decodeNdjson } from '../util/ndjson.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import { DeadlineError, type Invocation } from './invocation.ts';
import type { Report } from './report.ts';

/** Delivery stops this long before the invocation ends; the rest is left to the next one. */
const STOP_EARLY_MS = 1000;

export interface SinkServices {
  readonly store: ObjectStore;
  /** Where the store is. Notifications of other places are ignored. */
  readonly place: { readonly bucket: string; readonly prefix: string };
  readonly jobId: string;
  readonly sinks: Pick<Sinks, 'has' | 'deliver'>;
  readonly clock: Clock;
  readonly report: Report;
  /** Records delivered results, so that lost ones can be found. */
  readonly record?: ((taken: readonly TakenResult[], options: RequestOptions) => Promise<void>) | undefined;
}

interface Announced {
  readonly key: string;
  readonly name: string;
  readonly result: ResultName;
  readonly messages: Set<string>;
}

export class SinkFunction {
  readonly #services: SinkServices;

  constructor(services: SinkServices) {
    this.#services = services;
  }

  /** @returns why a message must come again, by message id */
  async run(records: readonly SQSRecord[], invocation: Invocation): Promise<ReadonlyMap<string, unknown>> {
    const { clock } = this.#services;
    const failed = new Map<string, unknown>();
    const stop = new AbortController();
    const done = new AbortController();
    const timer = clock.sleep(Math.max(0, invocation.remainingMs - STOP_EARLY_MS), done.signal).then(
      () => stop.abort(new DeadlineError('not all results could be delivered in the time of this invocation')),
      () => {},
    );
    const signal = AbortSignal.any([stop.signal, invocation.signal]);
    const taken: TakenResult[] = [];
    const lanes = this.#lanes(records, failed);
    await Promise.all(
      lanes.map(async (lane) => {
        for (const announced of lane) {
          const { output, partition, n } = announced.result;
          try {
            await this.#deliver(announced, { signal });
            // ⚑ taken-known
            taken.push([output, partition, n]);
          } catch (error) {
            const why = signal.aborted ? signal.reason : error;
            for (const message of announced.messages) failed.set(message, why);
          }
        }
      }),
    );
    done.abort();
    await timer;
    await this.#record(taken, invocation);
    return failed;
  }

  /** Best effort: a result that is not recorded is announced once more. */
  async #record(taken: readonly TakenResult[], { signal }: Invocation): Promise<void> {
    const { record, report } = this.#services;
    if (record === undefined || taken.length === 0) return;
    try {
      await record(taken, { signal });
    } catch (error) {
      report.warn('what was delivered was not written down, and may be delivered again', { error: errorText(error) });
    }
  }

  /** Each object once, by output and partition, in the order of their numbers. */
  #lanes(records: readonly SQSRecord[], failed: Map<string, unknown>): Announced[][] {
    const announced = new Map<string, Announced>();
    for (const { messageId, body } of records) {
      try {
        for (const object of this.#wanted(body)) {
          const known = announced.get(object.key);
          if (known === undefined) announced.set(object.key, { ...object, messages: new Set([messageId]) });
          else known.messages.add(messageId);
        }
      } catch (error) {
        failed.set(messageId, error);
      }
    }
    const lanes = new Map<string, Announced[]>();
    // Names sort as their numbers do.
    for (const one of [...announced.values()].sort((a, b) => (a.key < b.key ? -1 : 1))) {
      const lane = one.key.slice(0, one.key.lastIndexOf('/'));
      lanes.set(lane, [...(lanes.get(lane) ?? []), one]);
    }
    return [...lanes.values()];
  }

  #wanted(body: string): Omit<Announced, 'messages'>[] {
    const { place, sinks } = this.#services;
    const prefix = place.prefix === '' ? '' : `${place.prefix}/`;
    return createdObjects(body).flatMap(({ bucket, key }) => {
      const name = key.slice(prefix.length);
      const ours = bucket === place.bucket && key.startsWith(prefix);
      const result = ours ? parseResultName(name) : undefined;
      return result === undefined || !sinks.has(result.output) ? [] : [{ key, name, result }];
    });
  }

  async #deliver({ name, result }: Announced, options: RequestOptions): Promise<void> {
    const { store, sinks, jobId, report } = this.#services;
    options.signal?.throwIfAborted();
    const answer = await store.get(name, options);
    if (!answer.found) {
      const what = `the result ${name} is gone before it came to its sinks`;
      throw new MisaError('RESULT_GONE', `${what}: keep results at least until the results queue is empty`);
    }
    const rows = parseRows(name, answer.body);
    if (rows.length === 0) return;
    await sinks.deliver({ ...result, jobId, rows, bytes: answer.body }, options);
    report.metric('Rows', rows.length);
  }
}

/** @param sinks `MISA_SINKS` @throws {SinkError} `BAD_SINKS` */
export function openSinkFunction(env: FunctionEnvironment, sinks: string | undefined): SinkFunction {
  const { settings, store, names, file, clock, random, report } = env;
  const spec = settings.store;
  if (sinks === undefined || spec.kind !== 's3') {
    throw new SinkError('BAD_SINKS', 'this function needs MISA_SINKS, and a store in S3. Deploy it by MisaJob');
  }
  return new SinkFunction({
    store,
    place: { bucket: spec.bucket, prefix: spec.prefix },
    jobId: file.id,
    sinks: openSinks(sinks, { store: spec, clock, random }),
    clock,
    report,
    record: (taken, options) => writeTaken(store, names, random.id(), taken, options),
  });
}

function parseRows(name: string, bytes: Uint8Array): unknown[] {
  try {
    return decodeNdjson(bytes);
  } catch (error) {
    throw new CorruptionError(name, `it is no NDJSON (${(error as Error).message})`, { cause: error });
  }
}
