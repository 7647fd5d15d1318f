/**
 * What stands between the values of a line: `{"user":`, then `,"amount":`, at last `}`. Lines of one file mostly have the same
 * names, order and spaces, so each gap is first compared with the one at its place in the line before, in words of four bytes. Only
 * where it differs is it read: which field it names, and whether it is JSON.
 */
import { NO_JSON, skipSpace, skipString } from './skip.ts';

/** What a gap leads to, if not to the field of that index. */
export const UNDECLARED = -1;
export const LINE_END = -2;
export const WRONG = -3;

/** What is remembered at most. */
const MOST_GAPS = 256;
const MOST_BYTES = 16 * 1024;

export class LineShape {
  /** Where the gap that was looked at ends. */
  end = 0;
  readonly #declared: readonly string[];
  readonly #declaredBytes: readonly Buffer[];
  /** The gaps of the line before, one behind the other; where each begins, and what it leads to. */
  readonly #gaps = Buffer.alloc(MOST_BYTES);
  readonly #words = new DataView(this.#gaps.buffer, this.#gaps.byteOffset, MOST_BYTES);
  readonly #starts = new Int32Array(MOST_GAPS + 1);
  readonly #leads = new Int32Array(MOST_GAPS);
  #known = 0;

  constructor(declared: readonly string[]) {
    this.#declared = declared;
    this.#declaredBytes = declared.map((name) => Buffer.from(name));
  }

  /**
   * What the gap at `at` leads to: the declared field of an index, {@link UNDECLARED}, {@link LINE_END}, or {@link WRONG}.
   * @param number of the gap in its line, from 0
   */
  look(bytes: Buffer, words: DataView, at: number, number: number): number {
    if (number < this.#known) {
      const from = this.#starts[number]!;
      const length = this.#starts[number + 1]! - from;
      if (at + length <= bytes.length && this.#isAt(bytes, words, at, from, length)) {
        this.end = at + length;
        return this.#leads[number]!;
      }
    }
    return this.#read(bytes, at, number);
  }

  /** Whether the gap at `from` is also at `at`. */
  #isAt(bytes: Buffer, words: DataView, at: number, from: number, length: number): boolean {
    if (length < 4) {
      for (let i = 0; i < length; i++) if (this.#gaps[from + i] !== bytes[at + i]) return false;
      return true;
    }
    // The last word overlaps the one before where the length is no multiple of four.
    const last = length - 4;
    if (this.#words.getInt32(from + last, true) !== words.getInt32(at + last, true)) return false;
    for (let i = 0; i < last; i += 4) {
      if (this.#words.getInt32(from + i, true) !== words.getInt32(at + i, true)) return false;
    }
    return true;
  }

  /** Reads the gap, and remembers it. */
  #read(bytes: Buffer, from: number, number: number): number {
    const lead = this.#lead(bytes, from, number);
    if (lead === WRONG || number > this.#known || number >= MOST_GAPS) return lead;
    const start = this.#starts[number]!;
    const length = this.end - from;
    this.#known = number;
    if (start + length > MOST_BYTES) return lead;
    bytes.copy(this.#gaps, start, from, this.end);
    this.#starts[number + 1] = start + length;
    this.#leads[number] = lead;
    this.#known = number + 1;
    return lead;
  }

  #lead(bytes: Buffer, from: number, number: number): number {
    let at = skipSpace(bytes, from);
    const first = bytes[at];
    if (first === 0x7d && number > 0) return this.#lineEnd(bytes, at + 1);
    if (first !== (number === 0 ? 0x7b : 0x2c)) return WRONG;
    at = skipSpace(bytes, at + 1);
    if (bytes[at] === 0x7d && number === 0) return this.#lineEnd(bytes, at + 1);
    if (bytes[at] !== 0x22) return WRONG;
    const name = at + 1;
    const nameEnd = skipString(bytes, name);
    if (nameEnd === NO_JSON) return WRONG;
    at = skipSpace(bytes, nameEnd);
    if (bytes[at] !== 0x3a) return WRONG;
    this.end = skipSpace(bytes, at + 1);
    return this.#find(bytes, name, nameEnd - 1);
  }

  #lineEnd(bytes: Buffer, from: number): number {
    const at = skipSpace(bytes, from);
    if (bytes[at] !== 0x0a) return WRONG;
    this.end = at + 1;
    return LINE_END;
  }

  #find(bytes: Buffer, from: number, to: number): number {
    const backslash = bytes.indexOf(0x5c, from);
    if (backslash >= 0 && backslash < to) {
      return this.#declared.indexOf(JSON.parse(bytes.toString('utf8', from - 1, to + 1)) as string);
    }
    return this.#declaredBytes.findIndex((name) => name.length === to - from && name.compare(bytes, from, to) === 0);
  }
}
