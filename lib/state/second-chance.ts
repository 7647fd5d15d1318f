/**
 * What goes when memory is full: a hand goes round over the ids of all tables, takes the mark from a row that was used since it came by
 * last, and evicts one that was not, unless it must stay. A use sets one bit, nothing is kept in order, and a row that is read once goes
 * before one that is read again. What that brings, against orders by time and against the best possible: `docs/decisions/0056-eviction.md`.
 *
 * What must stay counts, too, and may be more than the budget: then the rows are looked through again only when a quarter has come
 * on top, or when something may have become free.
 */
import type { TableRows } from './table-rows.ts';

/** A part of the budget that is made free at once, so that the hand goes some way each time. */
const FREE_PART = 1 / 64;
const REGROWTH = 1.25;

export class SecondChance {
  readonly #budgetBytes: number;
  /** More than this is too much. */
  #limitBytes: number;
  #bytes = 0;
  /** Where the hand is. */
  #table = 0;
  #id = 0;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
    this.#limitBytes = budgetBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it is time for {@link evict}. */
  get isDue(): boolean {
    return this.#bytes > this.#limitBytes;
  }

  /** A row has come, or has another size. */
  enter(rows: TableRows, id: number, bytes: number): void {
    this.#bytes -= rows.memory(id);
    rows.setMemory(id, bytes);
    this.#bytes += rows.memory(id);
  }

  leave(rows: TableRows, id: number): void {
    this.#bytes -= rows.memory(id);
  }

  /** What could not go before may be free now. */
  settle(): void {
    this.#limitBytes = this.#budgetBytes;
  }

  clear(): void {
    this.#bytes = 0;
    this.#table = 0;
    this.#id = 0;
    this.settle();
  }

  /** @param stays what may not go @returns how many rows have gone */
  evict(tables: readonly TableRows[], stays: (rows: TableRows, id: number) => boolean): number {
    const enough = this.#budgetBytes * (1 - FREE_PART);
    let evicted = 0;
    // Twice round: the first time may have taken nothing but marks.
    for (let left = 2 * tables.reduce((sum, rows) => sum + rows.ids, 0); left > 0 && this.#bytes > enough; left--) {
      const rows = this.#nextOf(tables);
      const id = this.#id++;
      if (rows.memory(id) === 0 || rows.takeUsed(id) || stays(rows, id)) continue;
      this.leave(rows, id);
      rows.release(id);
      evicted++;
    }
    this.#limitBytes = this.#bytes > enough ? Math.max(this.#budgetBytes, this.#bytes * REGROWTH) : this.#budgetBytes;
    return evicted;
  }

  /** The table that the hand is in. At least one has ids. */
  #nextOf(tables: readonly TableRows[]): TableRows {
    for (;;) {
      const rows = tables[this.#table];
      if (rows !== undefined && this.#id < rows.ids) return rows;
      this.#table = rows === undefined ? 0 : this.#table + 1;
      this.#id = 0;
    }
  }
}
