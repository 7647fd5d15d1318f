/**
 * One table as one batch sees it: its own changes over rows in memory and SSTs. Addresses that are touched have a place among the rows and
 * get a number in the order of their first touch; what is changed is kept at that index. Nothing of the partition's is changed
 * before the batch is durable: an attempt that is discarded leaves nothing but rows that it has read.
 */
import { columnOf, KeyColumn } from '../columns/key-column.ts';
import type { NumberColumns, NumberRows, ScannedRow, StateTable } from '../stream/graph/tables.ts';
import type { ByteWriter } from '../util/bytes.ts';
import type { Chunks } from '../util/chunks.ts';
import type { TableKind } from './address.ts';
import type { BatchReads } from './batch-reads.ts';
import { changedRow, DELETED, NUMBERS, type TableChanges } from './changes.ts';
import { encodeTable } from './encode-changes.ts';
import type { MemoryRows } from './memory-rows.ts';
import { numberRows } from './number-rows.ts';
import { overlaid } from './overlaid.ts';
import { byTimeAndKey } from './row-order.ts';
import { isNumbers, PREFETCH_KEYS, type TableRows } from './table-rows.ts';

const NO_NUMBERS = new Float64Array(0);

export class BatchTable implements StateTable, NumberColumns {
  readonly table: number;
  readonly width: number;
  readonly #reads: BatchReads;
  readonly #memory: MemoryRows;
  /** Touched addresses, by number. */
  #keys = new KeyColumn();
  readonly #times: number[] = [];
  /** What has become of them: see {@link TableChanges.rows}. */
  readonly #changed: unknown[] = [];
  #numbers: Float64Array = NO_NUMBERS;
  #changes = 0;
  /** Of these keys, those before the number are in the processor's cache, or were. */
  #prefetchedOf: KeyColumn | undefined;
  #prefetched = 0;
  /** It has asked for all that it has touched. */
  #asksForAll = false;
  /** It has put rows that are not in {@link #numbers}. */
  #hasPlain = false;
  /** This batch has forgotten up to here. */
  #forgotten = Number.NEGATIVE_INFINITY;

  constructor(table: number, memory: MemoryRows, reads: BatchReads) {
    this.table = table;
    this.#memory = memory;
    this.width = memory.table(table).width;
    this.#reads = reads;
  }

  /** `undefined`: this batch has forgotten nothing. */
  get forgotten(): number | undefined {
    return this.#forgotten > this.#reads.floorOf(this.table) ? this.#forgotten : undefined;
  }

  get numbers(): NumberColumns | undefined {
    return this.width === 0 ? undefined : this;
  }

  get count(): number {
    return this.#keys.count;
  }

  /** Without arguments: all that is touched. */
  load(keys?: readonly string[], times?: readonly number[]): Promise<void> | undefined {
    return keys === undefined ? this.#loadTouched() : this.#reads.load(this.table, keys, times);
  }

  get(key: string, time: number): unknown {
    if (time <= this.#forgotten) return undefined;
    if (this.#changes > 0) {
      const at = this.#numberOf(key, time);
      const changed = at < 0 ? undefined : this.#changed[at];
      if (changed !== undefined) return changedRow(this.#columns(), at);
    }
    return this.#reads.get(this.table, time, key);
  }

  put(key: string, time: number, row: unknown): void {
    this.#change(this.#touchText(key, time), row);
  }

  delete(key: string, time: number): void {
    if (time <= this.#floor) return;
    this.#change(this.#touchText(key, time), DELETED);
  }

  forget(upTo: number): void {
    if (this.#reads.kindOf(this.table) !== 'timed')
      throw new Error(`table ${this.table} is not timed: it cannot forget`);
    if (!Number.isFinite(upTo)) throw new RangeError(`table ${this.table} cannot forget up to ${upTo}`);
    if (upTo <= this.#floor) return;
    this.#forgotten = upTo;
    for (let i = 0; i < this.count; i++) if (this.#times[i]! <= upTo) this.#changed[i] = undefined;
  }

  scan(from: number, upTo: number): Chunks<ScannedRow<unknown>> {
    const after = Math.max(from, this.#forgotten);
    if (!(upTo > after)) return [];
    return overlaid(this.#reads.scan(this.table, after, upTo), this.#changedWithin(after, upTo), byTimeAndKey);
  }

  within(from: number, upTo: number): Iterable<NumberRows> | undefined {
    const rows = this.#memory.table(this.table);
    const inMemory = this.#memory.complete && (this.count === 0 || this.#rows === rows) && rows.areNumbers;
    if (!inMemory || this.#hasPlain) return undefined;
    const after = Math.max(from, this.#floor);
    if (!(upTo > after)) return [];
    const changes = this.#changes === 0 ? undefined : this.#columns();
    return numberRows(rows, rows.sorted(after, upTo), changes, (count) => this.#reads.found(count));
  }

  touch(keys: KeyColumn, i: number, time: number): number {
    if (time <= this.#floor) throw forgottenError(this.table, time);
    const rows = this.#rows;
    if (i === this.#prefetched || keys !== this.#prefetchedOf) this.#prefetch(keys, i, time);
    const at = rows.touch(rows.intern(keys, i, time));
    if (at === this.count) {
      if (at === 0) this.#keys = new KeyColumn(keys.count, Math.ceil(keys.starts[keys.count]! / keys.count));
      this.#keys.pushFrom(keys, i);
      this.#times[at] = time;
      this.#changed[at] = undefined;
    }
    return at;
  }

  /** Keys of a batch are touched in their order, and mostly at one time. */
  #prefetch(keys: KeyColumn, i: number, time: number): void {
    const end = Math.min(keys.count, i + PREFETCH_KEYS);
    if (end - i > 1) this.#rows.prefetch(keys, i, end, time);
    this.#prefetchedOf = keys;
    this.#prefetched = end;
  }

  #touchText(key: string, time: number): number {
    return this.touch(columnOf(key), 0, time);
  }

  copyTo(to: Float64Array): Uint8Array | undefined {
    const isNew = new Uint8Array(this.count);
    if (isNew.length === 0) return isNew;
    const { width } = this;
    const memory = this.#memory;
    const rows = this.#rows;
    const allInMemory = memory.complete && memory.table(this.table) === rows;
    const { touched } = rows;
    for (let i = 0; i < isNew.length; i++) {
      if (i % PREFETCH_KEYS === 0) rows.prefetchTouched(i);
      const id = this.#changed[i] === undefined ? touched[i]! : -1;
      if (id >= 0 && rows.inSlab(id)) {
        rows.copyTo(id, to, i * width);
        continue;
      }
      if (id >= 0 && (rows.isAbsent(id) || (allInMemory && !rows.has(id)))) {
        isNew[i] = 1;
        continue;
      }
      const row = this.get(this.#keys.text(i), this.#times[i]!);
      if (row === undefined) isNew[i] = 1;
      else if (isNumbers(row, width)) to.set(row, i * width);
      else return undefined;
    }
    return isNew;
  }

  keep(numbers: Float64Array): void {
    this.#numbers = numbers;
    for (let i = 0; i < this.count; i++) {
      if (this.#times[i]! <= this.#forgotten) throw forgottenError(this.table, this.#times[i]!);
      this.#change(i, NUMBERS);
    }
  }

  /** What this batch has put there; `undefined`: it has deleted it. */
  changedRow(key: string, time: number): unknown {
    return changedRow(this.#columns(), this.#numberOf(key, time));
  }

  /** Writes the changes, and what they are. @throws {UnstorableError} */
  encode(kind: TableKind, to: ByteWriter): { readonly changes: TableChanges; readonly count: number } {
    const changes = { ...this.#columns(), valueBytes: new Uint32Array(this.count) };
    const count = encodeTable(changes, kind, (i) => this.#isAbsent(i), to);
    return { changes, count };
  }

  /** Brings the changes of this batch, which is n, into memory. Only when it is durable. */
  apply({ keys, times, rows, numbers, width, valueBytes }: TableChanges, n: number): void {
    if (keys.count === 0) return;
    const memory = this.#memory;
    const to = memory.table(this.table);
    const own = to === this.#rows;
    const { touched } = to;
    for (let i = 0; i < keys.count; i++) {
      if (own && i % PREFETCH_KEYS === 0) to.prefetchTouched(i);
      const row = rows[i];
      if (row === undefined) continue;
      const id = own ? touched[i]! : this.#placeOf(keys, i, times[i]!, row);
      if (id < 0) continue;
      const keyBytes = keys.starts[i + 1]! - keys.starts[i]!;
      if (row === DELETED) {
        memory.bury(to, id, n, keyBytes);
        continue;
      }
      if (row === NUMBERS) to.setNumbers(id, numbers, i * width);
      else to.set(id, row);
      to.setChangedBy(id, n);
      memory.held(to, id, keyBytes, valueBytes[i]!);
      if (own && !this.#asksForAll && row !== NUMBERS && !to.isLoaded(id)) memory.unasked(to, id, n);
    }
  }

  /** Where a change goes that this batch has kept apart. @returns -1: there is nothing to be deleted */
  #placeOf(keys: KeyColumn, i: number, time: number, row: unknown): number {
    const to = this.#memory.table(this.table);
    return row === DELETED && this.#memory.complete ? to.find(keys, i, time) : to.intern(keys, i, time);
  }

  /** Nothing is at or below. */
  get #floor(): number {
    return Math.max(this.#forgotten, this.#reads.floorOf(this.table));
  }

  /** Where this batch has places. */
  get #rows(): TableRows {
    return this.#reads.rowsOf(this.table);
  }

  #loadTouched(): Promise<void> | undefined {
    this.#asksForAll = true;
    if (this.#memory.complete) {
      this.#reads.found(this.count);
      return undefined;
    }
    const rows = this.#rows;
    return this.#reads.loadPlaces(this.table, rows, rows.touched);
  }

  /** Whether no batch before has left a row at address i. */
  #isAbsent(i: number): boolean {
    const rows = this.#rows;
    return this.#reads.isAbsent(this.table, rows, rows.touched[i]!);
  }

  #columns(): Omit<TableChanges, 'valueBytes'> {
    return {
      table: this.table,
      keys: this.#keys,
      times: this.#times,
      rows: this.#changed,
      numbers: this.#numbers,
      width: this.width,
    };
  }

  #change(at: number, row: unknown): void {
    this.#changed[at] = row;
    if (row !== NUMBERS && row !== DELETED) this.#hasPlain = true;
    this.#changes++;
  }

  /** @returns -1: it is not touched */
  #numberOf(key: string, time: number): number {
    if (this.count === 0) return -1;
    const rows = this.#rows;
    const id = rows.findText(key, time);
    return id >= 0 && rows.isTouched(id) ? rows.place(id) : -1;
  }

  /** What this batch has changed so far, in order; `row: undefined`: it is deleted. */
  #changedWithin(after: number, upTo: number): ScannedRow<unknown>[] {
    const found: ScannedRow<unknown>[] = [];
    if (this.#changes === 0) return found;
    const columns = this.#columns();
    for (let i = 0; i < this.count; i++) {
      const time = this.#times[i]!;
      if (this.#changed[i] === undefined || !(time > after && time <= upTo)) continue;
      found.push({ time, key: this.#keys.text(i), row: changedRow(columns, i) });
    }
    return found.sort(byTimeAndKey);
  }
}

function forgottenError(table: number, time: number): Error {
  return new Error(`table ${table}: a row at ${time}, which it has forgotten`);
}
