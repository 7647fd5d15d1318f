/**
 * Builds an SST in memory from entries in strictly ascending order. A block is closed before it would grow over `blockBytes`, so a
 * value larger than that has a block to itself. The same entries and settings give the same bytes (lz4: with the
 * same library), which is why a lost PUT may be repeated.
 */
import { columnOf } from '../columns/key-column.ts';
import { MisaError } from '../errors.ts';
import { grown } from '../util/arrays.ts';
import { bloomBytes, buildBloom } from '../util/bloom.ts';
import { ByteWriter } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import { finishHash, HASH_SEED, hashByte } from '../util/hash.ts';
import { type Compression, sealBlock } from './compression.ts';
import type { Key, SstInfo } from './entry.ts';
import {
  FILTER_TRAILER_BYTES,
  FOOTER_BYTES,
  HEADER_BYTES,
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

  readonly #stored: Uint8Array[] = [];
  #storedBytes = HEADER_BYTES;
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
    const header = new ByteWriter(HEADER_BYTES);
    header.u32(MAGIC);
    header.u32(VERSION);
    this.#stored.push(header.view());
  }

  /** Entries so far, tombstones included. */
  get entries(): number {
    return this.#entries;
  }

  /** The file's size in bytes if it were finished now: exact but for the block at work. */
  get bytes(): number {
    return (
      this.#storedBytes +
      this.#block.length +
      this.#index.length +
      bloomBytes(this.#entries, this.#bitsPerKey) +
      FILTER_TRAILER_BYTES +
      FOOTER_BYTES
    );
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
    const shared = this.#sharedWithLast(keys, start, length);
    const tag = value === null ? 0 : valueEnd - valueStart + 1;
    const block = this.#block;
    const restarts = this.#inBlock % this.#restartInterval === 0;
    const kept = restarts ? 0 : shared;
    const more = bytesOf(kept) + bytesOf(length - kept) + bytesOf(tag) + length - kept + (tag === 0 ? 0 : tag - 1);
    const restartBytes = RESTART_BYTES * (this.#restarts.length + (restarts && this.#inBlock > 0 ? 2 : 1));
    if (this.#inBlock > 0 && block.length + more + restartBytes > this.#blockBytes) this.#closeBlock();

    if (this.#inBlock === 0) this.#beginBlock(keys, start, shared);
    else if (restarts) this.#restarts.push(block.length);
    const from = this.#inBlock === 0 ? 0 : kept;
    block.varint(from);
    block.varint(length - from);
    block.varint(tag);
    block.copy(keys, start + from, end);
    if (value === null) this.#tombstones++;
    else block.copy(value, valueStart, valueEnd);

    this.#inBlock++;
    this.#keepKey(keys, start, length, shared);
  }

  /**
   * The finished file. The builder is used up.
   * @throws {MisaError} `SST_EMPTY` if nothing was added, `SST_SIZE` above 4 GiB
   */
  finish(): BuiltSst {
    if (this.#entries === 0) throw new MisaError('SST_EMPTY', `SST ${this.#id} would hold no entries`);
    if (this.#inBlock > 0) this.#closeBlock();
    const maxKey = this.#last.toString('latin1', 0, this.#lastLength);
    const metaOffset = this.#storedBytes;
    const filter = this.#filter();
    const indexOffset = metaOffset + filter.length;
    const index = this.#finishIndex(maxKey, metaOffset, indexOffset);
    const size = indexOffset + index.length;
    if (size > MAX_SST_BYTES) throw new MisaError('SST_SIZE', `SST ${this.#id} would hold ${size} bytes, over 4 GiB`);
    this.#stored.push(filter, index);
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
      body: Buffer.concat(this.#stored, size),
    };
  }

  /** How many bytes a key has in common with the last one. @throws {MisaError} it is not greater */
  #sharedWithLast(keys: Uint8Array, start: number, length: number): number {
    const last = this.#last;
    const lastLength = this.#lastLength;
    const limit = Math.min(length, lastLength);
    let shared = 0;
    while (shared < limit && last[shared] === keys[start + shared]) shared++;
    if (this.#entries === 0) this.#minKey = Buffer.from(keys.subarray(start, start + length)).toString('latin1');
    else if (shared === length || (shared < lastLength && keys[start + shared]! < last[shared]!)) {
      const quoted = (bytes: Uint8Array): string => JSON.stringify(Buffer.from(bytes).toString('latin1', 0, 80));
      const key = quoted(keys.subarray(start, start + length));
      throw new MisaError('SST_KEY', `keys must ascend: ${key} came after ${quoted(last.subarray(0, lastLength))}`);
    }
    return shared;
  }

  /** The key becomes the last one; its hash goes into the filter. */
  #keepKey(keys: Uint8Array, start: number, length: number, shared: number): void {
    if (length > this.#last.length) this.#last = grown(this.#last, Buffer.allocUnsafeSlow(2 * length));
    const last = this.#last;
    let hash = HASH_SEED;
    for (let i = 0; i < shared; i++) hash = hashByte(hash, last[i]!);
    for (let i = shared; i < length; i++) {
      const byte = keys[start + i]!;
      last[i] = byte;
      hash = hashByte(hash, byte);
    }
    this.#lastLength = length;
    if (this.#entries === this.#hashes.length) {
      this.#hashes = grown(this.#hashes, new Uint32Array(2 * this.#entries));
    }
    this.#hashes[this.#entries++] = finishHash(hash);
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
    const stored = sealBlock(block.view(), this.#compression);
    this.#stored.push(stored);
    this.#storedBytes += stored.length;

    const shared = this.#separatorShared;
    const separator = this.#separator.view();
    this.#index.varint(stored.length);
    this.#index.varint(shared);
    this.#index.varint(separator.length - shared);
    this.#index.copy(separator, shared, separator.length);
    this.#blocks++;
    this.#restarts.length = 0;
    this.#inBlock = 0;
    block.reset();
  }

  #filter(): Uint8Array {
    const lines = buildBloom(this.#hashes.subarray(0, this.#entries), this.#bitsPerKey);
    const filter = new ByteWriter(lines.length + FILTER_TRAILER_BYTES);
    filter.bytes(lines);
    filter.u32(crc32(lines));
    return filter.view();
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
