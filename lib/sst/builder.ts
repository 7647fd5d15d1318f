/**
 * Builds an SST in memory from entries in strictly ascending order. A block is closed when it reaches `blockBytes`, so a
 * value larger than that has a block nearly to itself. The same entries and settings give the same bytes (lz4: with the
 * same library), which is why a lost PUT may be repeated.
 */
import { MisaError } from '../errors.ts';
import { bloomBytes, buildBloom, hashKey } from '../util/bloom.ts';
import { ByteWriter, sharedPrefix } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import { type Compression, sealBlock } from './compression.ts';
import type { Key, SstInfo } from './entry.ts';
import { FOOTER_BYTES, HEADER_BYTES, MAGIC, MAX_SST_BYTES, RESTART_INTERVAL, VERSION } from './format.ts';

export interface SstOptions {
  /** The object's name in the manifest; not stored in the file. */
  readonly id: string;
  /** Uncompressed bytes at which a block is closed. */
  readonly blockBytes?: number;
  readonly compression?: Compression;
  /** Of the bloom filter; 0: no filter. */
  readonly bitsPerKey?: number;
}

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

  readonly #stored: Uint8Array[] = [];
  #storedBytes = HEADER_BYTES;
  readonly #block: ByteWriter;
  #restarts: number[] = [];
  #inBlock = 0;

  readonly #index = new ByteWriter();
  #separator: Key = '';
  #blocks = 0;

  #hashes = new Float64Array(1024);
  #entries = 0;
  #tombstones = 0;
  #minKey: Key = '';
  #lastKey: Key = '';

  constructor(options: SstOptions) {
    this.#id = options.id;
    this.#blockBytes = options.blockBytes ?? 16384;
    this.#compression = options.compression ?? 'lz4';
    this.#bitsPerKey = options.bitsPerKey ?? 10;
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
      FOOTER_BYTES
    );
  }

  /**
   * Adds an entry; `null` is a tombstone. The value is copied.
   * @throws MisaError SST_KEY if the key is not greater than the one before @throws RangeError a char code is above 255
   */
  add(key: Key, value: Uint8Array | null): void {
    const last = this.#lastKey;
    const shared = this.#entries === 0 ? 0 : sharedPrefix(last, key);
    if (this.#entries === 0) this.#minKey = key;
    else if (shared === key.length || (shared < last.length && key.charCodeAt(shared) < last.charCodeAt(shared))) {
      throw new MisaError('SST_KEY', `keys must ascend: ${quoted(key)} came after ${quoted(last)}`);
    }

    const block = this.#block;
    if (this.#inBlock === 0) this.#separator = this.#blocks === 0 ? '' : key.slice(0, shared + 1);
    let kept = shared;
    if (this.#inBlock % RESTART_INTERVAL === 0) {
      this.#restarts.push(block.length);
      kept = 0;
    }
    block.varint(kept);
    block.varint(key.length - kept);
    block.varint(value === null ? 0 : value.length + 1);
    block.latin1(key, kept);
    if (value === null) this.#tombstones++;
    else block.bytes(value);

    if (this.#entries === this.#hashes.length) this.#growHashes();
    this.#hashes[this.#entries++] = hashKey(key);
    this.#inBlock++;
    this.#lastKey = key;
    if (block.length >= this.#blockBytes) this.#closeBlock();
  }

  /**
   * The finished file. The builder is used up.
   * @throws MisaError SST_EMPTY if nothing was added, SST_SIZE above 4 GiB
   */
  finish(): BuiltSst {
    if (this.#entries === 0) throw new MisaError('SST_EMPTY', `SST ${this.#id} would hold no entries`);
    if (this.#inBlock > 0) this.#closeBlock();
    const metaOffset = this.#storedBytes;
    const meta = this.#meta(metaOffset);
    const size = metaOffset + meta.length;
    if (size > MAX_SST_BYTES) throw new MisaError('SST_SIZE', `SST ${this.#id} would hold ${size} bytes, over 4 GiB`);
    this.#stored.push(meta);
    return {
      info: {
        id: this.#id,
        size,
        metaOffset,
        entries: this.#entries,
        tombstones: this.#tombstones,
        minKey: this.#minKey,
        maxKey: this.#lastKey,
      },
      body: Buffer.concat(this.#stored, size),
    };
  }

  #closeBlock(): void {
    const block = this.#block;
    for (const restart of this.#restarts) block.u32(restart);
    block.u32(this.#restarts.length);
    const stored = sealBlock(block.view(), this.#compression);
    this.#stored.push(stored);
    this.#storedBytes += stored.length;

    this.#index.varint(stored.length);
    this.#index.varint(this.#separator.length);
    this.#index.latin1(this.#separator);
    this.#blocks++;
    this.#restarts = [];
    this.#inBlock = 0;
    block.reset();
  }

  /** Index, filter and footer, one after the other. */
  #meta(metaOffset: number): Uint8Array {
    const index = this.#index;
    for (const key of [this.#minKey, this.#lastKey]) {
      index.varint(key.length);
      index.latin1(key);
    }
    const indexBytes = index.length;
    const filter = buildBloom(this.#hashes.subarray(0, this.#entries), this.#bitsPerKey);
    index.bytes(filter);
    for (const field of [indexBytes, filter.length, this.#blocks, this.#entries, this.#tombstones, metaOffset]) {
      index.u32(field);
    }
    index.u32(MAGIC);
    index.u32(VERSION);
    index.u32(crc32(index.view()));
    return index.view();
  }

  #growHashes(): void {
    const grown = new Float64Array(this.#hashes.length * 2);
    grown.set(this.#hashes);
    this.#hashes = grown;
  }
}

function quoted(key: Key): string {
  return JSON.stringify(key.length > 80 ? `${key.slice(0, 80)}…` : key);
}
