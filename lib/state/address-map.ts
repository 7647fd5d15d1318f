/**
 * A map from (table, time, key), without joining the three into one text: per table a map by time, per time a map by key.
 * Batches touch few times and many keys, so the inner look-up is the only one that counts.
 */

export class AddressMap<V> {
  readonly #tables: Map<number, Map<string, V>>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The rows of one time, by key; `undefined`: none. Read only. */
  at(table: number, time: number): Map<string, V> | undefined {
    return this.#tables[table]?.get(time);
  }

  get(table: number, time: number, key: string): V | undefined {
    return this.#tables[table]?.get(time)?.get(key);
  }

  set(table: number, time: number, key: string, value: V): void {
    let times = this.#tables[table];
    if (times === undefined) {
      while (this.#tables.length <= table) this.#tables.push(new Map());
      times = this.#tables[table]!;
    }
    let keys = times.get(time);
    if (keys === undefined) {
      keys = new Map();
      times.set(time, keys);
    }
    const before = keys.size;
    keys.set(key, value);
    this.#size += keys.size - before;
  }

  /** @returns what was there before */
  delete(table: number, time: number, key: string): V | undefined {
    const times = this.#tables[table];
    const keys = times?.get(time);
    const before = keys?.get(key);
    if (times === undefined || keys === undefined || before === undefined) return undefined;
    keys.delete(key);
    if (keys.size === 0) times.delete(time);
    this.#size--;
    return before;
  }

  /** Times of a table in (after, upTo], ascending. */
  times(table: number, after: number, upTo: number): number[] {
    const found: number[] = [];
    for (const time of this.#tables[table]?.keys() ?? []) if (time > after && time <= upTo) found.push(time);
    return found.sort((a, b) => a - b);
  }

  /** Everything, by table and time, in no order of keys. */
  *groups(): IterableIterator<{ table: number; time: number; rows: Map<string, V> }> {
    for (let table = 0; table < this.#tables.length; table++) {
      for (const [time, rows] of this.#tables[table]!) yield { table, time, rows };
    }
  }

  clear(): void {
    this.#tables.length = 0;
    this.#size = 0;
  }
}
