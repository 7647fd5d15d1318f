/**
 * Rows in memory that a coming batch will ask for: brought near for it, or there already. They stay until it has run, so that nothing that
 * comes meanwhile pushes them out again. When it has asked, they tell how much of what was brought it has used.
 */
import type { KeyColumn } from '../columns/key-column.ts';
import { KeyTable } from '../columns/key-table.ts';
import type { PreloadCounts } from '../log/read-counts.ts';
import { noCost } from './read-cost.ts';
import type { TableRows } from './table-rows.ts';

/** Rows that are looked up together. */
interface Coming {
  readonly stateKeys: KeyTable;
  /** Settles when all have come, or failed; never rejects. */
  readonly come: Promise<void>;
}

export class ExpectedRows {
  /** Number of the batch. */
  readonly n: number;
  /** Of bringing rows near. */
  readonly cost = noCost();
  /** Rows and ids by place. */
  readonly #rows: TableRows[] = [];
  readonly #ids: number[] = [];
  /** By place: whether it was brought for this batch. */
  readonly #brought: boolean[] = [];
  /** Memory of what was brought. */
  #bytes = 0;
  /** Of a batch's, a few at a time. */
  readonly #coming = new Set<Coming>();
  #isBegun = false;
  #isOver = false;

  constructor(n: number) {
    this.n = n;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The batch has begun: what is not on its way now, it reads for itself. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  begin(): void {
    this.#isBegun = true;
  }

  /** The batch is applied, or dropped: what comes now is of no use. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Rows are looked up for the batch. @param looked settles when that has ended @returns as `looked` */
  async coming(stateKeys: KeyColumn, looked: Promise<void>): Promise<void> {
    const table = new KeyTable();
    for (let i = 0; i < stateKeys.count; i++) table.intern(stateKeys, i);
    const one: Coming = { stateKeys: table, come: looked.catch(() => {}) };
    this.#coming.add(one);
    try {
      await looked;
    } finally {
      this.#coming.delete(one);
    }
  }

  /** Whether rows are on their way. */
  get areComing(): boolean {
    return this.#coming.size > 0;
  }

  /** If the row of state key i of a column is on its way: settles when it has come, or not; never rejects. */
  comes(stateKeys: KeyColumn, i: number): Promise<void> | undefined {
    for (const { stateKeys: keys, come } of this.#coming) if (keys.find(stateKeys, i) >= 0) return come;
    return undefined;
  }

  /** The batch will ask for a row that is in memory. */
  keep(rows: TableRows, id: number): void {
    if (rows.setExpected(id, this.n)) this.#add(rows, id, false);
  }

  /** A row was put into memory for the batch. */
  brought(rows: TableRows, id: number): void {
    this.#add(rows, id, true);
    this.#bytes += rows.memory(id);
  }

  /** As long as the batch runs: what it has used by now. `undefined`: there was nothing to do for it. */
  get counts(): PreloadCounts | undefined {
    let rows = 0;
    let used = 0;
    let usedBytes = 0;
    for (const [i, id] of this.#ids.entries()) {
      if (!this.#brought[i]) continue;
      const of = this.#rows[i]!;
      rows++;
      if (!of.isExpectedBy(id, this.n) || !of.isInUse(id)) continue;
      used++;
      usedBytes += of.memory(id);
    }
    const { requests, bytes } = this.cost;
    if (rows === 0 && requests === 0) return undefined;
    return { rows, used, wastedBytes: Math.max(0, this.#bytes - usedBytes), requests, bytes };
  }

  /** The batch is over: its rows are as any others. */
  end(): void {
    this.#isOver = true;
    for (const [i, id] of this.#ids.entries()) this.#rows[i]!.endExpected(id, this.n);
  }

  #add(rows: TableRows, id: number, brought: boolean): void {
    this.#rows.push(rows);
    this.#ids.push(id);
    this.#brought.push(brought);
  }
}
