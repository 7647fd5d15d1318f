/**
 * Result rows as messages of an SQS queue, one message a row, at least once. The body is the row as JSON; the attribute
 * `misa-id` is the same in every delivery of the row, which is what to de-duplicate by. A FIFO queue does so itself for five
 * minutes: there the id is the de-duplication id as well, and rows of a partition, or of a key, are a message group.
 */
import type { RequestOptions } from '../object-store/object-store.ts';
import { batchesOf, MAX_MESSAGE_BYTES, messageBytes } from '../queue/batches.ts';
import type { OutgoingMessage, Queue } from '../queue/queue.ts';
import { QueueError } from '../queue/queue-error.ts';
import { SqsQueues } from '../queue/sqs-queue.ts';
import { contentHash } from '../util/hash.ts';
import { InFlight } from './in-flight.ts';
import { keyText } from './key-text.ts';
import { RefusedRows } from './refused-rows.ts';
import type { ServiceOptions } from './service-calls.ts';
import { columnOf, columnsOf, type ResultBatch, type ResultSink, rowId } from './sink.ts';

export interface SqsSettings {
  readonly queueUrl: string;
  /** Which rows share a message group of a FIFO queue; default `partition`. */
  readonly groupBy?: 'partition' | 'key' | undefined;
}

export const ID_ATTRIBUTE = 'misa-id';
export const OUTPUT_ATTRIBUTE = 'misa-output';

/** Requests at once, to a standard queue. */
const REQUESTS_AT_ONCE = 4;
/** What SQS allows as group and de-duplication ids. */
const PLAIN_ID = /^[\x21-\x7e]{1,128}$/;

interface RowMessage extends OutgoingMessage {
  /** Number of the row in its batch. */
  readonly i: number;
}

export class SqsSink implements ResultSink {
  readonly #queue: Queue;
  readonly #settings: SqsSettings;
  readonly #fifo: boolean;
  /** One at a time to a FIFO queue, so that rows of a group keep their order. */
  readonly #requests: InFlight;

  constructor(queue: Queue, settings: SqsSettings) {
    this.#queue = queue;
    this.#settings = settings;
    this.#fifo = settings.queueUrl.endsWith('.fifo');
    this.#requests = new InFlight(this.#fifo ? 1 : REQUESTS_AT_ONCE);
  }

  static async open(settings: SqsSettings, service: ServiceOptions): Promise<SqsSink> {
    const queues = await SqsQueues.open(service);
    return new SqsSink(queues.queue(settings.queueUrl), settings);
  }

  async deliver(batch: ResultBatch, options: RequestOptions = {}): Promise<void> {
    const refused = new RefusedRows(batch);
    const messages: RowMessage[] = [];
    for (const [i, row] of batch.rows.entries()) {
      const message = this.#message(batch, i, row);
      const bytes = messageBytes(message);
      if (bytes <= MAX_MESSAGE_BYTES) messages.push(message);
      else refused.add(i, `too large: its message has ${bytes} bytes of ${MAX_MESSAGE_BYTES}`);
    }
    await this.#requests.forEach(batchesOf(messages), (some) => this.#send(some, refused, options));
    refused.throwIfAny(`the queue ${this.#settings.queueUrl}`);
  }

  /** One request. If the queue refuses a message, all are sent again, each by itself, to learn which. */
  async #send(messages: readonly RowMessage[], refused: RefusedRows, options: RequestOptions): Promise<void> {
    try {
      await this.#queue.send(messages, options);
    } catch (error) {
      if (!(error instanceof QueueError) || !/^(BAD_MESSAGE|MESSAGE_TOO_LARGE)$/.test(error.code)) throw error;
      if (messages.length === 1) return refused.add(messages[0]!.i, error.message);
      for (const message of messages) await this.#send([message], refused, options);
    }
  }

  #message(batch: ResultBatch, i: number, row: unknown): RowMessage {
    const id = rowId(batch, i);
    const message = { i, body: bodyOf(row), attributes: { [ID_ATTRIBUTE]: id, [OUTPUT_ATTRIBUTE]: batch.output } };
    if (!this.#fifo) return message;
    return { ...message, group: plainId(this.#groupOf(batch, row)), dedupId: plainId(id) };
  }

  #groupOf({ job, output, partition }: ResultBatch, row: unknown): string {
    const key = this.#settings.groupBy === 'key' ? keyText(columnOf(columnsOf(row), 'key')) : undefined;
    return key === undefined ? `${job}/${output}/${partition}` : `${job}/${output}/${partition}/${key}`;
  }
}

/** JSON, with the two characters escaped that SQS refuses and JSON does not escape. */
function bodyOf(row: unknown): string {
  return JSON.stringify(row).replace(/[\ufffe\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16)}`);
}

/** The id, or its hash where SQS does not take it. */
function plainId(id: string): string {
  return PLAIN_ID.test(id) ? id : contentHash(id);
}
