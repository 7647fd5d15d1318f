/**
 * The local tier: blocks of SSTs, their indexes and filters, in LMDB under a directory of this environment alone. It is a cache of
 * immutable objects and never the truth: budgeted in bytes, what was not read for longest out first, and wiped when in doubt. Once it is
 * full, a block takes another's place when it is read a second time of late.
 *
 * LMDB's keys are numbers of slots. What lies in a slot stands at the head of its value, with a checksum over both, so that opening the
 * cache finds out what is there, and a value that is not what was put is noticed at its first read: the cache outlives a process that is
 * killed. Names of SSTs, by the numbers that heads use, are values as well. A slot whose SST has no name is free.
 */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { MisaError } from '../errors.ts';
import { readU32 } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import { hashText } from '../util/hash.ts';
import { bootOf, findKept, keep } from './cache-file.ts';
import { CacheSlots, type Worth } from './cache-slots.ts';
import { Doorkeeper } from './doorkeeper.ts';
import { type FoundValues, HEAD_WORDS, PAGE_BYTES, PAGE_HEAD_BYTES } from './lmdb-file.ts';

/** Which part of an SST: a block by number, its index, its filter, or (`meta`) both with the footer. */
export type Part = number | 'index' | 'filter' | 'meta';

/** What the cache has of one SST. Held by who reads the SST: it saves looking for the name each time. */
export interface CachedSst {
  readonly id: string;
  has(part: Part): boolean;
  /** The bytes that were put, or `undefined`. A view, valid until the next call on the cache. */
  get(part: Part): Uint8Array | undefined;
  /** Forgets a part that turned out to be damaged. */
  drop(part: Part): void;
}

export interface CachedPart {
  readonly sst: CachedSst;
  readonly part: Part;
  readonly bytes: Uint8Array;
}

export interface BlockCache {
  /** What there is of that SST, now and later. */
  sst(id: string): CachedSst;
  /**
   * Takes the parts in one transaction; those that are here already, too large, or not worth another's room, are left out, and errors only
   * lose the cache.
   * @param worth `read`: a block takes another's room only if it was turned away lately; `preloaded`: only what was not read lately makes room
   */
  put(parts: readonly CachedPart[], worth?: Worth): void;
  /**
   * Whether a block that was looked into would be taken, as things are: who asks and hears that it would not need not bring it. Asking counts
   * as turning it away.
   * @param bytes about how many it has
   */
  wants(sst: CachedSst, block: number, bytes: number): boolean;
  /** No manifest names that SST any more: its room is free. */
  forget(id: string): void;
  /** Of the file, for the parts that are here. */
  readonly bytes: number;
  close(): Promise<void>;
}

type OnTrouble = (what: string, error: unknown) => void;
type Database = RootDatabase<Buffer, number>;

const DATA = 'blocks.mdb';
const MARK = 'kept';

/** At the head of each value: magic with version, CRC-32 of all that follows, number of the SST, part. */
const HEAD_BYTES = 4 * HEAD_WORDS;
const MAGIC = 0x3142_4c4d; // 'MLB1'
/** Key of the name of SST number n: this plus n. Slots are below. */
const NAMES = 0x8000_0000;
/** In place of a part in the head of a name. */
const NAME_PART = 0xffff_ffff;

/** A number of a part beyond this is damage: SSTs have less. */
const MAX_PARTS = 2 ** 24;

/** In one transaction: an SST that is forgotten may have thousands of slots, and a batch may wait. */
const MOST_REMOVED = 256;

const OTHER_PARTS = { meta: 0, index: 1, filter: 2 } as const;
const FIRST_BLOCK = 3;

function numberOf(part: Part): number {
  return typeof part === 'number' ? part + FIRST_BLOCK : OTHER_PARTS[part];
}

class SstSlots implements CachedSst {
  readonly id: string;
  readonly hash: number;
  /** What the heads of its parts call it; 0: it has no name in the file. */
  number = 0;
  readonly #cache: LmdbBlockCache;
  /** Slot + 1 by number of the part. */
  #slots = new Int32Array(0);

  constructor(cache: LmdbBlockCache, id: string) {
    this.#cache = cache;
    this.id = id;
    this.hash = hashText(id);
  }

  has(part: Part): boolean {
    return this.slotOf(numberOf(part)) >= 0;
  }

  get(part: Part): Uint8Array | undefined {
    const number = numberOf(part);
    const slot = this.slotOf(number);
    return slot < 0 ? undefined : this.#cache.read(this, number, slot);
  }

  drop(part: Part): void {
    const slot = this.slotOf(numberOf(part));
    if (slot >= 0) this.#cache.release(slot);
  }

  slotOf(part: number): number {
    return part < this.#slots.length ? this.#slots[part]! - 1 : -1;
  }

  /** @param slot -1: it is not here */
  setSlot(part: number, slot: number): void {
    if (part >= this.#slots.length) {
      const grown = new Int32Array(Math.max(part + 1, Math.ceil(this.#slots.length * 1.5)));
      grown.set(this.#slots);
      this.#slots = grown;
    }
    this.#slots[part] = slot + 1;
  }

  *slots(): Generator<number> {
    for (const next of this.#slots) if (next > 0) yield next - 1;
  }
}

export class LmdbBlockCache implements BlockCache {
  readonly #mark: string;
  readonly #budgetBytes: number;
  readonly #db: Database;
  readonly #onTrouble: OnTrouble | undefined;
  readonly #slots = new CacheSlots();
  readonly #doorkeeper: Doorkeeper;
  readonly #byId = new Map<string, SstSlots>();
  /** Those that have a name in the file. */
  readonly #byNumber = new Map<number, SstSlots>();
  #lastNumber = 0;
  /** Slots of which something may be in the file that is not there any more. */
  readonly #stale: number[] = [];
  /** Numbers whose names leave the file with the next transaction. */
  #nameless: number[] = [];
  #closed = false;
  /** The file cannot be used: everything is read from the object store. */
  #failed = false;

  private constructor(directory: string, budgetBytes: number, onTrouble: OnTrouble | undefined) {
    this.#mark = path.join(directory, MARK);
    this.#budgetBytes = budgetBytes;
    this.#onTrouble = onTrouble;
    this.#doorkeeper = new Doorkeeper(Math.floor(budgetBytes / PAGE_BYTES));
    this.#db = openDatabase(directory, budgetBytes);
  }

  /**
   * Opens the cache, empty if what is there cannot be trusted.
   * @param directory of this environment alone; not on a network file system
   * @param onTrouble told when the file turned out to be unusable, once: after that the cache is empty and stays so
   * @throws {MisaError} `CACHE_UNUSABLE`: the directory cannot be written
   */
  static open(directory: string, budgetBytes: number, onTrouble?: OnTrouble, boot = bootOf()): LmdbBlockCache {
    const data = path.join(directory, DATA);
    const mark = path.join(directory, MARK);
    try {
      const found = findKept(data, mark, boot, mapBytes(budgetBytes));
      if (found === undefined) rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory, { recursive: true });
      // Of LMDB, about the processes that use the file: there is none.
      rmSync(`${data}-lock`, { force: true });
      const cache = new LmdbBlockCache(directory, budgetBytes, onTrouble);
      if (found === undefined) keep(data, mark, boot);
      else cache.#restore(found);
      return cache;
    } catch (error) {
      throw new MisaError(
        'CACHE_UNUSABLE',
        `the block cache in ${directory} cannot be opened (${(error as Error).message}). Make the directory writable, or delete it: it is rebuilt.`,
        { cause: error },
      );
    }
  }

  get bytes(): number {
    return this.#slots.pagesTaken * PAGE_BYTES;
  }

  sst(id: string): CachedSst {
    return this.#sst(id);
  }

  put(parts: readonly CachedPart[], worth: Worth = 'read'): void {
    if (this.#closed || this.#failed) return;
    const admitted = worth === 'read' ? this.#admitted(parts) : parts;
    if (admitted.length === 0) return;
    this.#write(() => {
      for (const { sst, part, bytes } of admitted) this.#put(this.#sst(sst.id), numberOf(part), bytes, worth);
      this.#removeStale();
    });
  }

  wants({ id }: CachedSst, block: number, bytes: number): boolean {
    if (this.#closed || this.#failed) return false;
    const pages = pagesOf(HEAD_BYTES + bytes);
    if (this.bytes + pages * PAGE_BYTES <= this.#budgetBytes) return true;
    return this.#doorkeeper.letsIn(this.#sst(id).hash, block);
  }

  forget(id: string): void {
    const sst = this.#byId.get(id);
    if (sst === undefined) return;
    for (const slot of sst.slots()) this.release(slot);
    this.#byId.delete(id);
    if (sst.number === 0) return;
    this.#byNumber.delete(sst.number);
    this.#nameless.push(sst.number);
    sst.number = 0;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#db.close();
  }

  /** The part in that slot, as a view of LMDB's buffer; `undefined`, and gone, if it is not what was put. */
  read(sst: SstSlots, part: number, slot: number): Uint8Array | undefined {
    if (this.#closed) return undefined;
    const value = this.#value(slot);
    const isRight =
      value !== undefined &&
      value.length > HEAD_BYTES &&
      readU32(value, 8) === sst.number &&
      readU32(value, 12) === part &&
      (!this.#slots.isUnchecked(slot) || isSound(value));
    if (!isRight) {
      // Unless the whole file has failed, and nothing is in any slot.
      if (!this.#failed) this.release(slot);
      return undefined;
    }
    this.#slots.touch(slot);
    // Not a subarray of it: the buffer that LMDB copies to is longer than it says.
    return new Uint8Array(value.buffer, value.byteOffset + HEAD_BYTES, value.length - HEAD_BYTES);
  }

  /** Nothing is in that slot any more. */
  release(slot: number): void {
    this.#byNumber.get(this.#slots.sstOf(slot))?.setSlot(this.#slots.partOf(slot), -1);
    this.#slots.release(slot);
    this.#stale.push(slot);
  }

  #sst(id: string): SstSlots {
    let sst = this.#byId.get(id);
    if (sst === undefined) {
      sst = new SstSlots(this, id);
      this.#byId.set(id, sst);
    }
    return sst;
  }

  /** Those for which there is room, and those for which some should be made. */
  #admitted(parts: readonly CachedPart[]): CachedPart[] {
    let room = this.#budgetBytes - this.bytes;
    return parts.filter(({ sst: { id }, part, bytes }) => {
      const sst = this.#sst(id);
      if (sst.has(part)) return false;
      room -= pagesOf(HEAD_BYTES + bytes.length) * PAGE_BYTES;
      return room >= 0 || typeof part !== 'number' || this.#doorkeeper.letsIn(sst.hash, part);
    });
  }

  /** Within a transaction. */
  #put(sst: SstSlots, part: number, bytes: Uint8Array, worth: Worth): void {
    const pages = pagesOf(HEAD_BYTES + bytes.length);
    if (sst.slotOf(part) >= 0 || pages * PAGE_BYTES * 4 > this.#budgetBytes) return;
    while ((this.#slots.pagesTaken + pages) * PAGE_BYTES > this.#budgetBytes) {
      const leaving = this.#slots.leaving(worth);
      if (leaving < 0) return;
      this.release(leaving);
    }
    if (sst.number === 0) this.#name(sst);
    const value = headed(sst.number, part, bytes);
    const slot = this.#slots.take(sst.number, part, pages);
    this.#db.putSync(slot, value);
    sst.setSlot(part, slot);
  }

  /** Within a transaction: so that the file keeps to the budget, and the next process finds nothing that has left. */
  #removeStale(): void {
    for (const number of this.#nameless) this.#db.removeSync(NAMES + number);
    this.#nameless = [];
    for (let left = MOST_REMOVED; left > 0 && this.#stale.length > 0; left--) {
      const slot = this.#stale.pop()!;
      if (!this.#slots.isTaken(slot)) this.#db.removeSync(slot);
    }
  }

  #name(sst: SstSlots): void {
    sst.number = ++this.#lastNumber;
    this.#byNumber.set(sst.number, sst);
    this.#db.putSync(NAMES + sst.number, headed(sst.number, NAME_PART, Buffer.from(sst.id, 'latin1')));
  }

  /** Takes over what an earlier process put. */
  #restore({ keys, lengths, heads }: FoundValues): void {
    for (const key of keys) if (key >= NAMES) this.#restoreName(key - NAMES);
    const mostSlots = mapBytes(this.#budgetBytes) / PAGE_BYTES;
    for (const [i, slot] of keys.entries()) {
      const number = heads[i * HEAD_WORDS + 2]!;
      // One that has no name any more, either: a part that still says so must not become another SST's.
      if (number < NAMES) this.#lastNumber = Math.max(this.#lastNumber, number);
      const sst = this.#byNumber.get(number);
      const part = heads[i * HEAD_WORDS + 3]!;
      if (slot >= mostSlots || sst === undefined || part >= MAX_PARTS || sst.slotOf(part) >= 0) {
        if (slot < mostSlots) this.#stale.push(slot);
        continue;
      }
      this.#slots.restore(slot, sst.number, part, pagesOf(lengths[i]!));
      sst.setSlot(part, slot);
    }
    for (const sst of [...this.#byNumber.values()]) if (sst.slots().next().done === true) this.forget(sst.id);
  }

  #restoreName(number: number): void {
    const value = this.#value(NAMES + number);
    if (value === undefined || !isSound(value) || readU32(value, 8) !== number) return;
    const sst = this.#sst(
      Buffer.from(value.buffer, value.byteOffset + HEAD_BYTES, value.length - HEAD_BYTES).toString('latin1'),
    );
    sst.number = number;
    this.#byNumber.set(number, sst);
  }

  #value(key: number): Buffer | undefined {
    try {
      return this.#db.getBinaryFast(key);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #write(change: () => void): void {
    try {
      this.#db.transactionSync(change);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A full disk or map, or a damaged file: nothing is read from it or put there from now on, by the next process neither. */
  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    for (const id of [...this.#byId.keys()]) this.forget(id);
    rmSync(this.#mark, { force: true });
    this.#onTrouble?.('the local cache cannot be used: state is read from the object store', error);
  }
}

function openDatabase(directory: string, budgetBytes: number): Database {
  return open<Buffer, number>({
    path: path.join(directory, DATA),
    encoding: 'binary',
    keyEncoding: 'uint32',
    noSubdir: true,
    pageSize: PAGE_BYTES,
    mapSize: mapBytes(budgetBytes),
    // Losing the cache in a crash of the machine costs time, not data; waiting for the disk would cost time always.
    noSync: true,
    overlappingSync: false,
  });
}

/** Twice the budget: LMDB frees pages of a transaction only after it. */
function mapBytes(budgetBytes: number): number {
  return Math.max(2 * budgetBytes, 16 << 20);
}

function pagesOf(valueBytes: number): number {
  return Math.ceil((valueBytes + PAGE_HEAD_BYTES) / PAGE_BYTES);
}

/** LMDB copies what it is given: one buffer does for all but the largest values. */
const scratch = Buffer.allocUnsafeSlow(2 * PAGE_BYTES);

/** A value, until the next one is made. */
function headed(sst: number, part: number, bytes: Uint8Array): Buffer {
  const length = HEAD_BYTES + bytes.length;
  const value = length <= scratch.length ? scratch.subarray(0, length) : Buffer.allocUnsafe(length);
  value.writeUInt32LE(MAGIC, 0);
  value.writeUInt32LE(sst, 8);
  value.writeUInt32LE(part, 12);
  value.set(bytes, HEAD_BYTES);
  value.writeUInt32LE(crc32(value.subarray(8)), 4);
  return value;
}

function isSound(value: Uint8Array): boolean {
  return (
    readU32(value, 0) === MAGIC &&
    readU32(value, 4) === crc32(new Uint8Array(value.buffer, value.byteOffset + 8, value.length - 8))
  );
}
