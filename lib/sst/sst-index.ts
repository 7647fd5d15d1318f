/**
 * What a reader holds of an SST: where each block lies, the least key each may hold, and the bloom filter; 1 to 5 % of
 * the file, fetched by one ranged GET and guarded by one CRC. It answers which blocks to read; it never reads them.
 *
 * Block i holds the keys in [separator i, separator i+1). A separator is the shortest prefix of the block's first key
 * that is greater than the key before.
 */
import { CorruptionError } from '../errors.ts';
import { bloomHas, hashKey } from '../util/bloom.ts';
import { ByteReader, readU32 } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import { newerFormat } from '../util/envelope.ts';
import type { Key, SstInfo } from './entry.ts';
import { FOOTER_BYTES, HEADER_BYTES, MAGIC, VERSION } from './format.ts';

/** A range of an object: assignable to the object store's `ByteRange`. */
export interface BlockRange {
  readonly offset: number;
  readonly length: number;
}

export class SstIndex {
  readonly info: SstInfo;
  readonly #separators: Key[];
  /** `blockCount` + 1 offsets: block i is [offset i, offset i+1). */
  readonly #offsets: Float64Array;
  readonly #filter: Uint8Array;

  private constructor(info: SstInfo, separators: Key[], offsets: Float64Array, filter: Uint8Array) {
    this.info = info;
    this.#separators = separators;
    this.#offsets = offsets;
    this.#filter = filter;
  }

  /**
   * @param info what the manifest says of the SST
   * @param meta the file's bytes [info.metaOffset, info.size); the filter stays a view of them
   * @param where the object's name, for errors
   * @throws CorruptionError if the bytes are damaged or not those of `info`
   * @throws MisaError NEWER_FORMAT if a newer Misa wrote them
   */
  static decode(info: SstInfo, meta: Uint8Array, where = `SST ${info.id}`): SstIndex {
    const footer = readFooter(meta, where);
    const { indexBytes, filterBytes } = footer;
    const differs =
      footer.metaOffset !== info.metaOffset ||
      footer.metaOffset + meta.length !== info.size ||
      footer.entries !== info.entries ||
      footer.tombstones !== info.tombstones;
    if (differs) throw new CorruptionError(where, 'it is another file than the manifest describes');

    const separators: Key[] = new Array(footer.blocks);
    const offsets = new Float64Array(footer.blocks + 1);
    const reader = new ByteReader(meta.subarray(0, indexBytes));
    let offset = HEADER_BYTES;
    for (let i = 0; i < footer.blocks; i++) {
      offsets[i] = offset;
      offset += reader.varint();
      separators[i] = reader.latin1(reader.varint());
    }
    offsets[footer.blocks] = offset;
    if (footer.blocks === 0 || offset !== info.metaOffset) {
      throw new CorruptionError(where, 'its blocks do not end where its index begins');
    }
    const minKey = reader.latin1(reader.varint());
    const maxKey = reader.latin1(reader.varint());
    if (minKey !== info.minKey || maxKey !== info.maxKey) {
      throw new CorruptionError(where, 'its least or greatest key is not what the manifest says');
    }
    return new SstIndex(info, separators, offsets, meta.subarray(indexBytes, indexBytes + filterBytes));
  }

  get blockCount(): number {
    return this.#separators.length;
  }

  /** Where block `i` lies in the file. */
  block(i: number): BlockRange {
    return this.span(i, i + 1);
  }

  /** Where the blocks [first, last) lie, as one range. */
  span(first: number, last: number): BlockRange {
    const offset = this.#offsets[first];
    const end = this.#offsets[last];
    if (offset === undefined || end === undefined || last <= first) {
      throw new RangeError(`SST ${this.info.id} has no blocks [${first}, ${last})`);
    }
    return { offset, length: end - offset };
  }

  /**
   * False: `key` is not in this SST. True: it probably is.
   * @param hash `hashKey(key)`, for a caller that asks several SSTs
   */
  mayContain(key: Key, hash: number = hashKey(key)): boolean {
    return key >= this.info.minKey && key <= this.info.maxKey && bloomHas(this.#filter, hash);
  }

  /** The one block that may hold `key`; -1: none. Does not ask the filter. */
  findBlock(key: Key): number {
    if (key < this.info.minKey || key > this.info.maxKey) return -1;
    return this.#lastStartingAtOrBefore(key);
  }

  /** The blocks [first, last) that may hold keys in [from, to); `to` undefined: no upper bound. */
  blockRange(from: Key, to?: Key): [first: number, last: number] {
    if (from > this.info.maxKey || (to !== undefined && (to <= this.info.minKey || to <= from))) return [0, 0];
    const first = this.#lastStartingAtOrBefore(from);
    if (to === undefined) return [first, this.blockCount];
    const end = this.#lastStartingAtOrBefore(to);
    return [first, this.#separators[end] === to && end > first ? end : end + 1];
  }

  /** Bytes of memory, about. */
  get weightBytes(): number {
    const { minKey, maxKey } = this.info;
    let characters = minKey.length + maxKey.length;
    for (const separator of this.#separators) characters += separator.length;
    return 500 + characters + this.#separators.length * 32 + this.#filter.length;
  }

  #lastStartingAtOrBefore(key: Key): number {
    const separators = this.#separators;
    let low = 0;
    let high = separators.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (separators[middle]! <= key) low = middle;
      else high = middle;
    }
    return low;
  }
}

interface Footer {
  readonly indexBytes: number;
  readonly filterBytes: number;
  readonly blocks: number;
  readonly entries: number;
  readonly tombstones: number;
  readonly metaOffset: number;
}

/** The footer at the end of `meta`, checked. Magic, version and CRC are where every version has them. */
function readFooter(meta: Uint8Array, where: string): Footer {
  const end = meta.length;
  if (end < FOOTER_BYTES) throw new CorruptionError(where, `it is cut short: ${end} bytes of index and footer`);
  if (readU32(meta, end - 12) !== MAGIC) {
    throw new CorruptionError(where, 'it does not end like an SST (cut short, or another kind of file)');
  }
  if (crc32(meta.subarray(0, end - 4)) !== readU32(meta, end - 4)) {
    throw new CorruptionError(where, 'the checksum of its index and footer does not match');
  }
  const version = readU32(meta, end - 8);
  if (version > VERSION) throw newerFormat(where, version, VERSION);
  if (version !== VERSION) throw new CorruptionError(where, `its format version ${version} never existed`);
  const reader = new ByteReader(meta, end - FOOTER_BYTES);
  const footer = {
    indexBytes: reader.u32(),
    filterBytes: reader.u32(),
    blocks: reader.u32(),
    entries: reader.u32(),
    tombstones: reader.u32(),
    metaOffset: reader.u32(),
  };
  if (footer.indexBytes + footer.filterBytes + FOOTER_BYTES !== end) {
    throw new CorruptionError(where, 'the parts of its index do not add up (cut short?)');
  }
  return footer;
}
