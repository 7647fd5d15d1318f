/**
 * Changes of log entries that no SST holds yet: newer than every SST, older than the batch that runs. Rebuilt from log
 * entries when an environment starts, shortened when a manifest with a greater `through` is adopted.
 */
import { AddressMap } from './address-map.ts';

/** A changed row; `row: undefined` is a tombstone. */
export interface Change {
  readonly n: number;
  readonly row: unknown;
}

export interface ChangedRow {
  readonly table: number;
  readonly time: number;
  readonly key: string;
  readonly row: unknown;
}

export class Overlay {
  readonly #changes = new AddressMap<Change>();
  #batches: { n: number; rows: readonly ChangedRow[] }[] = [];

  get size(): number {
    return this.#changes.size;
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
  push(n: number, rows: readonly ChangedRow[]): void {
    for (const { table, time, key, row } of rows) this.#changes.set(table, time, key, { n, row });
    this.#batches.push({ n, rows });
  }

  /** Forgets what batches up to `through` changed: SSTs have it now. */
  dropThrough(through: number): void {
    const folded = this.#batches.filter((b) => b.n <= through);
    this.#batches = this.#batches.filter((b) => b.n > through);
    for (const { n, rows } of folded) {
      for (const { table, time, key } of rows) {
        if (this.#changes.get(table, time, key)?.n === n) this.#changes.delete(table, time, key);
      }
    }
  }

  /** Keys changed by batch n or later: what a warm pack of an older manifest must not answer. */
  changedSince(n: number): readonly (readonly ChangedRow[])[] {
    return this.#batches.filter((b) => b.n >= n).map((b) => b.rows);
  }

  clear(): void {
    this.#changes.clear();
    this.#batches = [];
  }
}
