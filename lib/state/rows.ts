/**
 * The memory tier: decoded current rows of recently used addresses, within a budget of bytes. `complete` says that it
 * holds every row of the partition; then what is absent here is absent everywhere.
 *
 * Two generations: what is used moves to the young one. When the young one alone has filled two thirds of the budget it
 * becomes the old one; when both together exceed the budget, what is still in the old one was not used since, and goes.
 * That comes near to least-recently-used at the price of a map access.
 */
import { AddressMap } from './address-map.ts';

interface Held {
  row: unknown;
  bytes: number;
}

/** Rough memory of one row beside its own bytes: map entry, key and value objects. */
const OVERHEAD_BYTES = 120;

export class Rows {
  readonly #budgetBytes: number;
  #young = new AddressMap<Held>();
  #old = new AddressMap<Held>();
  #youngBytes = 0;
  #oldBytes = 0;
  #complete: boolean;
  #evictions = 0;

  /** @param complete nothing is stored yet, so that holding nothing is holding everything */
  constructor(budgetBytes: number, complete: boolean) {
    this.#budgetBytes = budgetBytes;
    this.#complete = complete;
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
    return this.#young.size + this.#old.size;
  }

  get(table: number, time: number, key: string): unknown {
    const held = this.#young.get(table, time, key);
    if (held !== undefined) return held.row;
    if (this.#old.size === 0) return undefined;
    const old = this.#old.delete(table, time, key);
    if (old === undefined) return undefined;
    this.#oldBytes -= old.bytes;
    // Nothing is forgotten by reading: a batch must find again what it has found.
    this.#young.set(table, time, key, old);
    this.#youngBytes += old.bytes;
    return old.row;
  }

  /** @param valueBytes bytes of the encoded row */
  put(table: number, time: number, key: string, row: unknown, valueBytes: number): void {
    if (this.#old.size > 0) this.#deleteOld(table, time, key);
    const bytes = OVERHEAD_BYTES + key.length + 3 * valueBytes;
    const held = this.#young.get(table, time, key);
    if (held === undefined) {
      this.#insert(table, time, key, { row, bytes });
      return;
    }
    // In place: one look-up, and nothing for the garbage collector.
    this.#youngBytes += bytes - held.bytes;
    held.row = row;
    held.bytes = bytes;
    this.#age();
  }

  delete(table: number, time: number, key: string): void {
    const young = this.#young.delete(table, time, key);
    if (young !== undefined) this.#youngBytes -= young.bytes;
    if (this.#old.size > 0) this.#deleteOld(table, time, key);
  }

  /** Rows of a table in (after, upTo], by time, then key. Only when {@link complete}. */
  scan(table: number, after: number, upTo: number): { time: number; key: string; row: unknown }[] {
    const found: { time: number; key: string; row: unknown }[] = [];
    const times = new Set([...this.#old.times(table, after, upTo), ...this.#young.times(table, after, upTo)]);
    for (const time of [...times].sort((a, b) => a - b)) {
      const young = this.#young.at(table, time);
      const old = this.#old.at(table, time);
      const keys = [...(young?.keys() ?? []), ...(old?.keys() ?? [])].sort();
      for (const key of keys) found.push({ time, key, row: (young?.get(key) ?? old?.get(key))!.row });
    }
    return found;
  }

  /** Declares that every row of the partition is held (after loading them all). */
  markComplete(): void {
    this.#complete = true;
  }

  clear(complete: boolean): void {
    this.#young.clear();
    this.#old.clear();
    this.#youngBytes = 0;
    this.#oldBytes = 0;
    this.#complete = complete;
  }

  /** Adds a row that the young generation does not hold. */
  #insert(table: number, time: number, key: string, held: Held): void {
    this.#young.set(table, time, key, held);
    this.#youngBytes += held.bytes;
    this.#age();
  }

  /** Makes the young generation the old one when it is due. */
  #age(): void {
    if (this.#old.size === 0 ? this.#youngBytes * 3 <= this.#budgetBytes * 2 : this.bytes <= this.#budgetBytes) return;
    if (this.#old.size > 0) {
      this.#complete = false;
      this.#evictions++;
    }
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = new AddressMap();
    this.#youngBytes = 0;
  }

  #deleteOld(table: number, time: number, key: string): void {
    const old = this.#old.delete(table, time, key);
    if (old !== undefined) this.#oldBytes -= old.bytes;
  }
}
