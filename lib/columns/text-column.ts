/**
 * Texts of many rows side by side as UTF-8 bytes; a string is made when somebody asks. Rows are set in order, and the last one may be
 * set again.
 */
import { grown } from '../util/arrays.ts';
import { latin1At } from '../util/bytes.ts';

/** `latin1At` may look at so many bytes behind a text. */
const SLACK_BYTES = 16;
/** A call into native code is faster for longer ones. */
const LONG_BYTES = 48;

const NULL = 0;
const ASCII = 1;
const UTF_8 = 2;
/** Not in the bytes. */
const APART = 3;

export class TextColumn {
  /** Text i ends at `ends[i]`, where text i + 1 begins. */
  bytes: Buffer;
  ends: Uint32Array;
  #kinds: Uint8Array;
  readonly #apart = new Map<number, unknown>();

  /** @param rows how many are to be expected, see {@link reserve} */
  constructor(rows: number) {
    this.bytes = Buffer.allocUnsafeSlow(rows * 16 + SLACK_BYTES);
    this.ends = new Uint32Array(rows);
    this.#kinds = new Uint8Array(rows);
  }

  /** Makes room for so many rows. */
  reserve(rows: number): void {
    this.ends = grown(this.ends, new Uint32Array(rows));
    this.#kinds = grown(this.#kinds, new Uint8Array(rows));
  }

  /** Where text i begins in the bytes. */
  start(i: number): number {
    return i === 0 ? 0 : this.ends[i - 1]!;
  }

  /** Text i is there as bytes, none of which is 00 or 01. */
  inBytes(i: number): boolean {
    const kind = this.#kinds[i];
    return kind === ASCII || kind === UTF_8;
  }

  /** @param from UTF-8 without 00 and 01 @param ascii it is nothing but ASCII */
  setBytes(i: number, from: Buffer, start: number, end: number, ascii: boolean): void {
    const at = this.start(i);
    const length = end - start;
    if (at + length + SLACK_BYTES > this.bytes.length) this.#grow(at + length + SLACK_BYTES);
    const { bytes } = this;
    if (length > LONG_BYTES) from.copy(bytes, at, start, end);
    else for (let k = 0; k < length; k++) bytes[at + k] = from[start + k]!;
    this.ends[i] = at + length;
    this.#kinds[i] = ascii ? ASCII : UTF_8;
  }

  setText(i: number, text: string): void {
    if (!text.isWellFormed() || text.includes('\0') || text.includes('\x01')) {
      this.setApart(i, text);
      return;
    }
    const encoded = Buffer.from(text);
    this.setBytes(i, encoded, 0, encoded.length, encoded.length === text.length);
  }

  setNull(i: number): void {
    this.ends[i] = this.start(i);
    this.#kinds[i] = NULL;
  }

  /** A value that is kept as it is. */
  setApart(i: number, value: unknown): void {
    this.setNull(i);
    this.#kinds[i] = APART;
    this.#apart.set(i, value);
  }

  /** Text i, `null`, or the value that was set apart. */
  value(i: number): unknown {
    const start = this.start(i);
    const end = this.ends[i]!;
    switch (this.#kinds[i]) {
      case NULL:
        return null;
      case ASCII:
        return end - start <= SLACK_BYTES
          ? latin1At(this.bytes, start, end - start)
          : this.bytes.toString('latin1', start, end);
      case UTF_8:
        return this.bytes.toString('utf8', start, end);
      default:
        return this.#apart.get(i);
    }
  }

  #grow(needed: number): void {
    this.bytes = grown(this.bytes, Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2)));
  }
}
