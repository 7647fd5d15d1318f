/**
 * The answer of a block source that searches blocks where it reads them: by block its plain bytes, or what was found in place of them. Numbers
 * and bytes lie side by side, of many requests; one object goes over all of them, and nothing is made a block but a view of its bytes.
 */
import { ABSENT, DELETED, FOUND } from '../sst/block.ts';

/** In place of a block's length: by key a value's length, {@link ROW_DELETED} or {@link ROW_ABSENT} follow. */
export const ROWS = -1;
export const ROW_DELETED = -1;
export const ROW_ABSENT = -2;

export class SearchedBlocks {
  readonly bytes: Buffer;
  /** What {@link row} has found is `bytes[valueStart]` up to `bytes[valueEnd]`. */
  valueStart = 0;
  valueEnd = 0;
  readonly #numbers: Float64Array;
  #at = 0;
  #from = 0;
  /** Rows of the block at hand that nobody has taken. */
  #left = 0;

  constructor(numbers: Float64Array, memory: ArrayBuffer) {
    this.#numbers = numbers;
    this.bytes = Buffer.from(memory);
  }

  get isOver(): boolean {
    this.#skip();
    return this.#at >= this.#numbers.length;
  }

  /** A number of whoever has asked, before or between his blocks. */
  number(): number {
    this.#skip();
    return this.#numbers[this.#at++]!;
  }

  /**
   * Goes to the next block, whether all of the one before was taken or not.
   * @param keys how many were sought in it
   * @returns its plain bytes; `undefined`: a {@link row} for each key
   */
  block(keys: number): Buffer | undefined {
    const length = this.number();
    if (length === ROWS) {
      this.#left = keys;
      return undefined;
    }
    this.#from += length;
    return this.bytes.subarray(this.#from - length, this.#from);
  }

  /** What the block at hand says of its next key. @returns {@link ABSENT}, {@link DELETED} or {@link FOUND} */
  row(): number {
    if (this.#left === 0) throw new RangeError('the block has no more rows');
    this.#left--;
    const length = this.#numbers[this.#at++]!;
    if (length < 0) return length === ROW_DELETED ? DELETED : ABSENT;
    this.valueStart = this.#from;
    this.#from += length;
    this.valueEnd = this.#from;
    return FOUND;
  }

  #skip(): void {
    while (this.#left > 0) this.row();
  }
}
