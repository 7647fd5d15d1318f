/**
 * How a block is stored: `none` or `lz4`; the number 2 is kept for zstd (see `docs/formats/sst.md` for why not yet). Every
 * block names its own, so a builder may leave alone what does not shrink, and levels may differ. The stored form ends with a
 * CRC-32 over all before it, checked before anything is decompressed: a decompressor never sees bytes that were not written
 * here.
 */
import { compressSync as lz4Compress, uncompressSync as lz4Uncompress } from 'lz4-napi';
import { CorruptionError, errorText } from '../errors.ts';
import { asBuffer, type ByteWriter, readU32 } from '../util/bytes.ts';
import { crc32 } from '../util/crc.ts';
import { BLOCK_HEADER_BYTES, BLOCK_TRAILER_BYTES } from './format.ts';

export type Compression = 'none' | 'lz4';

const NONE = 0;
const LZ4 = 1;

/**
 * Writes the stored form of a block's bytes. lz4 is kept only if it saves an eighth, as in LevelDB: below that, reading costs
 * more than the bytes do.
 * @returns its length
 */
export function sealBlock(to: ByteWriter, plain: Buffer, compression: Compression): number {
  const start = to.length;
  // lz4-napi puts the uncompressed length (u32) before the LZ4 block, which is our header's second field.
  const packed = compression === 'lz4' ? lz4Compress(plain) : undefined;
  if (packed !== undefined && packed.length < plain.length - (plain.length >>> 3)) {
    to.u8(LZ4);
    to.bytes(packed);
  } else {
    to.u8(NONE);
    to.u32(plain.length);
    to.bytes(plain);
  }
  to.u32(crc32(to.view().subarray(start)));
  return to.length - start;
}

/**
 * A block's bytes from its stored form, for {@link Block.open}. May be a view of `stored`.
 * @param where what to call the block in an error
 * @throws CorruptionError if the CRC, the compression or the length is not what it must be
 */
export function plainBlock(stored: Uint8Array, where: string): Buffer {
  const bytes = asBuffer(stored);
  checkStored(bytes, 0, bytes.length, where);
  return plainChecked(bytes, 0, bytes.length, where);
}

/**
 * Whether the stored form of a block is what was written.
 * @param end where it ends, within `bytes`
 * @returns how many bytes {@link plainChecked} will give
 * @throws CorruptionError if the CRC is not what it must be
 */
export function checkStored(bytes: Buffer, start: number, end: number, where: string): number {
  const length = end - start;
  if (length < BLOCK_HEADER_BYTES + BLOCK_TRAILER_BYTES) {
    throw new CorruptionError(where, `${length} bytes are too few for a block`);
  }
  const trailer = end - BLOCK_TRAILER_BYTES;
  if (crc32(bytes.subarray(start, trailer)) !== readU32(bytes, trailer)) {
    throw new CorruptionError(where, `the checksum of its ${length} bytes does not match`);
  }
  return readU32(bytes, start + 1);
}

/**
 * A block's bytes from its stored form, which has been checked. May be a view of `bytes`.
 * @throws CorruptionError if the compression or the length is not what it must be
 */
export function plainChecked(bytes: Buffer, start: number, end: number, where: string): Buffer {
  const plain = payload(bytes, start, end - BLOCK_TRAILER_BYTES, where);
  const length = readU32(bytes, start + 1);
  if (plain.length !== length) {
    throw new CorruptionError(where, `it holds ${plain.length} bytes and says ${length}`);
  }
  return plain;
}

function payload(bytes: Buffer, start: number, end: number, where: string): Buffer {
  const compression = bytes[start]!;
  if (compression === NONE) return bytes.subarray(start + BLOCK_HEADER_BYTES, end);
  try {
    if (compression === LZ4) return lz4Uncompress(bytes.subarray(start + 1, end));
  } catch (cause) {
    throw new CorruptionError(where, `it does not decompress (${errorText(cause)})`, { cause });
  }
  throw new CorruptionError(where, `compression ${compression} is unknown to this Misa`);
}
