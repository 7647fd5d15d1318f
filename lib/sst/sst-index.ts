/**
 * What a reader holds of an SST: where each block lies, and the least key each may hold; about half a percent of the file,
 * fetched by one ranged GET and guarded by one CRC. It answers which blocks to read; it never reads them.
 *
 * Block i holds the keys in [separator i, separator i+1). A separator is the shortest prefix of the block's first key
 * that is greater than the key before. They lie in one array, side by side, and are compared as bytes.
 */
import { columnOf, KeyColumn } from '../columns/key-column.ts';
import { CorruptionError } from '../errors.ts';
import { ByteReader, ByteWriter, compareBytes, readU32 } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import { newerFormat, olderFormat } from '../util/envelope.ts';
import type { Key, SstInfo } from './entry.ts';
import { FOOTER_BYTES, HEADER_BYTES, MAGIC, VERSION } from './format.ts';

/** A range of an object: assignable to the object store's `ByteRange`. */
export interface BlockRange {
  readonly offset: number;
  readonly length: number;
}

/** Keys side by side: key i is `bytes[starts[i]]` up to `bytes[starts[i + 1]]`. */
interface PackedKeys {
  readonly bytes: Buffer;
  readonly starts: Uint32Array;
}

export class SstIndex {
  readonly info: SstInfo;
  readonly blockCount: number;
  readonly #separators: PackedKeys;
  /** `blockCount` + 1 offsets: block i is [offset i, offset i+1). */
  readonly #offsets: Uint32Array;
  /** The least and the greatest key. */
  readonly #bounds: KeyColumn;

  private constructor(info: SstInfo, separators: PackedKeys, offsets: Uint32Array) {
    this.info = info;
    this.blockCount = offsets.length - 1;
    this.#separators = separators;
    this.#offsets = offsets;
    this.#bounds = KeyColumn.of([info.minKey, info.maxKey]);
  }

  /**
   * @param info what the manifest says of the SST
   * @param part the file's bytes [info.indexOffset, info.size)
   * @param where the object's name, for errors
   * @throws {CorruptionError} the bytes are damaged or not those of `info`
   * @throws {MisaError} `NEWER_FORMAT`, `OLDER_FORMAT`: another Misa wrote them
   */
  static decode(info: SstInfo, part: Uint8Array, where = `SST ${info.id}`): SstIndex {
    const { blocks } = checkedFooter(info, part, where);
    try {
      return SstIndex.#read(info, new ByteReader(part.subarray(0, part.length - FOOTER_BYTES)), blocks, where);
    } catch (error) {
      if (error instanceof RangeError) throw new CorruptionError(where, `its index cannot be read (${error.message})`);
      throw error;
    }
  }

  /** @throws {CorruptionError} @throws {RangeError} it ends too soon */
  static #read(info: SstInfo, reader: ByteReader, blocks: number, where: string): SstIndex {
    // Each takes three bytes at least.
    if (blocks === 0 || blocks * 3 > reader.left) throw new CorruptionError(where, `its index says ${blocks} blocks`);
    const offsets = new Uint32Array(blocks + 1);
    const starts = new Uint32Array(blocks + 1);
    const separators = new ByteWriter(2 * reader.left);
    let offset = HEADER_BYTES;
    for (let i = 0; i < blocks; i++) {
      offsets[i] = offset;
      offset += reader.varint();
      const shared = reader.varint();
      const before = i === 0 ? 0 : starts[i - 1]!;
      if (shared > starts[i]! - before) throw new CorruptionError(where, 'the separators of its index do not add up');
      const bytes = separators.room(shared);
      for (let k = 0; k < shared; k++) bytes[starts[i]! + k] = bytes[before + k]!;
      separators.advance(starts[i]! + shared);
      separators.bytes(reader.bytes(reader.varint()));
      starts[i + 1] = separators.length;
    }
    offsets[blocks] = offset;
    if (offset !== info.metaOffset) throw new CorruptionError(where, 'its blocks do not end where its filter begins');
    const minKey = reader.latin1(reader.varint());
    const maxKey = reader.latin1(reader.varint());
    if (minKey !== info.minKey || maxKey !== info.maxKey || reader.left > 0) {
      throw new CorruptionError(where, 'its least or greatest key is not what the manifest says');
    }
    return new SstIndex(info, { bytes: Buffer.from(separators.view()), starts }, offsets);
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
   * The one block that may hold key i of a column; −1: none. Does not ask the filter.
   * @param hint a block near by, −1 or 0: the one of the key before, where keys ascend; then it takes a comparison or two
   */
  findBlock(keys: KeyColumn, i: number, hint = 0): number {
    const { bytes } = keys;
    const start = keys.starts[i]!;
    const end = keys.starts[i + 1]!;
    const block = this.#lastStartingAtOrBefore(bytes, start, end, hint);
    if (block === 0 && this.#orderOfBound(0, bytes, start, end) > 0) return -1;
    if (block === this.blockCount - 1 && this.#orderOfBound(1, bytes, start, end) < 0) return -1;
    return block;
  }

  /** The blocks [first, last) that may hold keys in [from, to); `to` undefined: no upper bound. */
  blockRange(from: Key, to?: Key): [first: number, last: number] {
    if (from > this.info.maxKey || (to !== undefined && (to <= this.info.minKey || to <= from))) return [0, 0];
    const first = this.#blockOf(from);
    if (to === undefined) return [first, this.blockCount];
    const end = this.#blockOf(to);
    return [first, end > first && this.#separator(end) === to ? end : end + 1];
  }

  /** Bytes of memory, about. */
  get weightBytes(): number {
    return 500 + this.#separators.bytes.length + this.#separators.starts.byteLength + this.#offsets.byteLength;
  }

  #blockOf(key: Key): number {
    const keys = columnOf(key);
    return this.#lastStartingAtOrBefore(keys.bytes, 0, key.length, 0);
  }

  #separator(i: number): Key {
    const { bytes, starts } = this.#separators;
    return bytes.toString('latin1', starts[i]!, starts[i + 1]!);
  }

  /** Doubles its steps away from the hint until it has passed the block, and halves what is between. */
  #lastStartingAtOrBefore(key: Buffer, start: number, end: number, hint: number): number {
    const count = this.blockCount;
    let low = hint > 0 && hint < count ? hint : 0;
    let high = low + 1;
    let step = 1;
    if (low > 0 && this.#startsAfter(low, key, start, end)) {
      do {
        high = low;
        low = Math.max(low - step, 0);
        step *= 2;
      } while (low > 0 && this.#startsAfter(low, key, start, end));
    } else {
      while (high < count && !this.#startsAfter(high, key, start, end)) {
        low = high;
        high += step;
        step *= 2;
      }
      if (high > count) high = count;
    }
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#startsAfter(middle, key, start, end)) high = middle;
      else low = middle;
    }
    return low;
  }

  /** Whether the separator of block i is greater than the key. */
  #startsAfter(i: number, key: Buffer, start: number, end: number): boolean {
    const { bytes, starts } = this.#separators;
    return compareBytes(bytes, starts[i]!, starts[i + 1]!, key, start, end) > 0;
  }

  /** Greater than 0: the least (0) or greatest (1) key is greater than the key. */
  #orderOfBound(bound: number, key: Buffer, start: number, end: number): number {
    const { bytes, starts } = this.#bounds;
    return compareBytes(bytes, starts[bound]!, starts[bound + 1]!, key, start, end);
  }
}

/** The footer at the end of `part`, checked: number of blocks. Magic, version and CRC are where every version has them. */
function checkedFooter(info: SstInfo, part: Uint8Array, where: string): { readonly blocks: number } {
  const end = part.length;
  if (end < FOOTER_BYTES) throw new CorruptionError(where, `it is cut short: ${end} bytes of index and footer`);
  if (readU32(part, end - 12) !== MAGIC) {
    throw new CorruptionError(where, 'it does not end like an SST (cut short, or another kind of file)');
  }
  const version = readU32(part, end - 8);
  // First: its checksum is over more than these bytes.
  if (version === 1) throw olderFormat(where, version, VERSION);
  if (crc32(part.subarray(0, end - 4)) !== readU32(part, end - 4)) {
    throw new CorruptionError(where, 'the checksum of its index and footer does not match');
  }
  if (version > VERSION) throw newerFormat(where, version, VERSION);
  if (version !== VERSION) throw new CorruptionError(where, `its format version ${version} never existed`);
  const reader = new ByteReader(part, end - FOOTER_BYTES);
  const blocks = reader.u32();
  const differs =
    reader.u32() !== info.entries ||
    reader.u32() !== info.tombstones ||
    reader.u32() !== info.metaOffset ||
    reader.u32() !== info.indexOffset ||
    info.indexOffset + end !== info.size;
  if (differs) throw new CorruptionError(where, 'it is another file than the manifest describes');
  return { blocks };
}
