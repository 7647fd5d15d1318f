/**
 * The bloom filter of an SST, by itself: a reader that has the index and not this asks the blocks, and is right all the same.
 * Guarded by a CRC of its own.
 */
import { CorruptionError } from '../errors.ts';
import { bloomHas } from '../util/bloom.ts';
import { readU32 } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import type { SstInfo } from './entry.ts';
import { FILTER_TRAILER_BYTES } from './format.ts';

export class SstFilter {
  readonly #lines: Uint8Array;

  private constructor(lines: Uint8Array) {
    this.#lines = lines;
  }

  /**
   * @param info what the manifest says of the SST
   * @param part the file's bytes [info.metaOffset, info.indexOffset); the filter stays a view of them
   * @param where the object's name, for errors
   * @throws {CorruptionError} the bytes are damaged or not those of `info`
   */
  static decode(info: SstInfo, part: Uint8Array, where = `SST ${info.id}`): SstFilter {
    const end = part.length - FILTER_TRAILER_BYTES;
    if (part.length !== info.indexOffset - info.metaOffset || end < 0 || end % 64 !== 0) {
      throw new CorruptionError(where, `its filter has ${part.length} bytes`);
    }
    const lines = part.subarray(0, end);
    if (crc32(lines) !== readU32(part, end))
      throw new CorruptionError(where, 'the checksum of its filter does not match');
    return new SstFilter(lines);
  }

  /**
   * False: no key of that hash is in this SST. True: one probably is.
   * @param hash of the whole state key: `hashes[i]` of its column
   */
  mayContain(hash: number): boolean {
    return bloomHas(this.#lines, hash);
  }

  /** Bytes of memory, about. */
  get weightBytes(): number {
    return 200 + this.#lines.length;
  }
}
