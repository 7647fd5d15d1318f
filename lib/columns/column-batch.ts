/**
 * Keyed rows as columns: encoded keys, event times, and the rows themselves. The same shape in memory, in segments, in log
 * entries, and before an operator.
 */
import { firstAbove, grown } from '../util/arrays.ts';
import type { FieldColumns } from './field-columns.ts';
import { KeyColumn } from './key-column.ts';

const FIRST_CAPACITY = 16;
/** In the place of a row of which no object was made. */
const IN_COLUMNS = Symbol('in columns');

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
  /** Of each row or, where all are in columns, of none. */
  readonly #rows: unknown[] = [];
  /** Where rows stand in columns, and which these are, from an index on: chunks of input come one after the other. */
  #places: Int32Array | undefined;
  readonly #columns: FieldColumns[] = [];
  readonly #columnStarts: number[] = [];
  #inColumns = 0;
  /** Somebody has an object of a row, which may be changed. */
  #lookedAt = false;
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
    this.#addRow(row);
  }

  /** As {@link push}, of the encoded key `from[start]` up to `from[end]`. */
  pushBytes(from: Uint8Array, start: number, end: number, time: number, row: unknown): void {
    this.keys.pushBytes(from, start, end);
    this.#added(time);
    this.#addRow(row);
  }

  /** As {@link push}, of row `place` of columns, with key k of others. */
  pushColumns(keys: KeyColumn, k: number, time: number, columns: FieldColumns, place: number): void {
    this.keys.pushFrom(keys, k);
    this.#added(time);
    this.#addPlace(columns, place);
  }

  /** As {@link pushColumns}, of rows `places[0]` up to `places[count]`. @param keys of these rows, in their order @param primary of each */
  appendColumns(
    keys: KeyColumn,
    times: Float64Array,
    columns: FieldColumns,
    places: Int32Array,
    primary: number,
  ): void {
    const { count } = keys;
    const from = this.count;
    this.keys.append(keys);
    while (this.times.length < this.count) this.#grow();
    this.times.set(times.subarray(0, count), from);
    this.primary?.fill(primary, from, this.count);
    this.#beginColumns(columns, from);
    this.#places!.set(places.subarray(0, count), from);
    this.#inColumns += count;
    if (this.#rows.length > 0) while (this.#rows.length < this.count) this.#rows.push(IN_COLUMNS);
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
    if (end === (this.#pieceEnds[last] ?? 0)) return;
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

  /** Takes the last row away, which was given as it is. */
  pop(): void {
    this.#rows.pop();
    this.keys.pop();
    const ends = this.#pieceEnds;
    if (ends.length > 0 && --ends[ends.length - 1]! === (ends.at(-2) ?? 0)) {
      ends.pop();
      this.#pieces.pop();
    }
  }

  /** Adds the rows of another batch, from one on. Both share them. */
  append(other: ColumnBatch, first = 0): void {
    const at = this.count - first;
    for (let i = first; i < other.count; i++) {
      this.keys.pushFrom(other.keys, i);
      this.#added(other.times[i]!);
      if (other.#isInColumns(i)) this.#addPlace(other.#columnsOf(i), other.#places![i]!);
      else this.#addRow(other.#rows[i]);
      if (this.primary !== undefined) this.primary[at + i] = other.primary?.[i] ?? 0;
    }
    for (const [piece, end] of other.pieces) if (end > first) this.endPiece(piece, at + end);
  }

  /** Row i; it is the same one each time. */
  row(i: number): unknown {
    if (!this.#isInColumns(i)) return this.#rows[i];
    this.#lookedAt = true;
    const row = this.peek(i);
    while (this.#rows.length < this.count) this.#rows.push(IN_COLUMNS);
    this.#rows[i] = row;
    return row;
  }

  /** As {@link row}, for who changes nothing of it, or alone wants row i: nobody else gets what it gives. */
  peek(i: number): unknown {
    return this.#isInColumns(i) ? this.#columnsOf(i).row(this.#places![i]!) : this.#rows[i];
  }

  /**
   * The numbers of a field by row, `NaN` where it is null. `undefined`: the rows do not have it as a column, or somebody who may change
   * them has a row.
   */
  numbers(field: string): Float64Array | undefined {
    if (this.#lookedAt || this.#inColumns < this.count) return undefined;
    const numbers = new Float64Array(this.count);
    const places = this.#places!;
    for (const [part, columns] of this.#columns.entries()) {
      const from = columns.numbersOf(field);
      if (from === undefined) return undefined;
      const end = this.#columnStarts[part + 1] ?? this.count;
      for (let i = this.#columnStarts[part]!; i < end; i++) numbers[i] = from[places[i]!]!;
    }
    return numbers;
  }

  /** Number of the piece that row i came from; -1: of none (between stages). */
  piece(i: number): number {
    return this.#pieces[firstAbove(this.#pieceEnds, i)] ?? -1;
  }

  #isInColumns(i: number): boolean {
    return i >= this.#rows.length || this.#rows[i] === IN_COLUMNS;
  }

  #columnsOf(i: number): FieldColumns {
    return this.#columns[firstAbove(this.#columnStarts, i) - 1]!;
  }

  /** The row of the key that was added last. */
  #addRow(row: unknown): void {
    while (this.#rows.length < this.count - 1) this.#rows.push(IN_COLUMNS);
    this.#rows.push(row);
  }

  #addPlace(columns: FieldColumns, place: number): void {
    const i = this.count - 1;
    if (this.#rows.length > 0) this.#rows.push(IN_COLUMNS);
    this.#beginColumns(columns, i);
    this.#places![i] = place;
    this.#inColumns++;
  }

  /** Rows from index i on are in these columns. */
  #beginColumns(columns: FieldColumns, i: number): void {
    if (this.#columns.at(-1) !== columns) {
      this.#columns.push(columns);
      this.#columnStarts.push(i);
    }
    this.#places ??= new Int32Array(this.times.length);
    if (this.#places.length < this.count) this.#places = grown(this.#places, new Int32Array(this.times.length));
  }

  #added(time: number): void {
    const i = this.keys.count - 1;
    if (i >= this.times.length) this.#grow();
    this.times[i] = time;
  }

  #grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, this.times.length * 2);
    this.times = grown(this.times, new Float64Array(capacity));
    if (this.primary !== undefined) this.primary = grown(this.primary, new Uint8Array(capacity));
  }
}
