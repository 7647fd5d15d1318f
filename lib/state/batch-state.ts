/**
 * The state as one batch sees it, table by table. Nothing of the partition is changed before the batch is durable: an attempt
 * that is discarded leaves nothing but rows that it has read.
 */
import type { ReadCounts } from '../log/read-counts.ts';
import type { OrderedTable, StateTable, TableSpec } from '../stream/graph/tables.ts';
import { ByteWriter } from '../util/bytes.ts';
import { BatchReads, type Tiers } from './batch-reads.ts';
import { BatchTable } from './batch-table.ts';
import type { Changes, TableChanges } from './changes.ts';
import { BatchOrderedTable } from './ordered-table.ts';

const BYTES_A_CHANGE = 64;

export class BatchState {
  readonly #tiers: Tiers;
  readonly #reads: BatchReads;
  readonly #tables = new Map<number, BatchTable>();
  readonly #ordered = new Map<number, BatchOrderedTable>();

  constructor(tiers: Tiers) {
    this.#tiers = tiers;
    this.#reads = new BatchReads(tiers);
  }

  /** @param first number of the first of these tables in the partition */
  tables(specs: readonly TableSpec[], first: number): StateTable[] {
    return specs.map((_, i) => this.#table(first + i));
  }

  /** @param number of an ordered table in the partition */
  ordered(number: number): OrderedTable {
    let table = this.#ordered.get(number);
    if (table === undefined) {
      table = new BatchOrderedTable(this.#table(number), this.#reads);
      this.#ordered.set(number, table);
    }
    return table;
  }

  /** Reads so far, by tier. */
  get reads(): ReadCounts {
    return this.#reads.counts;
  }

  /** Encodes the changes, in the order in which rows were first touched. @throws {UnstorableError} */
  encode(): Changes {
    const numbered = [...this.#tables].sort(([a], [b]) => a - b);
    const touched = numbered.reduce((sum, [, table]) => sum + table.count, 0);
    const writer = new ByteWriter(Math.max(1024, touched * BYTES_A_CHANGE));
    const tables: TableChanges[] = [];
    const forgotten: (readonly [table: number, upTo: number])[] = [];
    let count = 0;
    for (const [number, table] of numbered) {
      const encoded = table.encode(this.#tiers.kinds[number]!, writer);
      tables.push(encoded.changes);
      count += encoded.count;
      if (table.forgotten !== undefined) forgotten.push([number, table.forgotten]);
    }
    return { bytes: writer.view(), count, tables, forgotten };
  }

  /** Brings the changes of this batch, which is n, into memory. Only when it is durable. */
  apply({ tables }: Changes, n: number): void {
    for (const changes of tables) this.#tables.get(changes.table)!.apply(changes, n);
  }

  /** It is applied, or discarded: what it has touched may be forgotten. */
  end(): void {
    this.#reads.end();
  }

  #table(number: number): BatchTable {
    let table = this.#tables.get(number);
    if (table === undefined) {
      table = new BatchTable(number, this.#tiers.rows, this.#reads);
      this.#tables.set(number, table);
    }
    return table;
  }
}
