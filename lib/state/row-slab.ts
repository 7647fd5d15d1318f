/**
 * Rows of so many numbers each, by id, each with two words of 32 bits that its owner makes something of. A row lies in one piece: one
 * cache miss. Memory comes in chunks, which neither grow nor are copied (but for the first, while it is small).
 */
import { unpackNumbers } from '../util/pack-numbers.ts';

const CHUNK_BITS = 12;
const CHUNK_ROWS = 1 << CHUNK_BITS;
const IN_CHUNK = CHUNK_ROWS - 1;
const FIRST_ROWS = 16;

/** Words before a row's numbers: as many as one number takes. */
const PLACE = 0;
const ABOUT = 1;
const HEADER_NUMBERS = 1;

interface Chunk {
  readonly numbers: Float64Array;
  /** The same memory. */
  readonly words: Int32Array;
}

export class RowSlab {
  readonly #width: number;
  /** Numbers from the beginning of one row to that of the next. */
  readonly #stride: number;
  readonly #chunks: Chunk[] = [];
  /** What rows begin as: an array of doubles, whose copy is one, too. */
  readonly #blank: readonly number[];
  #rows = 0;

  /** @param width numbers of a row */
  constructor(width: number) {
    this.#width = width;
    this.#stride = HEADER_NUMBERS + width;
    this.#blank = new Array<number>(width).fill(0.5);
  }

  /** Makes room for an id: at most one more than there was room for before. */
  reserve(id: number): void {
    if (id < this.#rows) return;
    const first = this.#chunks[0];
    if (this.#rows >= CHUNK_ROWS || first === undefined) {
      this.#chunks.push(this.#chunk(first === undefined ? FIRST_ROWS : CHUNK_ROWS));
      this.#rows += first === undefined ? FIRST_ROWS : CHUNK_ROWS;
    } else {
      this.#rows *= 2;
      const chunk = this.#chunk(this.#rows);
      chunk.numbers.set(first.numbers);
      this.#chunks[0] = chunk;
    }
  }

  /** Reads the first word of the first `count` rows whose ids are not −1, in the place of the id. */
  prefetch(ids: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) if (ids[i]! >= 0) ids[i] = this.place(ids[i]!);
  }

  place(id: number): number {
    return this.#chunks[id >>> CHUNK_BITS]!.words[2 * (id & IN_CHUNK) * this.#stride + PLACE]!;
  }

  setPlace(id: number, place: number): void {
    this.#chunks[id >>> CHUNK_BITS]!.words[2 * (id & IN_CHUNK) * this.#stride + PLACE] = place;
  }

  about(id: number): number {
    return this.#chunks[id >>> CHUNK_BITS]!.words[2 * (id & IN_CHUNK) * this.#stride + ABOUT]!;
  }

  setAbout(id: number, about: number): void {
    this.#chunks[id >>> CHUNK_BITS]!.words[2 * (id & IN_CHUNK) * this.#stride + ABOUT] = about;
  }

  /** Copies the numbers to index `at`. */
  copyTo(id: number, to: Float64Array, at: number): void {
    const width = this.#width;
    const { numbers } = this.#chunks[id >>> CHUNK_BITS]!;
    const from = (id & IN_CHUNK) * this.#stride + HEADER_NUMBERS;
    for (let i = 0; i < width; i++) to[at + i] = numbers[from + i]!;
  }

  /** A copy of the numbers. */
  row(id: number): number[] {
    const { numbers } = this.#chunks[id >>> CHUNK_BITS]!;
    const from = (id & IN_CHUNK) * this.#stride + HEADER_NUMBERS;
    const row = this.#blank.slice();
    for (let i = 0; i < row.length; i++) row[i] = numbers[from + i]!;
    return row;
  }

  /** Takes the numbers from index `at`. */
  set(id: number, from: ArrayLike<number>, at: number): void {
    const width = this.#width;
    const { numbers } = this.#chunks[id >>> CHUNK_BITS]!;
    const to = (id & IN_CHUNK) * this.#stride + HEADER_NUMBERS;
    for (let i = 0; i < width; i++) numbers[to + i] = from[at + i]!;
  }

  /** Takes the numbers of a packed row. @returns false: they are something else; the row is lost */
  unpack(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const width = this.#width;
    const { numbers } = this.#chunks[id >>> CHUNK_BITS]!;
    return unpackNumbers(bytes, start, end, numbers, (id & IN_CHUNK) * this.#stride + HEADER_NUMBERS, width);
  }

  #chunk(rows: number): Chunk {
    const numbers = new Float64Array(rows * this.#stride);
    return { numbers, words: new Int32Array(numbers.buffer) };
  }
}
