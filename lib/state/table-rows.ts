/**
 * The rows of one table that are in memory. An address (time, key) has an id, found by one look-up over bytes; all else lies at
 * that index. What is known of a row and, where rows are so many numbers each, the row itself lie side by side in one slab: one cache
 * miss, no object, nothing for the garbage collector, and a copy is a copy of bytes. Other rows are plain data as they are.
 *
 * An id without a row is a place that a batch has asked for, or says that there is no row; ids are used again, but none that a batch uses.
 */
import type { KeyColumn } from '../columns/key-column.ts';
import { grown } from '../util/arrays.ts';
import { unpackValue } from '../util/pack.ts';
import { AddressTable, type SortedAddresses } from './address-table.ts';
import { RowSlab } from './row-slab.ts';

/**
 * What is known of a row, in one word: what there is (three bits), whether it was used of late (one bit), whether the present batch has
 * loaded it (one bit), whether it is expected to be asked for (one bit each for batches of even and of odd number: no more than two are
 * coming), and the memory that it is taken to need, in units of 8 bytes.
 */
const KIND = 7;
const NO_ROW = 0;
const IN_SLAB = 1;
const PLAIN = 2;
/** There is none, and that is known. */
const ABSENT = 3;
/** Nobody's id. */
const FREE = 4;
const USED = 8;
const LOADED = 16;
const EXPECTED = 32;
const EXPECTED_BY_ANY = EXPECTED | (EXPECTED << 1);
const MEMORY_BITS = 7;

/** Few enough that none is out of the processor's nearest caches again before it is touched. */
export const PREFETCH_KEYS = 128;

export class TableRows {
  /** Numbers of a row that may lie in the slab; 0: none does. */
  readonly width: number;
  readonly #addresses: AddressTable;
  readonly #slab: RowSlab;
  readonly #blank: readonly number[] | undefined;
  /** By id. */
  readonly #plain: unknown[] = [];
  #touched: number[] = [];
  #loaded: number[] = [];
  /** By id: the batch that has changed it last; 0: it is as an SST has it. */
  #changedBy = new Uint32Array(16);
  readonly #prefetched = new Int32Array(PREFETCH_KEYS);
  #size = 0;
  #plainSize = 0;

  /**
   * @param timed false: times are passed over, and are 0
   * @param blank how a row ends that has fewer numbers than `width`; `undefined`: it is plain data
   */
  constructor(width: number, timed: boolean, blank?: readonly number[]) {
    this.width = width;
    this.#blank = blank;
    this.#addresses = new AddressTable(timed);
    this.#slab = new RowSlab(width);
  }

  /** Rows that are there. */
  get size(): number {
    return this.#size;
  }

  /** Whether all rows lie in the slab. */
  get areNumbers(): boolean {
    return this.#plainSize === 0;
  }

  /** Ids are below this; free ones, too. */
  get ids(): number {
    return this.#addresses.ids;
  }

  /** @returns −1: there is no such address */
  find(keys: KeyColumn, i: number, time: number): number {
    return this.#addresses.find(keys, i, time);
  }

  /** Brings what touching keys `from` up to `to` will read into the processor's cache, most of it. At most {@link PREFETCH_KEYS}. */
  prefetch(keys: KeyColumn, from: number, to: number, time: number): void {
    this.#addresses.prefetch(keys, from, to, time, this.#prefetched);
    this.#slab.prefetch(this.#prefetched, to - from);
  }

  /** As {@link prefetch}, of rows that are touched, from a place on. */
  prefetchTouched(from: number): void {
    const ids = this.#prefetched;
    const count = Math.min(this.#touched.length - from, PREFETCH_KEYS);
    for (let i = 0; i < count; i++) ids[i] = this.#touched[from + i]!;
    this.#slab.prefetch(ids, count);
  }

  /** As {@link prefetch}, for who reads the rows of ids alone, and not their addresses. */
  prefetchRows(ids: Int32Array, from: number): void {
    const part = ids.subarray(from, from + PREFETCH_KEYS);
    this.#prefetched.set(part);
    this.#slab.prefetch(this.#prefetched, part.length);
  }

  /** As {@link prefetch}, for who reads the rows of ids, or releases them, from a position on. */
  prefetchIds(ids: Int32Array, from: number): void {
    const to = Math.min(ids.length, from + PREFETCH_KEYS);
    this.#addresses.prefetchIds(ids, from, to, this.#prefetched);
    this.#prefetched.set(ids.subarray(from, to));
    this.#slab.prefetch(this.#prefetched, to - from);
  }

  findText(key: string, time: number): number {
    return this.#addresses.findText(key, time);
  }

  /** The id of an address, a new one where there is none. */
  intern(keys: KeyColumn, i: number, time: number): number {
    const before = this.#addresses.size;
    const id = this.#addresses.intern(keys, i, time);
    if (this.#addresses.size > before) this.#begin(id);
    return id;
  }

  internText(key: string, time: number): number {
    const before = this.#addresses.size;
    const id = this.#addresses.internText(key, time);
    if (this.#addresses.size > before) this.#begin(id);
    return id;
  }

  /** Forgets address and row. Not while the present batch uses it. */
  release(id: number): void {
    this.#setKind(id, NO_ROW);
    this.#slab.setAbout(id, FREE);
    this.#addresses.release(id);
  }

  /** Forgets the row; its place stays. */
  empty(id: number): void {
    this.#setKind(id, NO_ROW);
    this.#slab.setAbout(id, this.#slab.about(id) & (LOADED | EXPECTED_BY_ANY));
    this.#changedBy[id] = 0;
  }

  time(id: number): number {
    return this.#addresses.time(id);
  }

  key(id: number): string {
    return this.#addresses.text(id);
  }

  /** Bytes of the key. */
  keyLength(id: number): number {
    return this.#addresses.keyLength(id);
  }

  has(id: number): boolean {
    return isRow(this.#kind(id));
  }

  /** Whether there is a row, or none for sure. */
  isKnown(id: number): boolean {
    return this.#kind(id) !== NO_ROW;
  }

  /** Whether it is known that there is no row. */
  isAbsent(id: number): boolean {
    return this.#kind(id) === ABSENT;
  }

  setAbsent(id: number): void {
    this.#setKind(id, ABSENT);
  }

  /** The batch that has changed the row last, or deleted it; 0: it is as an SST has it. */
  changedBy(id: number): number {
    return this.#changedBy[id]!;
  }

  setChangedBy(id: number, n: number): void {
    this.#changedBy[id] = n;
  }

  inSlab(id: number): boolean {
    return this.#kind(id) === IN_SLAB;
  }

  /** `undefined`: there is none. A row of numbers is a copy. */
  row(id: number): unknown {
    const kind = this.#kind(id);
    if (kind === IN_SLAB) return this.#slab.row(id);
    return kind === PLAIN ? this.#plain[id] : undefined;
  }

  /** Copies a row in the slab to index `at`. */
  copyTo(id: number, to: Float64Array, at: number): void {
    this.#slab.copyTo(id, to, at);
  }

  set(id: number, row: unknown): void {
    if (isNumbers(row, this.width)) {
      this.setNumbers(id, row, 0);
    } else if (this.#isShort(row)) {
      this.setNumbers(id, [...row, ...this.#blank!.slice(row.length)], 0);
    } else {
      this.#setKind(id, PLAIN);
      this.#plain[id] = row;
    }
  }

  /** As {@link set}, with the numbers from index `at`. */
  setNumbers(id: number, from: ArrayLike<number>, at: number): void {
    this.#slab.set(id, from, at);
    this.#setKind(id, IN_SLAB);
  }

  /** As {@link set}, with a packed row: `bytes[start]` up to `bytes[end]`, where there is none. */
  setPacked(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.width > 0 && this.#slab.unpack(id, bytes, start, end)) this.#setKind(id, IN_SLAB);
    else this.set(id, unpackValue(bytes.subarray(start, end)));
  }

  /** Adds the key, with a prefix, to a column. */
  pushKey(to: KeyColumn, prefix: Uint8Array, id: number): void {
    this.#addresses.pushKey(to, prefix, id);
  }

  /** Memory that the row is taken to need. */
  memory(id: number): number {
    return (this.#slab.about(id) >>> MEMORY_BITS) * 8;
  }

  /** What is known else stays. */
  setMemory(id: number, bytes: number): void {
    const known = this.#slab.about(id) & ((1 << MEMORY_BITS) - 1);
    this.#slab.setAbout(id, known | (Math.ceil(bytes / 8) << MEMORY_BITS));
  }

  /** The row was read. */
  setUsed(id: number): void {
    const about = this.#slab.about(id);
    if ((about & USED) === 0) this.#slab.setAbout(id, about | USED);
  }

  isUsed(id: number): boolean {
    return (this.#slab.about(id) & USED) !== 0;
  }

  /** Whether the row was used since this was asked. */
  takeUsed(id: number): boolean {
    const about = this.#slab.about(id);
    if ((about & USED) === 0) return false;
    this.#slab.setAbout(id, about & ~USED);
    return true;
  }

  /** Ids of rows and places with times in (after, upTo], by time, then key. */
  within(after: number, upTo: number): Int32Array {
    return this.#addresses.within(after, upTo);
  }

  /** As {@link within}, time by time, with their keys. */
  sorted(after: number, upTo: number): Iterable<SortedAddresses> {
    return this.#addresses.sorted(after, upTo);
  }

  /** As {@link within}, in no order of keys. */
  unsorted(after: number, upTo: number): Int32Array {
    return this.#addresses.unsorted(after, upTo);
  }

  /** Ids that the present batch touches. */
  get touched(): readonly number[] {
    return this.#touched;
  }

  /** Whether the present batch touches it. */
  isTouched(id: number): boolean {
    const place = this.place(id);
    return place >= 0 && place < this.#touched.length && this.#touched[place] === id;
  }

  /** Where an id that is touched stands in {@link touched}; anything for another. */
  place(id: number): number {
    return this.#slab.place(id);
  }

  /** @returns where it stands in {@link touched} */
  touch(id: number): number {
    if (this.isTouched(id)) return this.place(id);
    const place = this.#touched.push(id) - 1;
    this.#slab.setPlace(id, place);
    return place;
  }

  /** The present batch has asked for it. */
  setLoaded(id: number): void {
    const about = this.#slab.about(id);
    if ((about & LOADED) !== 0) return;
    this.#slab.setAbout(id, about | LOADED);
    this.#loaded.push(id);
  }

  /** Whether the present batch has asked for it. */
  isLoaded(id: number): boolean {
    return (this.#slab.about(id) & LOADED) !== 0;
  }

  /** Batch n, which is coming, will ask for it. @returns whether that was not known */
  setExpected(id: number, n: number): boolean {
    const about = this.#slab.about(id);
    const bit = expectedBy(n);
    this.#slab.setAbout(id, about | bit);
    return (about & bit) === 0;
  }

  endExpected(id: number, n: number): void {
    this.#slab.setAbout(id, this.#slab.about(id) & ~expectedBy(n));
  }

  isExpectedBy(id: number, n: number): boolean {
    return (this.#slab.about(id) & expectedBy(n)) !== 0;
  }

  /** Whether a batch that is coming will ask for it. */
  isExpected(id: number): boolean {
    return (this.#slab.about(id) & EXPECTED_BY_ANY) !== 0;
  }

  /** Whether the present batch has touched or loaded it, and may count on it. */
  isInUse(id: number): boolean {
    return this.isLoaded(id) || this.isTouched(id);
  }

  /** The batch is over. @param leave told each id that it has used and that has no row */
  endBatch(leave: (id: number) => void): void {
    const touched = this.#touched;
    const loaded = this.#loaded;
    this.#touched = [];
    this.#loaded = [];
    for (const id of loaded) this.#slab.setAbout(id, this.#slab.about(id) & ~LOADED);
    for (const ids of [touched, loaded]) {
      for (const id of ids) {
        const kind = this.#kind(id);
        if (kind === NO_ROW || kind === ABSENT) leave(id);
      }
    }
  }

  /** Whether it is from before rows had so many numbers. */
  #isShort(row: unknown): row is number[] {
    return this.#blank !== undefined && Array.isArray(row) && row.length < this.width && isNumbers(row, row.length);
  }

  #kind(id: number): number {
    return this.#slab.about(id) & KIND;
  }

  #setKind(id: number, kind: number): void {
    const about = this.#slab.about(id);
    const before = about & KIND;
    if (before === kind) return;
    if (before === PLAIN) this.#dropPlain(id);
    if (kind === PLAIN) this.#plainSize++;
    this.#size += Number(isRow(kind)) - Number(isRow(before));
    this.#slab.setAbout(id, (about & ~KIND) | kind);
  }

  #dropPlain(id: number): void {
    this.#plain[id] = undefined;
    this.#plainSize--;
  }

  /** A new address. */
  #begin(id: number): void {
    this.#slab.reserve(id);
    this.#slab.setPlace(id, -1);
    this.#slab.setAbout(id, NO_ROW);
    if (id >= this.#changedBy.length) this.#changedBy = grown(this.#changedBy, new Uint32Array(2 * id));
    this.#changedBy[id] = 0;
  }
}

function expectedBy(n: number): number {
  return n % 2 === 0 ? EXPECTED : EXPECTED << 1;
}

function isRow(kind: number): boolean {
  return kind === IN_SLAB || kind === PLAIN;
}

/** Whether a row is just so many numbers, none of them `NaN`, which would not come back as it was. */
export function isNumbers(row: unknown, width: number): row is number[] {
  if (width === 0 || !Array.isArray(row) || row.length !== width) return false;
  for (let i = 0; i < width; i++) if (typeof row[i] !== 'number' || Number.isNaN(row[i])) return false;
  return true;
}
