/**
 * Results of groups as lines of NDJSON, straight from their numbers: what `JSON.stringify` gives for the same row, without the
 * row. In a window's batch there are a hundred thousand of them.
 */
import type { ByteWriter } from '../../util/bytes.ts';
import type { Slots } from '../graph/accumulator.ts';
import type { NumberRows } from '../graph/tables.ts';
import type { NumberFold } from './fold.ts';
import { decodeKey } from './key.ts';

/** An encoded text of ASCII that JSON writes as it is. */
const PLAIN_TEXT = /^\x06[ !#-[\]-~]*\0$/;
/** JSON puts such names before all others. */
const INDEX = /^\d+$/;

const BEFORE_KEY = Buffer.from('{"key":');
/** What the key of a text begins with. */
const TEXT = 6;
const LINE_FEED = 0x0a;
const POINT = 0x2e;
const QUOTE = 0x22;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const CLOSING_BRACE = 0x7d;
/** Bytes of the longest number. */
const LONGEST_NUMBER = 25;

export class GroupLines {
  /** Numbers of a state. */
  readonly width: number;
  /** By column: what stands before its value. */
  readonly #names: readonly string[];
  readonly #nameBytes: readonly Buffer[];
  /** A line's bytes, but for those of key and window, are not more. */
  readonly #most: number;
  readonly #columns: NumberFold['columns'];
  readonly #sizeMs: number | undefined;
  /** The window of the line before, mostly of this one, too. */
  #end = Number.NaN;
  #window = { text: '', bytes: Buffer.alloc(0) };

  /** @param sizeMs of the groups' windows; `undefined`: they have none */
  private constructor({ width, columns }: NumberFold, sizeMs: number | undefined) {
    this.width = width;
    this.#columns = columns;
    this.#sizeMs = sizeMs;
    this.#names = columns.map(({ name }) => `,${JSON.stringify(name)}:`);
    this.#nameBytes = this.#names.map((name) => Buffer.from(name));
    this.#most = this.#nameBytes.reduce((sum, name) => sum + name.length + LONGEST_NUMBER, BEFORE_KEY.length + 2);
  }

  /** `undefined`: such groups have to be shown as objects. */
  static of({ numbers }: { readonly numbers: NumberFold | undefined }, sizeMs: number | undefined) {
    const columns = numbers?.columns ?? [];
    if (columns.length === 0 || columns.some(({ name }) => INDEX.test(name))) return undefined;
    return new GroupLines(numbers!, sizeMs);
  }

  /**
   * The line of a group.
   * @param end of its window
   * @param at where the state begins in `state`
   * @returns `undefined`: some result is no number
   */
  line(key: string, end: number, state: Slots, at: number): string | undefined {
    let text = `{"key":${keyJson(key)}`;
    text += this.#windowOf(end).text;
    const columns = this.#columns;
    for (let j = 0; j < columns.length; j++) {
      const column = columns[j]!;
      const value = column.result(state, at + column.at);
      if (typeof value === 'number') text += this.#names[j]! + (value - value === 0 ? value : 'null');
      else if (value === null) text += `${this.#names[j]!}null`;
      else return undefined;
    }
    return `${text}}\n`;
  }

  /**
   * Writes the lines of groups from number `first` on: the same bytes as {@link line} gives.
   * @returns the first group of which some result is no number, and nothing is written; their count: there is none
   */
  write(groups: NumberRows, first: number, to: ByteWriter): number {
    const { count, keys, times, numbers } = groups;
    const { width } = this;
    const columns = this.#columns;
    const names = this.#nameBytes;
    for (let i = first; i < count; i++) {
      const window = this.#windowOf(times[i]!).bytes;
      const start = keys.starts[i]!;
      const end = keys.starts[i + 1]!;
      const most = this.#most + window.length;
      let bytes = to.room(most + end - start);
      let at = putPlainText(keys.bytes, start, end, bytes, put(BEFORE_KEY, bytes, to.length));
      if (at < 0) {
        const json = Buffer.from(keyJson(keys.text(i)));
        bytes = to.room(most + json.length);
        at = put(json, bytes, put(BEFORE_KEY, bytes, to.length));
      }
      // Long enough for a call into native code.
      bytes.set(window, at);
      at += window.length;
      for (let j = 0; j < columns.length; j++) {
        const column = columns[j]!;
        const value = column.result(numbers as unknown as Slots, i * width + column.at);
        if (typeof value !== 'number' && value !== null) return i;
        at = putNumber(value, bytes, put(names[j]!, bytes, at));
      }
      bytes[at++] = CLOSING_BRACE;
      bytes[at++] = LINE_FEED;
      to.advance(at);
    }
    return count;
  }

  #windowOf(end: number): { readonly text: string; readonly bytes: Buffer } {
    if (this.#sizeMs === undefined || end === this.#end) return this.#window;
    const text = `,"windowStart":${end - this.#sizeMs},"windowEnd":${end}`;
    this.#end = end;
    this.#window = { text, bytes: Buffer.from(text) };
    return this.#window;
  }
}

/** @returns where it ends */
function put(piece: Buffer, to: Buffer, at: number): number {
  // Pieces are short: the call would cost more than the loop.
  for (let i = 0; i < piece.length; i++) to[at + i] = piece[i]!;
  return at + piece.length;
}

/** As {@link put}, a key as JSON. @returns −1: it is no {@link PLAIN_TEXT} */
function putPlainText(key: Buffer, start: number, end: number, to: Buffer, at: number): number {
  if (key[start] !== TEXT) return -1;
  to[at++] = QUOTE;
  for (let i = start + 1; i < end - 1; i++) {
    const byte = key[i]!;
    if (byte < 0x20 || byte > 0x7e || byte === QUOTE || byte === BACKSLASH) return -1;
    to[at++] = byte;
  }
  to[at++] = QUOTE;
  return at;
}

/** As {@link put}, a number as JSON. */
function putNumber(value: number | null, to: Buffer, at: number): number {
  if (value !== null && value >= 0 && (value | 0) === value) return putDigits(value | 0, to, at);
  if (value !== null && value >= 0.01 && value < 1e7) {
    const cents = Math.round(value * 100);
    if (cents / 100 === value) return putCents(cents, to, at);
  }
  const text = value !== null && value - value === 0 ? `${value}` : 'null';
  for (let i = 0; i < text.length; i++) to[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** A number of hundredths, not whole: of so few digits there is one decimal number only that is read as this double. */
function putCents(cents: number, to: Buffer, at: number): number {
  const whole = (cents / 100) | 0;
  const rest = cents - 100 * whole;
  const tenths = (rest / 10) | 0;
  at = putDigits(whole, to, at);
  to[at++] = POINT;
  to[at++] = ZERO + tenths;
  if (rest > 10 * tenths) to[at++] = ZERO + rest - 10 * tenths;
  return at;
}

function putDigits(value: number, to: Buffer, at: number): number {
  let end = at + 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) end++;
  let rest = value;
  for (let i = end - 1; i >= at; i--) {
    const tens = (rest / 10) | 0;
    to[i] = ZERO + rest - 10 * tens;
    rest = tens;
  }
  return end;
}

function keyJson(key: string): string {
  return PLAIN_TEXT.test(key) ? `"${key.slice(1, -1)}"` : JSON.stringify(decodeKey(key));
}
