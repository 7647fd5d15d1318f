/**
 * The memory tier: current rows of recently used addresses, within a budget of bytes, and whatever no SST holds yet. A row that batch n has
 * changed is *unfolded* until the pinned manifest has folded n, and is not evicted before; of one that is deleted, its place says so until
 * then. So a read asks here, then SSTs: what is not known here, they have. `complete` says that all rows of the partition are here; then
 * what is absent here is absent everywhere.
 */
import type { ScannedRow } from '../stream/graph/tables.ts';
import { CHUNK } from '../util/chunks.ts';
import type { TableKind } from './address.ts';
import { byTimeAndKey } from './row-order.ts';
import { SecondChance } from './second-chance.ts';
import { PREFETCH_KEYS, TableRows } from './table-rows.ts';

/** Rough memory of one row beside the bytes of key and row: slot, record, what is known of it. */
const OVERHEAD_BYTES = 60;
/** A row that is plain data takes so many times its encoded bytes, and so many more. */
const PLAIN_FACTOR = 3;
const PLAIN_BYTES = 64;

/** Of each table by number; what is left out is timed, and has no numbers. */
export interface TableShapes {
  readonly kinds?: readonly TableKind[] | undefined;
  /** Numbers of a row where rows are so many numbers, else 0. */
  readonly widths?: readonly number[] | undefined;
  /** How a row ends that has fewer. */
  readonly blanks?: readonly (readonly number[] | undefined)[] | undefined;
}

/** Places that go when batch n is folded: of rows that it has deleted, or put without asking. */
interface Leaving {
  readonly n: number;
  readonly rows: TableRows[];
  readonly ids: number[];
}

export class MemoryRows {
  readonly budgetBytes: number;
  readonly #shapes: TableShapes;
  readonly #eviction: SecondChance;
  #tables: TableRows[] = [];
  /** By batch, those that are not folded yet. */
  #leaving: Leaving[] = [];
  /** SSTs hold what batches up to here have changed. */
  #through = 0;
  #complete: boolean;
  #evictions = 0;
  #owner: object | undefined;

  /**
   * @param complete nothing is stored yet, so that holding nothing is holding everything
   */
  constructor(budgetBytes: number, complete: boolean, shapes: TableShapes = {}) {
    this.budgetBytes = budgetBytes;
    this.#eviction = new SecondChance(budgetBytes);
    this.#complete = complete;
    this.#shapes = shapes;
  }

  get complete(): boolean {
    return this.#complete;
  }

  /** Estimated bytes held. */
  get bytes(): number {
    return this.#eviction.bytes;
  }

  /** How often rows were evicted. */
  get evictions(): number {
    return this.#evictions;
  }

  get size(): number {
    return this.#tables.reduce((sum, table) => sum + table.size, 0);
  }

  /** The rows of one table. What is written there is told by {@link held} and {@link used}. */
  table(table: number): TableRows {
    for (let next = this.#tables.length; next <= table; next++) this.#tables.push(this.newTable(next));
    return this.#tables[table]!;
  }

  /** Rows of the shape of a table, of which there are none yet. */
  newTable(table: number): TableRows {
    const { kinds, widths, blanks } = this.#shapes;
    return new TableRows(widths?.[table] ?? 0, (kinds?.[table] ?? 'timed') === 'timed', blanks?.[table]);
  }

  /**
   * Only one batch may have places here; whoever comes while it does has rows of its own.
   * @returns whether it is this one
   */
  own(batch: object): boolean {
    this.#owner ??= batch;
    return this.#owner === batch;
  }

  endBatch(batch: object): void {
    if (this.#owner !== batch) return;
    for (const rows of this.#tables) {
      rows.endBatch((id) => {
        if (!this.isUnfolded(rows, id)) this.forget(rows, id);
      });
    }
    this.#owner = undefined;
    this.#eviction.settle();
    this.#evictIfDue();
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
    return id >= 0 && rows.has(id);
  }

  /** Whether there is a row, or none for sure. */
  knows(table: number, time: number, key: string): boolean {
    const rows = this.table(table);
    const id = rows.findText(key, time);
    if (id < 0 || !rows.isKnown(id)) return false;
    if (rows.has(id)) this.used(rows, id);
    return true;
  }

  /** @param valueBytes bytes of the encoded row @param n the batch that has put it; left out: an SST has it */
  put(table: number, time: number, key: string, row: unknown, valueBytes: number, n = 0): void {
    const rows = this.table(table);
    const id = rows.internText(key, time);
    rows.set(id, row);
    rows.setChangedBy(id, n);
    this.held(rows, id, key.length, valueBytes);
  }

  /** Batch n has deleted a row. */
  delete(table: number, time: number, key: string, n: number): void {
    const rows = this.table(table);
    const id = this.#complete ? rows.findText(key, time) : rows.internText(key, time);
    if (id >= 0) this.bury(rows, id, n, key.length);
  }

  /** Forgets the rows of a table up to a time; nobody will ask for them again. */
  forgetUpTo(table: number, upTo: number): void {
    const rows = this.table(table);
    const ids = rows.unsorted(Number.NEGATIVE_INFINITY, upTo);
    for (let i = 0; i < ids.length; i++) {
      if (i % PREFETCH_KEYS === 0) rows.prefetchIds(ids, i);
      if (rows.isKnown(ids[i]!)) this.forget(rows, ids[i]!);
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

  /** Whether no SST holds yet what is known of a row. */
  isUnfolded(rows: TableRows, id: number): boolean {
    return rows.changedBy(id) > this.#through;
  }

  /** What no SST holds of a table in (after, upTo], by time, then key; `row: undefined`: it is deleted. */
  unfolded(table: number, after: number, upTo: number): ScannedRow<unknown>[] {
    const rows = this.table(table);
    const found: ScannedRow<unknown>[] = [];
    for (const id of rows.unsorted(after, upTo)) {
      if (this.isUnfolded(rows, id)) found.push({ time: rows.time(id), key: rows.key(id), row: rows.row(id) });
    }
    return found.sort(byTimeAndKey);
  }

  /** SSTs hold what batches up to here have changed. */
  folded(through: number): void {
    this.#through = through;
    const folded = this.#leaving.filter((one) => one.n <= through);
    this.#leaving = this.#leaving.slice(folded.length);
    for (const one of folded) this.#release(one);
    this.#eviction.settle();
    this.#evictIfDue();
  }

  /** Declares that every row of the partition is held (after loading them all). */
  markComplete(): void {
    this.#complete = true;
  }

  clear(complete: boolean): void {
    this.#tables = [];
    this.#leaving = [];
    this.#eviction.clear();
    this.#complete = complete;
  }

  /** A row was read. */
  used(rows: TableRows, id: number): void {
    rows.setUsed(id);
  }

  /** A row was written. @param keyBytes and @param valueBytes: bytes of the encoded key and row */
  held(rows: TableRows, id: number, keyBytes: number, valueBytes: number): void {
    const own = rows.inSlab(id) ? 8 * rows.width : PLAIN_BYTES + PLAIN_FACTOR * valueBytes;
    this.#account(rows, id, OVERHEAD_BYTES + keyBytes + own);
  }

  /** A row of which nothing is known here, as an SST has it: `bytes[start]` up to `bytes[end]`. */
  setStored(rows: TableRows, id: number, bytes: Uint8Array, start: number, end: number): void {
    rows.setPacked(id, bytes, start, end);
    this.held(rows, id, rows.keyLength(id), end - start);
  }

  /** Batch n has deleted a row: that it is gone is known here until n is folded, since an SST may have it. */
  bury(rows: TableRows, id: number, n: number, keyBytes: number): void {
    // What is known to be absent already is so in SSTs, too, or will be before n is folded.
    if (rows.isAbsent(id) || (this.#complete && !rows.has(id))) return;
    rows.setAbsent(id);
    rows.setChangedBy(id, n);
    this.#leaves(rows, id, n);
    this.#account(rows, id, OVERHEAD_BYTES + keyBytes);
  }

  /**
   * Batch n has put a row without asking for it: a timer, an entry of a list. Mostly nobody asks for it before a scan does, which reads
   * SSTs anyway, so it goes when one has it, unless somebody did ask.
   */
  unasked(rows: TableRows, id: number, n: number): void {
    if (!this.#complete) this.#leaves(rows, id, n);
  }

  /** A row is not to be known here any more. */
  forget(rows: TableRows, id: number): void {
    this.#eviction.leave(rows, id);
    if (rows.isInUse(id)) rows.empty(id);
    else rows.release(id);
  }

  #leaves(rows: TableRows, id: number, n: number): void {
    let last = this.#leaving.at(-1);
    if (last?.n !== n) {
      last = { n, rows: [], ids: [] };
      this.#leaving.push(last);
    }
    last.rows.push(rows);
    last.ids.push(id);
  }

  #account(rows: TableRows, id: number, bytes: number): void {
    this.#eviction.enter(rows, id, bytes);
    this.#evictIfDue();
  }

  #evictIfDue(): void {
    if (!this.#eviction.isDue) return;
    const evicted = this.#eviction.evict(
      this.#tables,
      (rows, id) => rows.isExpected(id) || rows.isInUse(id) || this.isUnfolded(rows, id),
    );
    if (evicted === 0) return;
    this.#complete = false;
    this.#evictions++;
  }

  #release({ n, rows, ids }: Leaving): void {
    for (let i = 0; i < ids.length; i++) {
      const of = rows[i]!;
      const id = ids[i]!;
      // A batch that is at work may have seen it: then it goes when that one ends, or later.
      if (of.changedBy(id) !== n || of.isInUse(id)) continue;
      const isPassed = of.has(id) && !of.isUsed(id) && !this.#complete;
      if (of.isAbsent(id) || isPassed) this.forget(of, id);
    }
  }
}
