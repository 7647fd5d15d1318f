/**
 * Result rows as messages of an SQS queue, one message a row, at least once. The body is the row as JSON; the attribute
 * `misa-id` is the same in every delivery of the row, which is what to de-duplicate by. A FIFO queue does so itself for five
 * minutes: there the id is the de-duplication id as well, and rows of a partition, or of a key, are a message group.
 */
import type { RequestOptions } from '../object-store/object-store.ts';
import type { OutgoingMessage, Queue } from '../queue/queue.ts';
import { SqsQueues } from '../queue/sqs-queue.ts';
import { contentHash } from '../util/hash.ts';
import { keyText } from './key-text.ts';
import { RefusedRows } from './refused-rows.ts';
import type { ServiceOptions } from './service-calls.ts';
import { columnOf, columnsOf, type ResultBatch, type ResultSink, rowId } from './sink.ts';

export interface SqsSettings {
  readonly queueUrl: string;
  /** What is one message group of a FIFO queue; default `partition`. */
  readonly groupBy?: 'partition' | 'key' | undefined;
}

export const ID_ATTRIBUTE = 'misa-id';
export const OUTPUT_ATTRIBUTE = 'misa-output';

/** SQS's limit for a message, names, types and values of its attributes included. */
const MAX_MESSAGE_BYTES = 1_048_576;
/** What ids of groups and for de-duplication may be. */
const PLAIN_ID = /^[\x21-\x7e]{1,128}$/;

export class SqsSink implements ResultSink {
  readonly #queue: Queue;
  readonly #settings: SqsSettings;
  readonly #fifo: boolean;

  constructor(queue: Queue, settings: SqsSettings) {
    this.#queue = queue;
    this.#settings = settings;
    this.#fifo = settings.queueUrl.endsWith('.fifo');
  }

  static async open(settings: SqsSettings, { clock, random }: ServiceOptions): Promise<SqsSink> {
    const queues = await SqsQueues.open({ clock, random });
    return new SqsSink(queues.queue(settings.queueUrl), settings);
  }

  async deliver(batch: ResultBatch, options: RequestOptions = {}): Promise<void> {
    const refused = new RefusedRows(batch);
    const messages: OutgoingMessage[] = [];
    for (const [i, row] of batch.rows.entries()) {
      const message = this.#message(batch, i, row);
      const bytes = bytesOf(message);
      if (bytes <= MAX_MESSAGE_BYTES) messages.push(message);
      else refused.add(i, `too large: its message has ${bytes} bytes of ${MAX_MESSAGE_BYTES}`);
    }
    if (messages.length > 0) await this.#queue.send(messages, options);
    refused.throwIfAny(`the queue ${this.#settings.queueUrl}`);
  }

  #message(batch: ResultBatch, i: number, row: unknown): OutgoingMessage {
    const id = rowId(batch, i);
    const message = { body: bodyOf(row), attributes: { [ID_ATTRIBUTE]: id, [OUTPUT_ATTRIBUTE]: batch.output } };
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

function bytesOf({ body, attributes = {} }: OutgoingMessage): number {
  let bytes = Buffer.byteLength(body);
  for (const [name, value] of Object.entries(attributes)) bytes += name.length + 'String'.length + Buffer.byteLength(value);
  return bytes;
}
