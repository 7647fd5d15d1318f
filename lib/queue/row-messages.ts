/**
 * Rows as messages of a job's input queue: `{"misa":1,"id":…,"source":…,"rows":[…]}`. The id is made here and not by the
 * queue: it is what the job plans the rows by, so a message that is sent again, because an answer was lost, counts once.
 */
import { errorText, InputError } from '../errors.ts';
import { assertJson } from '../util/plain-data.ts';
import { type Random, systemRandom } from '../util/random.ts';
import { MAX_MESSAGE_BYTES } from './batches.ts';
import type { OutgoingMessage } from './queue.ts';

export const MAX_MESSAGE_ROWS = 10_000;

/** How rows are packed into messages. */
export interface RowMessageOptions {
  /** Most rows of a message. Default 10,000. */
  readonly maxRows?: number | undefined;
  /** Largest message, bytes. Default, and most: 1 MiB. */
  readonly maxBytes?: number | undefined;
  /** For a FIFO queue: messages of a source keep their order, and the queue drops a second one of the same id. Default false. */
  readonly fifo?: boolean | undefined;
  /** Where ids come from. */
  readonly random?: Random | undefined;
}

/** How a {@link RowPack} is filled. */
export interface RowPackLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
  readonly fifo: boolean;
}

/** Whether a queue is FIFO, which is in its name. */
export function isFifoUrl(url: string): boolean {
  return url.endsWith('.fifo');
}

/**
 * As few messages as hold the rows, in their order.
 * @throws {InputError} `ROW_TOO_LARGE`, `ROW_NOT_JSON`: at the row that is, after the messages before it
 */
export function* rowMessages(
  source: string,
  rows: Iterable<unknown>,
  {
    maxRows = MAX_MESSAGE_ROWS,
    maxBytes = MAX_MESSAGE_BYTES,
    fifo = false,
    random = systemRandom,
  }: RowMessageOptions = {},
): Generator<OutgoingMessage, void, undefined> {
  const pack = new RowPack(source, { maxRows, maxBytes, fifo }, random);
  let index = 0;
  for (const row of rows) {
    const text = rowText(row, index++, source, maxBytes);
    if (!pack.fits(text)) yield pack.take();
    pack.add(text);
  }
  if (pack.rows > 0) yield pack.take();
}

/** A row as text that fits into a message alone. @throws {InputError} */
export function rowText(row: unknown, index: number, source: string, maxBytes: number): string {
  let text: string | undefined;
  try {
    assertJson(row);
    text = JSON.stringify(row);
  } catch (error) {
    throw notJson(index, source, errorText(error));
  }
  if (text === undefined) throw notJson(index, source, `it is ${typeof row}`);
  text = allowed(text);
  const bytes = Buffer.byteLength(text) + envelopeBytes(source);
  if (bytes <= maxBytes) return text;
  throw new InputError(
    'ROW_TOO_LARGE',
    `row ${index} for source '${source}' takes a message of ${bytes} bytes; ${maxBytes} is the most. Put such rows into a file, and the file into the bucket`,
    source,
  );
}

/** Rows that are put into one message. */
export class RowPack {
  readonly #source: string;
  readonly #limits: RowPackLimits;
  readonly #random: Random;
  #texts: string[] = [];
  #bytes: number;

  constructor(source: string, limits: RowPackLimits, random: Random) {
    this.#source = source;
    this.#limits = limits;
    this.#random = random;
    this.#bytes = envelopeBytes(source);
  }

  get rows(): number {
    return this.#texts.length;
  }

  fits(text: string): boolean {
    const { maxRows, maxBytes } = this.#limits;
    if (this.rows === 0) return true;
    return this.rows < maxRows && this.#bytes + Buffer.byteLength(text) + 1 <= maxBytes;
  }

  add(text: string): void {
    this.#bytes += Buffer.byteLength(text) + (this.rows > 0 ? 1 : 0);
    this.#texts.push(text);
  }

  /** The message; the pack is empty then. */
  take(): OutgoingMessage {
    const id = this.#random.id();
    const body = envelope(this.#source, id, this.#texts.join(','));
    this.#texts = [];
    this.#bytes = envelopeBytes(this.#source);
    return this.#limits.fifo ? { body, group: this.#source, dedupId: id } : { body };
  }
}

function envelope(source: string, id: string, rows: string): string {
  return `{"misa":1,"id":${JSON.stringify(id)},"source":${allowed(JSON.stringify(source))},"rows":[${rows}]}`;
}

function envelopeBytes(source: string): number {
  return Buffer.byteLength(envelope(source, '0'.repeat(20), ''));
}

/** SQS refuses two characters that JSON has as they are. */
function allowed(json: string): string {
  return /[\ufffe\uffff]/.test(json)
    ? json.replace(/[\ufffe\uffff]/g, (char) => (char === '\ufffe' ? '\\ufffe' : '\\uffff'))
    : json;
}

function notJson(index: number, source: string, why: string): InputError {
  const advice = 'Send plain objects of text, numbers, booleans, null, arrays and objects of these';
  return new InputError('ROW_NOT_JSON', `row ${index} for source '${source}' is not JSON: ${why}. ${advice}`, source);
}
