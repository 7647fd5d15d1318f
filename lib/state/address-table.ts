/**
 * Addresses (time, key) with a dense number each, their id: see {@link KeyTable}, whose groups are the times. Without times
 * (a keyed table) an address is its key.
 */
import type { KeyColumn } from '../columns/key-column.ts';
import { KeyTable } from '../columns/key-table.ts';
import { TimeGroups } from './time-groups.ts';

/** Addresses of one time, in the order of their keys. */
export interface SortedAddresses {
  readonly time: number;
  readonly ids: Int32Array;
  readonly keys: KeyColumn;
  /** Where in {@link keys} the key of each id is. */
  readonly order: Int32Array;
}

export class AddressTable {
  readonly #keys = new KeyTable();
  readonly #times: TimeGroups | undefined;

  /** @param timed false: times are passed over, and are 0 */
  constructor(timed: boolean) {
    this.#times = timed ? new TimeGroups() : undefined;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Ids are below this; free ones, too. */
  get ids(): number {
    return this.#keys.ids;
  }

  /** @returns −1: there is no such address */
  find(keys: KeyColumn, i: number, time: number): number {
    if (this.#times === undefined) return this.#keys.find(keys, i);
    const group = this.#times.find(time);
    return group < 0 ? -1 : this.#keys.find(keys, i, group);
  }

  /** See {@link KeyTable.prefetch}. */
  prefetch(keys: KeyColumn, from: number, to: number, time: number, ids: Int32Array): void {
    this.#keys.prefetch(keys, from, to, this.#times?.find(time) ?? 0, ids);
  }

  /** See {@link KeyTable.prefetchIds}. */
  prefetchIds(ids: Int32Array, from: number, to: number, slots: Int32Array): void {
    this.#keys.prefetchIds(ids, from, to, slots);
  }

  findText(key: string, time: number): number {
    if (this.#times === undefined) return this.#keys.findText(key);
    const group = this.#times.find(time);
    return group < 0 ? -1 : this.#keys.findText(key, group);
  }

  /** The id of an address, a new one where there is none: then {@link size} is greater. */
  intern(keys: KeyColumn, i: number, time: number): number {
    const times = this.#times;
    if (times === undefined) return this.#keys.intern(keys, i);
    const group = times.intern(time);
    const before = this.#keys.size;
    const id = this.#keys.intern(keys, i, group);
    if (this.#keys.size > before) times.add(group, id);
    return id;
  }

  internText(key: string, time: number): number {
    const times = this.#times;
    if (times === undefined) return this.#keys.internText(key);
    const group = times.intern(time);
    const before = this.#keys.size;
    const id = this.#keys.internText(key, group);
    if (this.#keys.size > before) times.add(group, id);
    return id;
  }

  /** Forgets an address; its id will be another's. */
  release(id: number): void {
    this.#times?.remove(this.#keys.group(id), id);
    this.#keys.release(id);
  }

  time(id: number): number {
    return this.#times === undefined ? 0 : this.#times.time(this.#keys.group(id));
  }

  /** The key as a binary string. */
  text(id: number): string {
    return this.#keys.text(id);
  }

  /** Adds the key, with a prefix, to a column. */
  pushKey(to: KeyColumn, prefix: Uint8Array, id: number): void {
    this.#keys.pushPrefixed(to, prefix, id);
  }

  /** Bytes of the key. */
  keyLength(id: number): number {
    return this.#keys.length(id);
  }

  /** Ids of addresses with times in (after, upTo], by time, then key. */
  within(after: number, upTo: number): Int32Array {
    return this.#times === undefined ? this.#all(after, upTo) : this.#within(this.#times, after, upTo, true);
  }

  /** As {@link within}, one time after the other, each sorted when it is asked for. */
  *sorted(after: number, upTo: number): Generator<SortedAddresses, void, undefined> {
    const times = this.#times;
    if (times === undefined) {
      const ids = this.#allOf(after, upTo);
      yield { time: 0, ids, ...this.#keys.sort(ids) };
      return;
    }
    for (const group of times.within(after, upTo)) {
      const ids = new Int32Array(times.size(group));
      times.copyIds(group, ids, 0);
      yield { time: times.time(group), ids, ...this.#keys.sort(ids) };
    }
  }

  /** As {@link within}, in no order of keys. */
  unsorted(after: number, upTo: number): Int32Array {
    return this.#times === undefined ? this.#allOf(after, upTo) : this.#within(this.#times, after, upTo, false);
  }

  #all(after: number, upTo: number): Int32Array {
    const found = this.#allOf(after, upTo);
    this.#keys.sort(found);
    return found;
  }

  #allOf(after: number, upTo: number): Int32Array {
    if (!(after < 0 && upTo >= 0)) return new Int32Array();
    const found = new Int32Array(this.size);
    for (let id = 0, end = 0; id < this.ids; id++) if (this.#keys.has(id)) found[end++] = id;
    return found;
  }

  #within(times: TimeGroups, after: number, upTo: number, sorted: boolean): Int32Array {
    const groups = times.within(after, upTo);
    const found = new Int32Array(groups.reduce((sum, group) => sum + times.size(group), 0));
    let start = 0;
    for (const group of groups) {
      const end = times.copyIds(group, found, start);
      if (sorted) this.#keys.sort(found.subarray(start, end));
      start = end;
    }
    return found;
  }
}
