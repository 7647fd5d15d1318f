/**
 * Keys with a dense number each, their id: a hash table over bytes. A slot holds the key's whole hash and where its record is; the
 * record holds id and bytes. So a look-up costs two cache misses, and neither string nor object is made. A key belongs to a
 * group (a time, say): equal keys of two groups are two keys.
 *
 * Open addressing over the hash's bits as a multiplication by the golden ratio leaves them: the keys of one partition agree in
 * the hash's remainder. Ids are freed and used again, and so is the room of their records, when it is half of all.
 */
import { latin1At } from '../util/bytes.ts';
import { columnOf, type KeyColumn } from './key-column.ts';
import { sortKeys } from './key-order.ts';

const GOLDEN = 0x9e3779b1 | 0;
const GROUPS = 0x85ebca6b | 0;
const FIRST_SLOTS = 16;
const FIRST_WORDS = 256;

/** A record's words of 32 bits; then the key's bytes. Records begin at words that are not 0. */
const ID = 0;
const GROUP = 1;
const HASH = 2;
const LENGTH = 3;
const HEADER = 4;
/** Id of a record that is released. */
const DEAD = -1;

export class KeyTable {
  /** Two a slot: mixed hash, record. A record of 0: free. */
  #slots = new Int32Array(2 * FIRST_SLOTS);
  /** How far the mixed hash is shifted to be a slot. */
  #shift = shiftOf(FIRST_SLOTS);
  #words!: Int32Array<ArrayBuffer>;
  /** The same memory. */
  #bytes!: Buffer;
  /** Words in use, and those among them of records that are released. */
  #end = HEADER;
  #dead = 0;
  /** By id: its record, or −2 − (the next free id), where −1 is none. */
  #records = new Int32Array(FIRST_SLOTS);
  #free = -1;
  #ids = 0;
  #size = 0;

  constructor() {
    this.#allocate(FIRST_WORDS);
  }

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
    return this.#slots.byteLength + this.#words.byteLength + this.#records.byteLength;
  }

  /** The id of key i of a column. @returns −1: there is none */
  find(keys: KeyColumn, i: number, group = 0): number {
    const slot = this.#locate(keys, i, mixed(keys.hashes[i]!, group), group);
    return slot < 0 ? -1 : this.#words[this.#slots[2 * slot + 1]!]!;
  }

  /** The id of key i of a column, a new one where there is none. */
  intern(keys: KeyColumn, i: number, group = 0): number {
    const hash = mixed(keys.hashes[i]!, group);
    let slot = this.#locate(keys, i, hash, group);
    if (slot >= 0) return this.#words[this.#slots[2 * slot + 1]!]!;
    if (this.#size * 8 >= this.#slots.length * 3) {
      this.#resizeSlots(this.#slots.length);
      slot = this.#locate(keys, i, hash, group);
    }
    const id = this.#takeId();
    const record = this.#addRecord(id, group, keys, i);
    this.#records[id] = record;
    this.#slots[2 * ~slot] = hash;
    this.#slots[2 * ~slot + 1] = record;
    this.#size++;
    return id;
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
    this.#removeSlot(record);
    this.#dead += wordsOf(this.#words[record + LENGTH]!);
    this.#words[record + ID] = DEAD;
    this.#records[id] = -2 - this.#free;
    this.#free = id;
    this.#size--;
    if (this.#dead * 2 > this.#end && this.#end > FIRST_WORDS) this.#compact();
  }

  /** Whether it is an id. */
  has(id: number): boolean {
    return id < this.#ids && this.#records[id]! > 0;
  }

  group(id: number): number {
    return this.#words[this.#record(id) + GROUP]!;
  }

  /** Bytes of the key. */
  length(id: number): number {
    return this.#words[this.#record(id) + LENGTH]!;
  }

  /** The key as a binary string. */
  text(id: number): string {
    const record = this.#record(id);
    const length = this.#words[record + LENGTH]!;
    const from = (record + HEADER) * 4;
    return length <= 16 ? latin1At(this.#bytes, from, length) : this.#bytes.toString('latin1', from, from + length);
  }

  /** Adds the key to a column. */
  pushTo(to: KeyColumn, id: number): void {
    const record = this.#record(id);
    const from = (record + HEADER) * 4;
    to.pushHashed(this.#bytes, from, from + this.#words[record + LENGTH]!, this.#words[record + HASH]!);
  }

  /** Sorts ids by their keys. */
  sort(ids: Int32Array): void {
    if (ids.length < 2) return;
    const starts = new Uint32Array(ids.length);
    const ends = new Uint32Array(ids.length);
    const order = new Int32Array(ids.length);
    for (let i = 0; i < ids.length; i++) {
      const record = this.#record(ids[i]!);
      starts[i] = (record + HEADER) * 4;
      ends[i] = starts[i]! + this.#words[record + LENGTH]!;
      order[i] = i;
    }
    sortKeys(order, { bytes: this.#bytes, starts, ends });
    const before = ids.slice();
    for (let i = 0; i < ids.length; i++) ids[i] = before[order[i]!]!;
  }

  /** @returns the slot, or ~(the free slot where it would be) */
  #locate(keys: KeyColumn, i: number, hash: number, group: number): number {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    for (let slot = hash >>> this.#shift; ; slot = (slot + 1) & mask) {
      const record = slots[2 * slot + 1]!;
      if (record === 0) return ~slot;
      if (slots[2 * slot] === hash && this.#holds(record, keys, i, group)) return slot;
    }
  }

  #holds(record: number, keys: KeyColumn, i: number, group: number): boolean {
    const words = this.#words;
    const start = keys.starts[i]!;
    const length = keys.starts[i + 1]! - start;
    if (words[record + GROUP] !== group || words[record + LENGTH] !== length) return false;
    const own = this.#bytes;
    const theirs = keys.bytes;
    const from = (record + HEADER) * 4;
    for (let at = 0; at < length; at++) if (own[from + at] !== theirs[start + at]) return false;
    return true;
  }

  #record(id: number): number {
    const record = this.#records[id]!;
    if (!(record > 0)) throw new RangeError(`${id} is nobody's id`);
    return record;
  }

  #takeId(): number {
    const id = this.#free;
    if (id >= 0) {
      this.#free = -2 - this.#records[id]!;
      return id;
    }
    if (this.#ids === this.#records.length) this.#records = moved(this.#records, this.#ids * 2);
    return this.#ids++;
  }

  #addRecord(id: number, group: number, keys: KeyColumn, i: number): number {
    const start = keys.starts[i]!;
    const length = keys.starts[i + 1]! - start;
    const record = this.#end;
    this.#end += wordsOf(length);
    if (this.#end + HEADER > this.#words.length) this.#allocate(Math.max(this.#end + HEADER, this.#words.length * 2));
    const words = this.#words;
    words[record + ID] = id;
    words[record + GROUP] = group;
    words[record + HASH] = keys.hashes[i]!;
    words[record + LENGTH] = length;
    const own = this.#bytes;
    const theirs = keys.bytes;
    const to = (record + HEADER) * 4;
    for (let at = 0; at < length; at++) own[to + at] = theirs[start + at]!;
    return record;
  }

  /** Keeps what is there. A few words behind the last record are ours, too. */
  #allocate(words: number): void {
    const before = this.#words as Int32Array | undefined;
    this.#words = before === undefined ? new Int32Array(words) : moved(before, words);
    this.#bytes = Buffer.from(this.#words.buffer);
  }

  /** Moves those behind it up, so that no gap ends a search too early. */
  #removeSlot(record: number): void {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    const hash = mixed(this.#words[record + HASH]!, this.#words[record + GROUP]!);
    let free = hash >>> this.#shift;
    while (slots[2 * free + 1] !== record) free = (free + 1) & mask;
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

  #putSlot(hash: number, record: number): void {
    const slots = this.#slots;
    const mask = (slots.length >> 1) - 1;
    let slot = hash >>> this.#shift;
    while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
    slots[2 * slot] = hash;
    slots[2 * slot + 1] = record;
  }

  /** Takes room and slots for what is there alone. */
  #compact(): void {
    const before = this.#words;
    const end = this.#end;
    this.#words = new Int32Array(Math.max(FIRST_WORDS, Math.ceil((end - this.#dead) * 1.5) + HEADER));
    this.#bytes = Buffer.from(this.#words.buffer);
    let slots = FIRST_SLOTS;
    while (this.#size * 2 > slots) slots *= 2;
    this.#slots = new Int32Array(2 * slots);
    this.#shift = shiftOf(slots);
    let to = HEADER;
    for (let from = HEADER, words = 0; from < end; from += words) {
      words = wordsOf(before[from + LENGTH]!);
      const id = before[from + ID]!;
      if (id === DEAD) continue;
      for (let at = 0; at < words; at++) this.#words[to + at] = before[from + at]!;
      this.#records[id] = to;
      this.#putSlot(mixed(before[from + HASH]!, before[from + GROUP]!), to);
      to += words;
    }
    this.#end = to;
    this.#dead = 0;
  }
}

function mixed(hash: number, group: number): number {
  return Math.imul(hash ^ Math.imul(group, GROUPS), GOLDEN);
}

/** Words of a record. */
function wordsOf(length: number): number {
  return HEADER + ((length + 3) >> 2);
}

function shiftOf(slots: number): number {
  return Math.clz32(slots) + 1;
}

function moved(from: Int32Array, capacity: number): Int32Array<ArrayBuffer> {
  const to = new Int32Array(capacity);
  to.set(from);
  return to;
}
