/**
 * One table as one batch sees it: its own changes over rows in memory, overlay and SSTs. Addresses that are touched get a
 * number in the order of their first touch; what is changed is kept at that index. Nothing of the partition's is changed
 * before the batch is durable, so an attempt that is discarded leaves no trace.
 */
import { columnOf, KeyColumn } from '../columns/key-column.ts';
import type { NumberColumns, NumberRows, ScannedRow, StateTable } from '../stream/graph/tables.ts';
import type { ByteWriter } from '../util/bytes.ts';
import type { Chunks } from '../util/chunks.ts';
import type { TableKind } from './address.ts';
import { AddressTable } from './address-table.ts';
import { type BatchReads, byTimeAndKey } from './batch-reads.ts';
import { changedRow, DELETED, NUMBERS, type TableChanges } from './changes.ts';
import { encodeTable } from './encode-changes.ts';
import type { MemoryRows } from './memory-rows.ts';
import { numberRows } from './number-rows.ts';
import { overlaid } from './overlaid.ts';
import { isNumbers, PREFETCH_KEYS, type TableRows } from './table-rows.ts';

const NO_NUMBERS = new Float64Array(0);

export class BatchTable implements StateTable, NumberColumns {
  readonly table: number;
  readonly width: number;
  readonly #reads: BatchReads;
  readonly #memory: MemoryRows;
  readonly #rows: TableRows;
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
  /** It has put rows that are not in {@link #numbers}. */
  #hasPlain = false;
  /** This batch has forgotten up to here. */
  #forgotten = Number.NEGATIVE_INFINITY;
  /** Where another batch touches rows at the same time: ids that are the numbers, apart from the rows'. */
  #apart: AddressTable | undefined;

  constructor(table: number, memory: MemoryRows, reads: BatchReads) {
    this.table = table;
    this.#memory = memory;
    this.#rows = memory.table(table);
    this.width = this.#rows.width;
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
    const rows = this.#rows;
    const inMemory = this.#memory.complete && this.#memory.table(this.table) === rows && rows.areNumbers;
    if (!inMemory || this.#hasPlain || this.#apart !== undefined) return undefined;
    const after = Math.max(from, this.#floor);
    if (!(upTo > after)) return [];
    const changes = this.#changes === 0 ? undefined : this.#columns();
    return numberRows(rows, rows.sorted(after, upTo), changes, (count) => this.#reads.found(count));
  }

  touch(keys: KeyColumn, i: number, time: number): number {
    if (time <= this.#floor) throw forgottenError(this.table, time);
    const rows = this.#rows;
    if (i === this.#prefetched || keys !== this.#prefetchedOf) this.#prefetch(keys, i, time);
    const at = this.#isOwner() ? rows.touch(rows.intern(keys, i, time)) : this.#touchApart(keys, i, time);
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
    const { width } = this;
    const isNew = new Uint8Array(this.count);
    const own = this.#apart === undefined;
    const { touched } = this.#rows;
    for (let i = 0; i < isNew.length; i++) {
      if (own && i % PREFETCH_KEYS === 0) this.#rows.prefetchTouched(i);
      const id = own && this.#changed[i] === undefined ? touched[i]! : -1;
      if (id >= 0 && this.#rows.inSlab(id)) {
        this.#rows.copyTo(id, to, i * width);
        this.#memory.used(this.#rows, id);
        continue;
      }
      if (id >= 0 && this.#memory.complete && !this.#rows.has(id)) {
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

  /** Whether this batch changes a row. */
  changes(key: string, time: number): boolean {
    const at = this.#numberOf(key, time);
    return at >= 0 && this.#changed[at] !== undefined;
  }

  /** Writes the changes, and what they are. @throws {UnstorableError} */
  encode(kind: TableKind, to: ByteWriter): { readonly changes: TableChanges; readonly count: number } {
    const changes = { ...this.#columns(), valueBytes: new Uint32Array(this.count) };
    const count = encodeTable(changes, kind, (i) => this.#isAbsent(i), to);
    return { changes, count };
  }

  /** Brings the changes into memory. Only when the batch is durable. */
  apply({ keys, times, rows, numbers, width, valueBytes }: TableChanges): void {
    const memory = this.#memory;
    const columns = memory.table(this.table);
    const own = this.#apart === undefined && columns === this.#rows && memory.own(this.#reads);
    const { touched } = columns;
    for (let i = 0; i < keys.count; i++) {
      if (own && i % PREFETCH_KEYS === 0) columns.prefetchTouched(i);
      const row = rows[i];
      if (row === undefined) continue;
      if (row === DELETED) {
        const id = own ? touched[i]! : columns.find(keys, i, times[i]!);
        // An id without a row may be a place of another attempt.
        if (id >= 0 && columns.has(id)) memory.forget(columns, id);
        continue;
      }
      const id = own ? touched[i]! : columns.intern(keys, i, times[i]!);
      if (row === NUMBERS) columns.setNumbers(id, numbers, i * width);
      else columns.set(id, row);
      memory.held(columns, id, keys.starts[i + 1]! - keys.starts[i]!, valueBytes[i]!);
    }
  }

  /** Nothing is at or below. */
  get #floor(): number {
    return Math.max(this.#forgotten, this.#reads.floorOf(this.table));
  }

  /** Only what is not in memory is asked for by its text. */
  #loadTouched(): Promise<void> | undefined {
    const memory = this.#memory;
    if (memory.complete) {
      this.#reads.found(this.count);
      return undefined;
    }
    const own = this.#apart === undefined;
    const { touched } = this.#rows;
    const keys: string[] = [];
    const times: number[] = [];
    for (let i = 0; i < this.count; i++) {
      if (own && this.#rows.has(touched[i]!)) {
        memory.used(this.#rows, touched[i]!);
      } else {
        keys.push(this.#keys.text(i));
        times.push(this.#times[i]!);
      }
    }
    this.#reads.found(this.count - keys.length);
    return this.#reads.load(this.table, keys, times);
  }

  /** Whether no batch before has left a row at address i. */
  #isAbsent(i: number): boolean {
    const id = this.#apart === undefined ? this.#rows.touched[i]! : -1;
    if (id >= 0 && this.#rows.has(id)) return false;
    if (id >= 0 && this.#memory.complete) return true;
    return this.#reads.isAbsent(this.table, this.#times[i]!, this.#keys.text(i));
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

  /** Whether ids of rows are this batch's to use. */
  #isOwner(): boolean {
    return this.#apart === undefined && this.#memory.own(this.#reads);
  }

  /** @returns -1: it is not touched */
  #numberOf(key: string, time: number): number {
    if (this.#apart !== undefined) return this.#apart.findText(key, time);
    const id = this.#rows.findText(key, time);
    return id >= 0 && this.count > 0 && this.#rows.isTouched(id) ? this.#rows.place(id) : -1;
  }

  #touchApart(keys: KeyColumn, i: number, time: number): number {
    this.#apart ??= new AddressTable(true);
    return this.#apart.intern(keys, i, time);
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
