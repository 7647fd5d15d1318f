/** An ordered table as one batch sees it: the batch's table of the same rows, and which positions of a key the batch has touched. */
import type { OrderedEntry, OrderedTable } from '../stream/graph/tables.ts';
import { type Chunks, eachOf } from '../util/chunks.ts';
import type { BatchReads } from './batch-reads.ts';
import type { BatchTable } from './batch-table.ts';
import { byPosition } from './ordered-key.ts';
import { overlaid } from './overlaid.ts';
import { Positions } from './positions.ts';

export class BatchOrderedTable implements OrderedTable {
  readonly #rows: BatchTable;
  readonly #reads: BatchReads;
  /** Touched positions, by key. */
  readonly #touched = new Map<string, Positions>();

  constructor(rows: BatchTable, reads: BatchReads) {
    this.#rows = rows;
    this.#reads = reads;
  }

  load(keys: readonly string[], positions: readonly string[]): Promise<void> | undefined {
    return this.#rows.load(keys.map((key, i) => key + positions[i]!));
  }

  get(key: string, position: string): unknown {
    return this.#rows.get(key + position, 0);
  }

  put(key: string, position: string, row: unknown): void {
    this.#touch(key, position);
    this.#rows.put(key + position, 0, row);
  }

  delete(key: string, position: string): void {
    this.#touch(key, position);
    this.#rows.delete(key + position, 0);
  }

  range(key: string, from?: string | undefined, to?: string | undefined): Chunks<OrderedEntry<unknown>> {
    const { table } = this.#rows;
    return overlaid(this.#reads.range(table, key, from, to), this.#changedWithin(key, from, to), byPosition);
  }

  deleteRange(key: string, from?: string | undefined, to?: string | undefined): Promise<void> | undefined {
    return eachOf(this.range(key, from, to), ({ position }) => this.delete(key, position));
  }

  #touch(key: string, position: string): void {
    let positions = this.#touched.get(key);
    if (positions === undefined) {
      positions = new Positions();
      this.#touched.set(key, positions);
    }
    positions.add(position);
  }

  /** As they are now; `row: undefined`: it is deleted. */
  #changedWithin(key: string, from: string | undefined, to: string | undefined): OrderedEntry<unknown>[] {
    const touched = this.#touched.get(key);
    if (touched === undefined) return [];
    const [first, end] = touched.within(from, to);
    const all = touched.all();
    const changed: OrderedEntry<unknown>[] = [];
    for (let i = first; i < end; i++) {
      const position = all[i]!;
      changed.push({ position, row: this.#rows.changedRow(key + position, 0) });
    }
    return changed;
  }
}
