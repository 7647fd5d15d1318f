/**
 * Keys with a dense number each, their id: a hash table over bytes. A slot holds the key's whole hash and where its record is; the
 * record holds id and bytes. So a look-up costs two cache misses, and neither string nor object is made. A key belongs to a
 * group (a time, say): equal keys of two groups are two keys. Ids are freed and used again.
 *
 * Open addressing over the hash's bits as a multiplication by the golden ratio leaves them: the keys of one partition agree in
 * the hash's remainder.
 */
import { columnOf, KeyColumn } from './key-column.ts';
import { sortKeys } from './key-order.ts';
import { KeyRecords } from './key-records.ts';

const GOLDEN = 0x9e3779b1 | 0;
const GROUPS = 0x85ebca6b | 0;
const FIRST_SLOTS = 16;

export class KeyTable {
  readonly #records = new KeyRecords();
  /** Two a slot: mixed hash, record; a record of 0: free. */
  #slots = new Int32Array(2 * FIRST_SLOTS);
  /** How far the mixed hash is shifted to be a slot. */
  #shift = shiftOf(FIRST_SLOTS);
  /** By id: its record, or −2 − (the next free id), where −1 is none. */
  #recordOf = new Int32Array(FIRST_SLOTS);
  #free = -1;
  #ids = 0;
  #size = 0;

  /** Number of keys. */
  get size(): number {
    return this.#size;
  }

  /** Ids are below this; free ones, too. */
  get ids(): number {
    return this.#ids;
  }

  /** Bytes of all its arrays. */
  get memory(): number {
    return this.#slots.byteLength + this.#recordOf.byteLength + this.#records.memory;
  }

  /** The id of key i of a column. @returns −1: there is none */
  find(keys: KeyColumn, i: number, group = 0): number {
    const slot = this.#locate(keys, i, mixed(keys.hashes[i]!, group), group);
    return slot < 0 ? -1 : this.#records.id(this.#slots[2 * slot + 1]!);
  }

  /** The id of key i of a column, a new one where there is none. */
  intern(keys: KeyColumn, i: number, group = 0): number {
    const hash = mixed(keys.hashes[i]!, group);
    const slot = this.#locate(keys, i, hash, group);
    if (slot >= 0) return this.#records.id(this.#slots[2 * slot + 1]!);
    if (this.#size * 8 >= this.#slots.length * 3) this.#resizeSlots(this.#slots.length);
    const id = this.#takeId();
    const record = this.#records.add(id, group, keys, i);
    this.#recordOf[id] = record;
    this.#putSlot(hash, record);
    this.#size++;
    return id;
  }

  /**
   * Reads what look-ups of keys `from` up to `to` will read, so that the processor waits for all of it at once and not for one after the
   * other.
   * @param ids of most of the keys that are there, by position from `from` on; −1: not found so soon
   */
  prefetch(keys: KeyColumn, from: number, to: number, group: number, ids: Int32Array): void {
    const slots = this.#slots;
    for (let i = from; i < to; i++) {
      ids[i - from] = slots[2 * (mixed(keys.hashes[i]!, group) >>> this.#shift) + 1]!;
    }
    this.#records.prefetch(ids, to - from);
  }

  /** As {@link prefetch}, for who asks about ids, some of which may be free, or releases them. @param slots of each, by position from `from` on */
  prefetchIds(ids: Int32Array, from: number, to: number, slots: Int32Array): void {
    for (let i = from; i < to; i++) slots[i - from] = this.#recordOf[ids[i]!]!;
    for (let i = 0; i < to - from; i++) slots[i] = slots[i]! > 0 ? this.#homeOf(slots[i]!) : 0;
    for (let i = 0; i < to - from; i++) slots[i] = this.#slots[2 * slots[i]!]!;
  }

  findText(key: string, group = 0): number {
    return this.find(columnOf(key), 0, group);
  }

  internText(key: string, group = 0): number {
    return this.intern(columnOf(key), 0, group);
  }

  /** Forgets a key; its id will be another's. */
  release(id: number): void {
    const record = this.#record(id);
    this.#removeSlot(this.#slotOf(record));
    this.#records.release(record);
    this.#recordOf[id] = -2 - this.#free;
    this.#free = id;
    this.#size--;
    if (this.#records.isSparse) this.#compact();
  }

  /** Whether it is an id. */
  has(id: number): boolean {
    return id < this.#ids && this.#recordOf[id]! > 0;
  }

  group(id: number): number {
    return this.#records.group(this.#record(id));
  }

  /** Bytes of the key. */
  length(id: number): number {
    return this.#records.length(this.#record(id));
  }

  /** The key as a binary string. */
  text(id: number): string {
    return this.#records.text(this.#record(id));
  }

  /** Adds the key to a column. */
  pushTo(to: KeyColumn, id: number): void {
    this.#records.pushTo(to, this.#record(id));
  }

  /** Adds the key, with a prefix, to a column. */
  pushPrefixed(to: KeyColumn, prefix: Uint8Array, id: number): void {
    this.#records.pushPrefixed(to, prefix, this.#record(id));
  }

  /** Sorts ids by their keys. @returns the keys as they stood before, and the order in which they stand now */
  sort(ids: Int32Array): { readonly keys: KeyColumn; readonly order: Int32Array } {
    const keys = new KeyColumn(ids.length);
    for (let i = 0; i < ids.length; i++) this.pushTo(keys, ids[i]!);
    const order = new Int32Array(ids.length);
    for (let i = 0; i < order.length; i++) order[i] = i;
    sortKeys(order, { bytes: keys.bytes, starts: keys.starts, ends: keys.starts.subarray(1) });
    const before = ids.slice();
    for (let i = 0; i < ids.length; i++) ids[i] = before[order[i]!]!;
    return { keys, order };
  }

  /** @returns −1: it is not there */
  #locate(keys: KeyColumn, i: number, hash: number, group: number): number {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    for (let slot = hash >>> this.#shift; ; slot = (slot + 1) & mask) {
      const record = slots[2 * slot + 1]!;
      if (record === 0) return -1;
      if (slots[2 * slot] === hash && this.#records.holds(record, keys, i, group)) return slot;
    }
  }

  #record(id: number): number {
    const record = this.#recordOf[id]!;
    if (!(record > 0)) throw new RangeError(`${id} is nobody's id`);
    return record;
  }

  #takeId(): number {
    const id = this.#free;
    if (id >= 0) {
      this.#free = -2 - this.#recordOf[id]!;
      return id;
    }
    if (this.#ids === this.#recordOf.length) {
      const records = new Int32Array(this.#ids * 2);
      records.set(this.#recordOf);
      this.#recordOf = records;
    }
    return this.#ids++;
  }

  /** Where the slots begin that a record may be in. */
  #homeOf(record: number): number {
    return mixed(this.#records.hash(record), this.#records.group(record)) >>> this.#shift;
  }

  /** The slot of a record that is there. */
  #slotOf(record: number): number {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    let slot = this.#homeOf(record);
    while (slots[2 * slot + 1] !== record) slot = (slot + 1) & mask;
    return slot;
  }

  #putSlot(hash: number, record: number): void {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    let slot = hash >>> this.#shift;
    while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = record;
  }

  /** Moves those behind it up, so that no gap ends a search too early. */
  #removeSlot(free: number): void {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    for (let slot = (free + 1) & mask; slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
      const home = slots[2 * slot]! >>> this.#shift;
      if (((slot - home) & mask) < ((slot - free) & mask)) continue;
      slots[2 * free] = slots[2 * slot]!;
      slots[2 * free + 1] = slots[2 * slot + 1]!;
      free = slot;
    }
    slots[2 * free + 1] = 0;
  }

  #resizeSlots(count: number): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * count);
    this.#shift = shiftOf(count);
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1] !== 0) this.#putSlot(before[at]!, before[at + 1]!);
    }
  }

  #compact(): void {
    this.#records.compact((id, before, after) => {
      this.#slots[2 * this.#slotOf(before) + 1] = after;
      this.#recordOf[id] = after;
    });
    let slots = this.#slots.length >> 1;
    while (slots > FIRST_SLOTS && this.#size * 8 < slots) slots >>= 1;
    if (2 * slots < this.#slots.length) this.#resizeSlots(slots);
  }
}

function mixed(hash: number, group: number): number {
  return Math.imul(hash ^ Math.imul(group, GROUPS), GOLDEN);
}

function shiftOf(slots: number): number {
  return Math.clz32(slots) + 1;
}
