/**
 * A map from (table, time, key), without joining the three into one text: per table a map by time, per time a map by key.
 * Batches touch few times and many keys, so the inner look-up is the only one that counts.
 *
 * Where there are many times (a timer a key, a window a minute), most hold one row: that one stands for itself, and gets a
 * map when a second joins it.
 */
import { SortedTimes } from './sorted-times.ts';

/** The rows of one time, by key. Read only. */
export interface Group<V> {
  readonly size: number;
  get(key: string): V | undefined;
  has(key: string): boolean;
  keys(): IterableIterator<string>;
  [Symbol.iterator](): IterableIterator<[string, V]>;
}

class One<V> implements Group<V> {
  readonly key: string;
  value: V;

  constructor(key: string, value: V) {
    this.key = key;
    this.value = value;
  }

  get size(): number {
    return 1;
  }

  get(key: string): V | undefined {
    return key === this.key ? this.value : undefined;
  }

  has(key: string): boolean {
    return key === this.key;
  }

  *keys(): IterableIterator<string> {
    yield this.key;
  }

  *[Symbol.iterator](): IterableIterator<[string, V]> {
    yield [this.key, this.value];
  }
}

/** The rows of one table: by time, then by key. */
export class Times<V> {
  readonly groups = new Map<number, One<V> | Map<string, V>>();
  readonly #sorted = new SortedTimes(this.groups);

  get(time: number, key: string): V | undefined {
    return this.groups.get(time)?.get(key);
  }

  /** @returns whether the row is a new one */
  set(time: number, key: string, value: V): boolean {
    const group = this.groups.get(time);
    if (group === undefined) {
      this.groups.set(time, new One(key, value));
      this.#sorted.added(time);
      return true;
    }
    if (group instanceof Map) {
      const before = group.size;
      group.set(key, value);
      return group.size > before;
    }
    if (group.key === key) {
      group.value = value;
      return false;
    }
    const keys = new Map([[group.key, group.value]]);
    keys.set(key, value);
    this.groups.set(time, keys);
    return true;
  }

  delete(time: number, key: string): V | undefined {
    const group = this.groups.get(time);
    const before = group?.get(key);
    if (group === undefined || before === undefined) return undefined;
    if (group instanceof Map) group.delete(key);
    if (group instanceof One || group.size === 0) {
      this.groups.delete(time);
      this.#sorted.removed(time);
    }
    return before;
  }

  /** Times in (after, upTo], ascending. */
  within(after: number, upTo: number): number[] {
    return this.#sorted.within(after, upTo);
  }
}

export class AddressMap<V> {
  readonly #tables: Times<V>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The rows of one time; `undefined`: none. */
  at(table: number, time: number): Group<V> | undefined {
    return this.#tables[table]?.groups.get(time);
  }

  get(table: number, time: number, key: string): V | undefined {
    return this.#tables[table]?.groups.get(time)?.get(key);
  }

  set(table: number, time: number, key: string, value: V): void {
    while (this.#tables.length <= table) this.#tables.push(new Times());
    if (this.#tables[table]!.set(time, key, value)) this.#size++;
  }

  /** @returns what was there before */
  delete(table: number, time: number, key: string): V | undefined {
    const before = this.#tables[table]?.delete(time, key);
    if (before !== undefined) this.#size--;
    return before;
  }

  /** Times of a table in (after, upTo], ascending. */
  times(table: number, after: number, upTo: number): number[] {
    return this.#tables[table]?.within(after, upTo) ?? [];
  }

  /** Everything, by table and time, in no order of keys. */
  *groups(): IterableIterator<{ table: number; time: number; rows: Group<V> }> {
    for (let table = 0; table < this.#tables.length; table++) {
      for (const [time, rows] of this.#tables[table]!.groups) yield { table, time, rows };
    }
  }

  clear(): void {
    this.#tables.length = 0;
    this.#size = 0;
  }
}
