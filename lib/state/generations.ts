/**
 * What goes when memory is full. Two generations: what is used moves to the young one. When the young one alone has filled two thirds of
 * the budget it becomes the old one; when both together exceed the budget, what is still in the old one was not used since, and goes,
 * but for what may not. That comes near to least-recently-used at the price of a bit a row.
 *
 * What may not go counts, too, and may be more than the budget: then the rows are looked through again only when a quarter has come
 * on top, or when something may have become free.
 */
import type { TableRows } from './table-rows.ts';

const REGROWTH = 1.25;

export class Generations {
  readonly #budgetBytes: number;
  /** More than this is too much. */
  #limitBytes: number;
  /** The present generation: 0 or 1. */
  #young = 0;
  #youngBytes = 0;
  #oldBytes = 0;

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes;
    this.#limitBytes = budgetBytes;
  }

  get bytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** Whether it is time for {@link evict}. */
  get isDue(): boolean {
    if (this.#oldBytes === 0) return this.#youngBytes * 3 > this.#budgetBytes * 2;
    return this.bytes > this.#limitBytes;
  }

  /** A row has come, or has another size. */
  enter(rows: TableRows, id: number, bytes: number): void {
    this.leave(rows, id);
    rows.setAge(id, this.#young, bytes);
    this.#youngBytes += rows.memory(id);
  }

  leave(rows: TableRows, id: number): void {
    if (rows.generation(id) === this.#young) this.#youngBytes -= rows.memory(id);
    else this.#oldBytes -= rows.memory(id);
  }

  used(rows: TableRows, id: number): void {
    if (rows.generation(id) === this.#young) return;
    const memory = rows.memory(id);
    rows.setAge(id, this.#young, memory);
    this.#oldBytes -= memory;
    this.#youngBytes += memory;
  }

  /** What could not go before may be free now. */
  settle(): void {
    this.#limitBytes = this.#budgetBytes;
  }

  clear(): void {
    this.#youngBytes = 0;
    this.#oldBytes = 0;
    this.settle();
  }

  /** Makes the young generation the old one. @param stays what may not go @returns how many rows have gone */
  evict(tables: readonly TableRows[], stays: (rows: TableRows, id: number) => boolean): number {
    let evicted = 0;
    if (this.#oldBytes > 0) {
      for (const rows of tables) evicted += this.#evictOld(rows, stays);
      this.#limitBytes = Math.max(this.#budgetBytes, this.bytes * REGROWTH);
    }
    this.#oldBytes = this.#youngBytes;
    this.#youngBytes = 0;
    this.#young = 1 - this.#young;
    return evicted;
  }

  #evictOld(rows: TableRows, stays: (rows: TableRows, id: number) => boolean): number {
    let evicted = 0;
    for (let id = 0; id < rows.ids; id++) {
      if (rows.memory(id) === 0 || rows.generation(id) === this.#young) continue;
      if (stays(rows, id)) {
        this.used(rows, id);
      } else {
        this.leave(rows, id);
        rows.release(id);
        evicted++;
      }
    }
    return evicted;
  }
}
