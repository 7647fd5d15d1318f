/**
 * The memory tier: current rows of recently used addresses, within a budget of bytes. `complete` says that it holds every row
 * of the partition; then what is absent here is absent everywhere.
 *
 * Two generations: what is used moves to the young one. When the young one alone has filled two thirds of the budget it
 * becomes the old one; when both together exceed the budget, what is still in the old one was not used since, and goes, but
 * for what the present batch touches. That comes near to least-recently-used at the price of a byte a row.
 */
import type { ScannedRow } from '../stream/graph/tables.ts';
import { CHUNK } from '../util/chunks.ts';
import type { TableKind } from './address.ts';
import { PREFETCH_KEYS, TableRows } from './table-rows.ts';

/** Rough memory of one row beside the bytes of key and row: slot, record, what is known of it. */
const OVERHEAD_BYTES = 56;
/** A row that is plain data takes so many times its encoded bytes, and so many more. */
const PLAIN_FACTOR = 3;
const PLAIN_BYTES = 64;

/** Of each table by number; what is left out is timed, and has no numbers. */
export interface TableShapes {
  readonly kinds?: readonly TableKind[] | undefined;
  /** Numbers of a row where rows are so many numbers, else 0. */
  readonly widths?: readonly number[] | undefined;
}

export class MemoryRows {
  readonly budgetBytes: number;
  readonly #shapes: TableShapes;
  #tables: TableRows[] = [];
  /** The present generation: 0 or 1. */
  #young = 0;
  #youngBytes = 0;
  #oldBytes = 0;
  #complete: boolean;
  #evictions = 0;
  #owner: object | undefined;

  /**
   * @param complete nothing is stored yet, so that holding nothing is holding everything
   */
  constructor(budgetBytes: number, complete: boolean, shapes: TableShapes = {}) {
    this.budgetBytes = budgetBytes;
    this.#complete = complete;
    this.#shapes = shapes;
  }

  get complete(): boolean {
    return this.#complete;
  }

  /** Estimated bytes held. */
  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** How often a generation was forgotten. */
  get evictions(): number {
    return this.#evictions;
  }

  get size(): number {
    return this.#tables.reduce((sum, table) => sum + table.size, 0);
  }

  /** The rows of one table. What is written there is told by {@link held} and {@link used}. */
  table(table: number): TableRows {
    const { kinds, widths } = this.#shapes;
    for (let next = this.#tables.length; next <= table; next++) {
      this.#tables.push(new TableRows(widths?.[next] ?? 0, (kinds?.[next] ?? 'timed') === 'timed'));
    }
    return this.#tables[table]!;
  }

  /**
   * Only one batch may touch rows; whoever comes while it does finds its own way.
   * @returns whether it is this one
   */
  own(batch: object): boolean {
    this.#owner ??= batch;
    return this.#owner === batch;
  }

  endBatch(batch: object): void {
    if (this.#owner !== batch) return;
    for (const table of this.#tables) table.endBatch();
    this.#owner = undefined;
  }

  get(table: number, time: number, key: string): unknown {
    const rows = this.table(table);
    const id = rows.findText(key, time);
    if (id < 0 || !rows.has(id)) return undefined;
    this.used(rows, id);
    return rows.row(id);
  }

  has(table: number, time: number, key: string): boolean {
    const rows = this.table(table);
    const id = rows.findText(key, time);
    if (id < 0 || !rows.has(id)) return false;
    this.used(rows, id);
    return true;
  }

  /** @param valueBytes bytes of the encoded row */
  put(table: number, time: number, key: string, row: unknown, valueBytes: number): void {
    const rows = this.table(table);
    const id = rows.internText(key, time);
    rows.set(id, row);
    this.held(rows, id, key.length, valueBytes);
  }

  delete(table: number, time: number, key: string): void {
    const rows = this.table(table);
    const id = rows.findText(key, time);
    if (id >= 0 && rows.has(id)) this.forget(rows, id);
  }

  /** Forgets the rows of a table up to a time. */
  forgetUpTo(table: number, upTo: number): void {
    const rows = this.table(table);
    const ids = rows.upTo(upTo);
    for (let i = 0; i < ids.length; i++) {
      if (i % PREFETCH_KEYS === 0) rows.prefetchIds(ids, i);
      if (rows.has(ids[i]!)) this.forget(rows, ids[i]!);
    }
  }

  /** Rows of a table in (after, upTo], by time, then key, in chunks. Only when {@link complete}. */
  *scan(table: number, after: number, upTo: number): Generator<ScannedRow<unknown>[], void, undefined> {
    const rows = this.table(table);
    let found: ScannedRow<unknown>[] = [];
    const ids = rows.within(after, upTo);
    for (let i = 0; i < ids.length; i++) {
      if (i % PREFETCH_KEYS === 0) rows.prefetchIds(ids, i);
      const id = ids[i]!;
      if (rows.has(id)) found.push({ time: rows.time(id), key: rows.key(id), row: rows.row(id) });
      if (found.length < CHUNK) continue;
      yield found;
      found = [];
    }
    if (found.length > 0) yield found;
  }

  /** Declares that every row of the partition is held (after loading them all). */
  markComplete(): void {
    this.#complete = true;
  }

  clear(complete: boolean): void {
    this.#tables = [];
    this.#youngBytes = 0;
    this.#oldBytes = 0;
    this.#complete = complete;
  }

  /** A row was read. Nothing is forgotten by that: a batch must find again what it has found. */
  used(rows: TableRows, id: number): void {
    if (rows.generation(id) === this.#young) return;
    const memory = rows.memory(id);
    rows.setAge(id, this.#young, memory);
    this.#oldBytes -= memory;
    this.#youngBytes += memory;
  }

  /** A row was written. @param keyBytes and @param valueBytes: bytes of the encoded key and row */
  held(rows: TableRows, id: number, keyBytes: number, valueBytes: number): void {
    const own = rows.inSlab(id) ? 8 * rows.width : PLAIN_BYTES + PLAIN_FACTOR * valueBytes;
    this.#forgetMemory(rows, id);
    rows.setAge(id, this.#young, OVERHEAD_BYTES + keyBytes + own);
    this.#youngBytes += rows.memory(id);
    this.#age();
  }

  /** A row was deleted. */
  forget(rows: TableRows, id: number): void {
    this.#forgetMemory(rows, id);
    rows.release(id);
  }

  #forgetMemory(rows: TableRows, id: number): void {
    if (rows.generation(id) === this.#young) this.#youngBytes -= rows.memory(id);
    else this.#oldBytes -= rows.memory(id);
  }

  /** Makes the young generation the old one when it is due. */
  #age(): void {
    if (this.#oldBytes === 0 ? this.#youngBytes * 3 <= this.budgetBytes * 2 : this.bytes <= this.budgetBytes) return;
    if (this.#oldBytes > 0) {
      this.#complete = false;
      this.#evictions++;
      this.#evict();
    }
    this.#oldBytes = this.#youngBytes;
    this.#youngBytes = 0;
    this.#young = 1 - this.#young;
  }

  #evict(): void {
    for (const rows of this.#tables) {
      for (let id = 0; id < rows.ids; id++) {
        if (!rows.has(id) || rows.generation(id) === this.#young) continue;
        if (rows.isTouched(id)) this.used(rows, id);
        else rows.release(id);
      }
    }
  }
}
