/**
 * Changes of log entries that no SST holds yet: newer than every SST, older than the batch that runs. Rebuilt from log
 * entries when an environment starts, shortened when a manifest with a greater `through` is adopted.
 *
 * Batches are indexed by address when somebody asks for one: where all rows are in memory, nobody does.
 */
import { AddressMap } from './address-map.ts';
import { type ChangedRow, changedRows, type TableChanges } from './changes.ts';

/** A changed row; `row: undefined` is a tombstone. */
export interface Change {
  readonly n: number;
  readonly row: unknown;
}

/** Changed rows of a batch: one by one, as a log entry gives them, or by column, as the batch itself does. */
export type BatchChanges = readonly ChangedRow[] | { readonly tables: readonly TableChanges[] };

export class Overlay {
  readonly #index = new AddressMap<Change>();
  #batches: { n: number; changes: BatchChanges }[] = [];
  /** The first so many batches are in the index. */
  #indexed = 0;

  get size(): number {
    return this.#changes.size;
  }

  get #changes(): AddressMap<Change> {
    for (; this.#indexed < this.#batches.length; this.#indexed++) {
      const { n, changes } = this.#batches[this.#indexed]!;
      for (const { table, time, key, row } of rowsOf(changes)) this.#index.set(table, time, key, { n, row });
    }
    return this.#index;
  }

  get(table: number, time: number, key: string): Change | undefined {
    return this.#changes.get(table, time, key);
  }

  /** Changes of a table in (after, upTo], in no order. */
  *scan(table: number, after: number, upTo: number): IterableIterator<{ time: number; key: string; row: unknown }> {
    for (const time of this.#changes.times(table, after, upTo)) {
      for (const [key, change] of this.#changes.at(table, time)!) yield { time, key, row: change.row };
    }
  }

  /** Every changed row, tombstones too, in no order. */
  *all(): IterableIterator<ChangedRow> {
    for (const { table, time, rows } of this.#changes.groups()) {
      for (const [key, { row }] of rows) yield { table, time, key, row };
    }
  }

  /** Adds what batch n changed; batches come in order. */
  push(n: number, changes: BatchChanges): void {
    this.#batches.push({ n, changes });
  }

  /** Forgets what batches up to `through` changed: SSTs have it now. */
  dropThrough(through: number): void {
    const folded = this.#batches.filter((b) => b.n <= through);
    const indexed = folded.slice(0, this.#indexed);
    this.#batches = this.#batches.slice(folded.length);
    this.#indexed -= indexed.length;
    for (const { n, changes } of indexed) {
      for (const { table, time, key } of rowsOf(changes)) {
        if (this.#index.get(table, time, key)?.n === n) this.#index.delete(table, time, key);
      }
    }
  }

  clear(): void {
    this.#index.clear();
    this.#batches = [];
    this.#indexed = 0;
  }
}

/** @param of which tables; left out: all */
export function rowsOf(changes: BatchChanges, of?: (table: number) => boolean): Iterable<ChangedRow> {
  if ('tables' in changes)
    return changedRows(of === undefined ? changes.tables : changes.tables.filter((t) => of(t.table)));
  return of === undefined ? changes : changes.filter((row) => of(row.table));
}
