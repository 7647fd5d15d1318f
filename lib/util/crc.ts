/** CRC-32 (IEEE 802.3, as in zlib and gzip): guards stored bytes against rot, not against malice. */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** The checksum of `bytes`, an unsigned 32-bit integer. About 4 GB/s. */
export function crc32(bytes: Uint8Array): number {
  return zlibCrc32(bytes);
}
