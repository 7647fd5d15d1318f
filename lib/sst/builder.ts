/**
 * Builds an SST in memory from entries in strictly ascending order. A block is closed before it would grow over `blockBytes`, so a
 * value larger than that has a block to itself. The same entries and settings give the same bytes (lz4: with the
 * same library), which is why a lost PUT may be repeated.
 */
import { columnOf } from '../columns/key-column.ts';
import { MisaError } from '../errors.ts';
import { grown } from '../util/arrays.ts';
import { bloomBytes, buildBloom } from '../util/bloom.ts';
import { asBuffer, ByteWriter } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import { finishHash, HASH_SEED, hashByte } from '../util/hash.ts';
import { type Compression, sealBlock } from './compression.ts';
import type { Key, SstInfo } from './entry.ts';
import {
  FILTER_TRAILER_BYTES,
  FOOTER_BYTES,
  MAGIC,
  MAX_BLOCK_BYTES,
  MAX_SST_BYTES,
  RESTART_BYTES,
  VERSION,
} from './format.ts';

export interface SstOptions {
  /** The object's name in the manifest; not stored in the file. */
  readonly id: string;
  /** Uncompressed bytes of a block at most, but for one that holds a single larger entry. */
  readonly blockBytes?: number;
  readonly compression?: Compression;
  /** Of the bloom filter; 0: no filter. */
  readonly bitsPerKey?: number;
  /** Every so many entries of a block one holds its whole key. */
  readonly restartInterval?: number;
}

/** With the 16 bytes that a cache may put before it, a block fits one overflow page of LMDB (4,096 bytes, of which 16 are LMDB's). */
export const BLOCK_BYTES = 4040;

const RESTART_INTERVAL = 16;
const MAX_VARINT_BYTES = 5;
/** Room for a file to begin with. */
const FIRST_BYTES = 64 << 10;

export interface BuiltSst {
  readonly info: SstInfo;
  /** The object to create. */
  readonly body: Uint8Array;
}

export class SstBuilder {
  readonly #id: string;
  readonly #blockBytes: number;
  readonly #compression: Compression;
  readonly #bitsPerKey: number;
  readonly #restartInterval: number;

  /** The file so far. */
  readonly #file: ByteWriter;
  readonly #block: ByteWriter;
  /** Restart points of the block at work, but the first, which is 0. */
  readonly #restarts: number[] = [];
  #inBlock = 0;

  readonly #index = new ByteWriter();
  readonly #separator = new ByteWriter(64);
  /** How many bytes the separator of the block at work shares with the one before. */
  #separatorShared = 0;
  #blocks = 0;

  #hashes = new Uint32Array(1024);
  #entries = 0;
  #tombstones = 0;
  #minKey: Key = '';
  #last: Buffer = Buffer.allocUnsafeSlow(64);
  #lastLength = 0;

  /** @throws {RangeError} blocks of more than 64 KiB */
  constructor(options: SstOptions) {
    this.#id = options.id;
    this.#blockBytes = options.blockBytes ?? BLOCK_BYTES;
    if (this.#blockBytes > MAX_BLOCK_BYTES) throw new RangeError(`blocks of ${this.#blockBytes} bytes`);
    this.#compression = options.compression ?? 'lz4';
    this.#bitsPerKey = options.bitsPerKey ?? 10;
    this.#restartInterval = options.restartInterval ?? RESTART_INTERVAL;
    this.#block = new ByteWriter(this.#blockBytes + 1024);
    this.#file = new ByteWriter(FIRST_BYTES);
    this.#file.u32(MAGIC);
    this.#file.u32(VERSION);
  }

  /** Entries so far, tombstones included. */
  get entries(): number {
    return this.#entries;
  }

  /** The file's size in bytes if it were finished now: exact but for the block at work. */
  get bytes(): number {
    return (
      this.#file.length +
      this.#block.length +
      this.#index.length +
      bloomBytes(this.#entries, this.#bitsPerKey) +
      FILTER_TRAILER_BYTES +
      FOOTER_BYTES
    );
  }

  /** The key last added is its beginning. */
  get lastKey(): Uint8Array {
    return this.#last;
  }

  /** Adds an entry; `null` is a tombstone. As {@link addBytes}. @throws {RangeError} a char code is above 255 */
  add(key: Key, value: Uint8Array | null): void {
    const keys = columnOf(key);
    this.addBytes(keys.bytes, 0, key.length, value, 0, value === null ? 0 : value.length);
  }

  /**
   * Adds the entry of the key `keys[start]` up to `keys[end]` and of a value likewise; `null` is a tombstone. Both are copied.
   * @throws {MisaError} `SST_KEY`: the key is not greater than the one before
   */
  addBytes(
    keys: Uint8Array,
    start: number,
    end: number,
    value: Uint8Array | null,
    valueStart: number,
    valueEnd: number,
  ): void {
    const length = end - start;
    const shared = this.#takeKey(keys, start, length);
    const valueLength = value === null ? 0 : valueEnd - valueStart;
    const kept = this.#placeFor(shared, length, valueLength);
    if (this.#inBlock === 0) this.#beginBlock(keys, start, shared);
    const block = this.#block;
    const bytes = block.room(3 * MAX_VARINT_BYTES + length + valueLength);
    let at = putVarint(bytes, block.length, kept);
    at = putVarint(bytes, at, length - kept);
    at = putVarint(bytes, at, value === null ? 0 : valueLength + 1);
    at = put(bytes, at, keys, start + kept, end);
    if (value === null) this.#tombstones++;
    else at = put(bytes, at, value, valueStart, valueEnd);
    block.advance(at);
    this.#inBlock++;
  }

  /**
   * The finished file. The builder is used up.
   * @throws {MisaError} `SST_EMPTY` if nothing was added, `SST_SIZE` above 4 GiB
   */
  finish(): BuiltSst {
    if (this.#entries === 0) throw new MisaError('SST_EMPTY', `SST ${this.#id} would hold no entries`);
    if (this.#inBlock > 0) this.#closeBlock();
    const maxKey = this.#last.toString('latin1', 0, this.#lastLength);
    const file = this.#file;
    const metaOffset = file.length;
    const filter = buildBloom(this.#hashes.subarray(0, this.#entries), this.#bitsPerKey);
    file.bytes(filter);
    file.u32(crc32(filter));
    const indexOffset = file.length;
    file.bytes(this.#finishIndex(maxKey, metaOffset, indexOffset));
    const size = file.length;
    if (size > MAX_SST_BYTES) throw new MisaError('SST_SIZE', `SST ${this.#id} would hold ${size} bytes, over 4 GiB`);
    return {
      info: {
        id: this.#id,
        size,
        metaOffset,
        indexOffset,
        entries: this.#entries,
        tombstones: this.#tombstones,
        minKey: this.#minKey,
        maxKey,
      },
      body: file.view(),
    };
  }

  /**
   * The key becomes the last one; its hash goes into the filter.
   * @returns how many bytes it has in common with the one before @throws {MisaError} it is not greater
   */
  #takeKey(keys: Uint8Array, start: number, length: number): number {
    if (length > this.#last.length) this.#last = grown(this.#last, Buffer.allocUnsafeSlow(2 * length));
    if (this.#entries === this.#hashes.length) {
      this.#hashes = grown(this.#hashes, new Uint32Array(2 * this.#entries));
    }
    const last = this.#last;
    const limit = Math.min(length, this.#lastLength);
    let hash = HASH_SEED;
    let shared = 0;
    for (; shared < limit; shared++) {
      const byte = keys[start + shared]!;
      if (byte !== last[shared]) break;
      hash = hashByte(hash, byte);
    }
    if (this.#entries === 0) this.#minKey = textOf(keys, start, start + length);
    else if (shared === length || (shared < limit && keys[start + shared]! < last[shared]!)) {
      const [key, before] = [textOf(keys, start, start + length), textOf(last, 0, this.#lastLength)];
      throw new MisaError('SST_KEY', `keys must ascend: ${quoted(key)} came after ${quoted(before)}`);
    }
    for (let i = shared; i < length; i++) {
      const byte = keys[start + i]!;
      last[i] = byte;
      hash = hashByte(hash, byte);
    }
    this.#lastLength = length;
    this.#hashes[this.#entries++] = finishHash(hash);
    return shared;
  }

  /**
   * Makes room for an entry in the block at work, or in a new one.
   * @returns how many bytes of its key are left out, since the entry before it has them
   */
  #placeFor(shared: number, length: number, valueLength: number): number {
    const inBlock = this.#inBlock;
    if (inBlock === 0) return 0;
    const restarts = inBlock % this.#restartInterval === 0;
    const kept = restarts ? 0 : shared;
    const restartBytes = RESTART_BYTES * (this.#restarts.length + (restarts ? 2 : 1));
    const { length: before } = this.#block;
    const most = before + 3 * MAX_VARINT_BYTES + length - kept + valueLength + restartBytes;
    // The exact number only where it matters.
    if (most > this.#blockBytes) {
      const varints = bytesOf(kept) + bytesOf(length - kept) + bytesOf(valueLength + 1);
      if (most - 3 * MAX_VARINT_BYTES + varints > this.#blockBytes) {
        this.#closeBlock();
        return 0;
      }
    }
    if (restarts) this.#restarts.push(before);
    return kept;
  }

  /** The separator of a block: as much of its first key as is greater than the key before. */
  #beginBlock(keys: Uint8Array, start: number, shared: number): void {
    const length = this.#blocks === 0 ? 0 : shared + 1;
    const separator = this.#separator;
    const before = separator.view();
    const limit = Math.min(length, before.length);
    let same = 0;
    while (same < limit && before[same] === keys[start + same]) same++;
    this.#separatorShared = same;
    separator.reset();
    separator.copy(keys, start, start + length);
  }

  #closeBlock(): void {
    const block = this.#block;
    for (const restart of this.#restarts) block.u16(restart);
    block.u16(this.#restarts.length);
    const stored = sealBlock(this.#file, block.view(), this.#compression);

    const shared = this.#separatorShared;
    const separator = this.#separator.view();
    this.#index.varint(stored);
    this.#index.varint(shared);
    this.#index.varint(separator.length - shared);
    this.#index.copy(separator, shared, separator.length);
    this.#blocks++;
    this.#restarts.length = 0;
    this.#inBlock = 0;
    block.reset();
  }

  /** Index and footer, one after the other. */
  #finishIndex(maxKey: Key, metaOffset: number, indexOffset: number): Uint8Array {
    const index = this.#index;
    for (const key of [this.#minKey, maxKey]) {
      index.varint(key.length);
      index.latin1(key);
    }
    for (const field of [this.#blocks, this.#entries, this.#tombstones, metaOffset, indexOffset]) index.u32(field);
    index.u32(MAGIC);
    index.u32(VERSION);
    index.u32(crc32(index.view()));
    return index.view();
  }
}

/** Bytes of a varint. */
function bytesOf(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

/** @returns where it ends */
function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest > 127) {
    bytes[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  bytes[at] = rest;
  return at + 1;
}

/** @returns where it ends */
function put(bytes: Uint8Array, at: number, from: Uint8Array, start: number, end: number): number {
  const length = end - start;
  // A call into native code takes longer than this for a short one.
  if (length > 64) bytes.set(from.subarray(start, end), at);
  else for (let i = 0; i < length; i++) bytes[at + i] = from[start + i]!;
  return at + length;
}

function textOf(bytes: Uint8Array, start: number, end: number): Key {
  return asBuffer(bytes).toString('latin1', start, end);
}

function quoted(key: Key): string {
  return JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
}
