/**
 * Keyed rows as columns: encoded keys, event times, and the rows themselves. The same shape in memory, in segments, in log
 * entries, and before an operator.
 */
import { KeyColumn } from './key-column.ts';

const FIRST_CAPACITY = 16;

export class ColumnBatch {
  /** Encoded keys (`stream/operators/key.ts`); `''` on an edge without key. */
  readonly keys: KeyColumn;
  /** Event times, epoch ms; `NaN` where the stream has none. `count` of them count. */
  times: Float64Array;
  /**
   * 1: row i stands for its input row in the counts (an input row that became several is counted once, by its first).
   * `undefined`: no row does (edges between stages).
   */
  primary: Uint8Array | undefined;
  readonly #rows: unknown[] = [];
  /** Where the rows of a piece end, and which piece it is: pieces come one after the other. */
  readonly #pieceEnds: number[] = [];
  readonly #pieces: number[] = [];

  /** @param counted whether rows may stand for input rows @param rows how many are to be expected */
  constructor(counted: boolean, rows = FIRST_CAPACITY) {
    this.keys = new KeyColumn(rows);
    this.times = new Float64Array(rows);
    this.primary = counted ? new Uint8Array(rows) : undefined;
  }

  get count(): number {
    return this.keys.count;
  }

  /** Adds a row that stands for no input row. */
  push(key: string, time: number, row: unknown): void {
    this.keys.push(key);
    this.#added(time);
    this.#rows.push(row);
  }

  /** As {@link push}, of the encoded key `from[start]` up to `from[end]`. */
  pushBytes(from: Uint8Array, start: number, end: number, time: number, row: unknown): void {
    this.keys.pushBytes(from, start, end);
    this.#added(time);
    this.#rows.push(row);
  }

  /** As {@link push}, of a row out of a piece of the input. @param piece its number, see {@link piece} */
  pushCounted(key: string, time: number, row: unknown, primary: boolean, piece: number): void {
    this.push(key, time, row);
    this.primary![this.count - 1] = primary ? 1 : 0;
    this.endPiece(piece, this.count);
  }

  /** The rows up to `end` that are in no piece yet are of this one, which may be the one before. */
  endPiece(piece: number, end: number): void {
    const last = this.#pieces.length - 1;
    if (last >= 0 && this.#pieces[last] === piece) this.#pieceEnds[last] = end;
    else {
      this.#pieceEnds.push(end);
      this.#pieces.push(piece);
    }
  }

  /** The pieces that rows came from, each with the index behind its last row. */
  get pieces(): readonly (readonly [piece: number, end: number])[] {
    return this.#pieces.map((piece, i) => [piece, this.#pieceEnds[i]!]);
  }

  /** How many rows stand for their input row. */
  get primaries(): number {
    let found = 0;
    if (this.primary !== undefined) for (let i = 0; i < this.count; i++) found += this.primary[i]!;
    return found;
  }

  /** Takes the last row away. */
  pop(): void {
    this.keys.pop();
    this.#rows.pop();
    const ends = this.#pieceEnds;
    if (ends.length > 0 && --ends[ends.length - 1]! === (ends.at(-2) ?? 0)) {
      ends.pop();
      this.#pieces.pop();
    }
  }

  /** Adds the rows of another batch. Both share them. */
  append(other: ColumnBatch): void {
    const from = this.count;
    for (let i = 0; i < other.count; i++) {
      this.keys.pushFrom(other.keys, i);
      this.#added(other.times[i]!);
      this.#rows.push(other.#rows[i]);
      if (this.primary !== undefined) this.primary[from + i] = other.primary?.[i] ?? 0;
    }
    for (const [piece, end] of other.pieces) this.endPiece(piece, from + end);
  }

  /** Row i; it is the same one each time. */
  row(i: number): unknown {
    return this.#rows[i];
  }

  /** Number of the piece that row i came from; -1: of none (between stages). */
  piece(i: number): number {
    const ends = this.#pieceEnds;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! > i) high = middle;
      else low = middle + 1;
    }
    return this.#pieces[low] ?? -1;
  }

  #added(time: number): void {
    const i = this.keys.count - 1;
    if (i >= this.times.length) this.#grow();
    this.times[i] = time;
  }

  #grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, this.times.length * 2);
    const times = new Float64Array(capacity);
    times.set(this.times);
    this.times = times;
    if (this.primary === undefined) return;
    const primary = new Uint8Array(capacity);
    primary.set(this.primary);
    this.primary = primary;
  }
}
