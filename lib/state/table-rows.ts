/**
 * The rows of one table that are in memory, as columns. An address (time, key) has a number, its id, which is found by one
 * look-up; everything else of the row lies at that index. Rows that are so many numbers each lie side by side in one slab:
 * no object, nothing for the garbage collector, and a copy is a copy of bytes. Other rows are plain data as they are.
 *
 * An id without a row is a place that a batch has asked for; ids are used again.
 */
import { Times } from './address-map.ts';

/** In the place of a row that lies in the slab. */
const IN_SLAB = Symbol('in the slab');
/** Nobody's id. */
const FREE = Symbol('free');
const FIRST_CAPACITY = 16;

export class TableRows {
  /** Numbers of a row that may lie in the slab; 0: none does. */
  readonly width: number;
  readonly index = new Times<number>();
  readonly keys: string[] = [];
  times = new Float64Array(FIRST_CAPACITY);
  /** Memory that the row is taken to need. */
  bytes = new Uint32Array(FIRST_CAPACITY);
  /** Whether the row was used since the generation before. */
  generation = new Uint8Array(FIRST_CAPACITY);
  /** Of the batch that touches rows: where an id stands in {@link touched}; anything, for those that do not. */
  place = new Int32Array(FIRST_CAPACITY);
  readonly touched: number[] = [];
  /** Rows that are there. */
  size = 0;
  readonly #rows: unknown[] = [];
  #slab: Float64Array;
  readonly #free: number[] = [];

  constructor(width: number) {
    this.width = width;
    this.#slab = new Float64Array(FIRST_CAPACITY * width);
  }

  /** Number of ids, free ones too. */
  get ids(): number {
    return this.keys.length;
  }

  /** @returns -1: there is no such address */
  find(time: number, key: string): number {
    return this.index.get(time, key) ?? -1;
  }

  /** The id of an address, a new one where there is none. */
  intern(time: number, key: string): number {
    const known = this.index.get(time, key);
    if (known !== undefined) return known;
    const id = this.#free.pop() ?? this.keys.length;
    if (id === this.times.length) this.#grow();
    this.keys[id] = key;
    this.times[id] = time;
    this.place[id] = -1;
    this.#rows[id] = undefined;
    this.index.set(time, key, id);
    return id;
  }

  /** Forgets address and row. */
  release(id: number): void {
    if (this.has(id)) this.size--;
    this.index.delete(this.times[id]!, this.keys[id]!);
    this.keys[id] = '';
    this.#rows[id] = FREE;
    this.bytes[id] = 0;
    this.#free.push(id);
  }

  has(id: number): boolean {
    const row = this.#rows[id];
    return row !== undefined && row !== FREE;
  }

  inSlab(id: number): boolean {
    return this.#rows[id] === IN_SLAB;
  }

  /** `undefined`: there is none. A row of numbers is a copy. */
  row(id: number): unknown {
    const row = this.#rows[id];
    if (row !== IN_SLAB) return row;
    const { width } = this;
    return Array.from(this.#slab.subarray(id * width, (id + 1) * width));
  }

  /** Copies a row in the slab to index `at`. */
  copyTo(id: number, to: Float64Array, at: number): void {
    const { width } = this;
    const from = id * width;
    for (let i = 0; i < width; i++) to[at + i] = this.#slab[from + i]!;
  }

  set(id: number, row: unknown): void {
    if (!this.has(id)) this.size++;
    const { width } = this;
    if (isNumbers(row, width)) {
      for (let i = 0; i < width; i++) this.#slab[id * width + i] = row[i]!;
      this.#rows[id] = IN_SLAB;
    } else {
      this.#rows[id] = row;
    }
  }

  /** As {@link set}, with the numbers from index `at`. */
  setNumbers(id: number, from: Float64Array, at: number): void {
    if (!this.has(id)) this.size++;
    const { width } = this;
    const to = id * width;
    for (let i = 0; i < width; i++) this.#slab[to + i] = from[at + i]!;
    this.#rows[id] = IN_SLAB;
  }

  /** Whether the present batch touches it. */
  isTouched(id: number): boolean {
    return this.touched[this.place[id]!] === id;
  }

  /** The batch is over: places that got no row are forgotten. */
  endBatch(): void {
    for (const id of this.touched) if (this.#rows[id] === undefined) this.release(id);
    this.touched.length = 0;
  }

  #grow(): void {
    const capacity = this.times.length * 2;
    this.times = moved(this.times, new Float64Array(capacity));
    this.bytes = moved(this.bytes, new Uint32Array(capacity));
    this.generation = moved(this.generation, new Uint8Array(capacity));
    this.place = moved(this.place, new Int32Array(capacity));
    this.#slab = moved(this.#slab, new Float64Array(capacity * this.width));
  }
}

/** Whether a row is just so many numbers, none of them `NaN`, which would not come back as it was. */
export function isNumbers(row: unknown, width: number): row is number[] {
  if (width === 0 || !Array.isArray(row) || row.length !== width) return false;
  for (let i = 0; i < width; i++) if (typeof row[i] !== 'number' || Number.isNaN(row[i])) return false;
  return true;
}

function moved<A extends { set(from: A): void }>(from: A, to: A): A {
  to.set(from);
  return to;
}
