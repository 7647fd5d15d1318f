/**
 * Result rows as events on an EventBridge bus, one event a row, at least once: the bus keeps no memory of what it had, so a
 * row delivered twice is two events with the same `detail.id`, which is what to de-duplicate by. Events are packed up to the
 * limits of a request; of a request that the service took in part, only the rest is sent again.
 */
import type * as EventBridge from '@aws-sdk/client-eventbridge';
import type { RequestOptions } from '../object-store/object-store.ts';
import { awsClientSettings } from '../util/aws-client.ts';
import { InFlight } from './in-flight.ts';
import { RefusedRows } from './refused-rows.ts';
import {
  errorCode,
  isPassing,
  type ServiceOptions,
  serviceError,
  TRIES,
  untilAnswered,
  waitAfter,
} from './service-calls.ts';
import { type ResultBatch, type ResultSink, rowId, SinkError } from './sink.ts';

export interface EventBridgeSettings {
  /** Name or ARN. */
  readonly bus: string;
  /** `source` of the events; default `misa.{job}`. */
  readonly source?: string | undefined;
  /** `detail-type` of the events; default: the output. */
  readonly detailType?: string | undefined;
}

/** Limits of PutEvents: entries, and bytes of them all ("less than 1 MB", whichever MB that is). */
const MAX_ENTRIES = 10;
const PACK_BYTES = 1_000_000;
const MAX_ENTRY_BYTES = 1_048_576;
const REQUESTS_AT_ONCE = 4;

/** What concerns the whole bus, not the row. */
const NOT_THE_ROW = /NotAuthorized|AccessDenied|NotFound|Disabled|InvalidAccount/;
/** What a request is refused with for one of its entries, or for their size. */
const SOME_ROW = /Validation|TooLarge|InvalidArgument|Malformed|413/i;

interface Entry {
  readonly i: number;
  readonly bytes: number;
  readonly event: EventBridge.PutEventsRequestEntry;
}

export class EventBridgeSink implements ResultSink {
  readonly #settings: EventBridgeSettings;
  readonly #service: ServiceOptions;
  readonly #sdk: typeof EventBridge;
  readonly #client: EventBridge.EventBridgeClient;
  readonly #requests = new InFlight(REQUESTS_AT_ONCE);

  private constructor(sdk: typeof EventBridge, settings: EventBridgeSettings, service: ServiceOptions) {
    this.#sdk = sdk;
    this.#settings = settings;
    this.#service = service;
    this.#client = new sdk.EventBridgeClient(awsClientSettings('EVENTBRIDGE', service));
  }

  static async open(settings: EventBridgeSettings, service: ServiceOptions): Promise<EventBridgeSink> {
    return new EventBridgeSink(await import('@aws-sdk/client-eventbridge'), settings, service);
  }

  async deliver(batch: ResultBatch, options: RequestOptions = {}): Promise<void> {
    const refused = new RefusedRows(batch);
    await this.#requests.forEach(packed(this.#entries(batch, refused)), (entries) =>
      this.#put(entries, refused, options),
    );
    refused.throwIfAny(`the event bus ${this.#settings.bus}`);
  }

  *#entries(batch: ResultBatch, refused: RefusedRows): Generator<Entry> {
    const { job, epoch, output, partition, n, rows } = batch;
    const { bus, source = `misa.${job}`, detailType = output } = this.#settings;
    for (const [i, row] of rows.entries()) {
      const detail = JSON.stringify({ id: rowId(batch, i), job, epoch, output, partition, n, i, row });
      const bytes = Buffer.byteLength(source) + Buffer.byteLength(detailType) + Buffer.byteLength(detail);
      if (bytes > MAX_ENTRY_BYTES) refused.add(i, `too large: its event has ${bytes} bytes of ${MAX_ENTRY_BYTES}`);
      else yield { i, bytes, event: { EventBusName: bus, Source: source, DetailType: detailType, Detail: detail } };
    }
  }

  async #put(entries: readonly Entry[], refused: RefusedRows, options: RequestOptions): Promise<void> {
    let left = entries;
    for (let tries = 1; left.length > 0; tries++) {
      const answers = await this.#send(left, options).catch((error) => {
        options.signal?.throwIfAborted();
        if (!SOME_ROW.test(errorCode(error))) throw this.#error(error);
        return error as Error;
      });
      if (answers instanceof Error) return this.#putApart(left, answers, refused, options);
      const again: Entry[] = [];
      for (const [k, entry] of left.entries()) {
        const { ErrorCode: code, ErrorMessage: message = '' } = answers[k] ?? { ErrorCode: 'InternalFailure' };
        if (code === undefined) continue;
        if (isPassing(code)) again.push(entry);
        else if (NOT_THE_ROW.test(code)) throw this.#error(asError(code, message));
        else refused.add(entry.i, `${code} ${message}`);
      }
      left = again;
      if (left.length > 0) {
        if (tries === TRIES) throw this.#busy(left.length);
        await waitAfter(tries, this.#service, options.signal);
      }
    }
  }

  /** One row spoils a request: the halves are sent apart, until it is alone. */
  async #putApart(entries: readonly Entry[], error: Error, refused: RefusedRows, options: RequestOptions) {
    if (entries.length === 1) return refused.add(entries[0]!.i, `${errorCode(error)} ${error.message}`);
    const half = entries.length >> 1;
    await this.#put(entries.slice(0, half), refused, options);
    await this.#put(entries.slice(half), refused, options);
  }

  async #send(entries: readonly Entry[], options: RequestOptions): Promise<EventBridge.PutEventsResultEntry[]> {
    const command = new this.#sdk.PutEventsCommand({ Entries: entries.map(({ event }) => event) });
    const { Entries } = await untilAnswered((abort) => this.#client.send(command, abort), this.#service, options);
    return Entries ?? [];
  }

  #error(error: unknown): SinkError {
    const { bus } = this.#settings;
    return serviceError(error, `cannot put events on the bus ${bus}`, `events:PutEvents on ${bus}`);
  }

  #busy(count: number): SinkError {
    const what = `the event bus ${this.#settings.bus} put off ${count} events ${TRIES} times`;
    return new SinkError('SINK_BUSY', `${what}. Raise the quota of PutEvents if this goes on`, { retryable: true });
  }
}

/** The answer to one entry as the error of a whole request. */
function asError(code: string, message: string): Error {
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode: 400 } });
}

/** In order, as many to a request as it may have. */
function* packed(entries: Iterable<Entry>): Generator<Entry[]> {
  let pack: Entry[] = [];
  let packBytes = 0;
  for (const entry of entries) {
    if (pack.length === MAX_ENTRIES || (pack.length > 0 && packBytes + entry.bytes > PACK_BYTES)) {
      yield pack;
      pack = [];
      packBytes = 0;
    }
    pack.push(entry);
    packBytes += entry.bytes;
  }
  if (pack.length > 0) yield pack;
}
