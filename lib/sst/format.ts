/**
 * The numbers of the SST format, version 1: what builder and reader must agree on, drawn byte by byte in
 * `docs/formats/sst.md`. Magic and version stand at both ends of the file; the last 12 bytes (magic, version, CRC) keep
 * their place in every later version, so that an older Misa can say that a file is newer and not that it is broken.
 */

/** 'MSST', read as a little-endian u32. */
export const MAGIC = 0x5453534d;
export const VERSION = 1;

/** Bytes: magic, version. */
export const HEADER_BYTES = 8;

/** Bytes: index length, filter length, blocks, entries, tombstones, meta offset, magic, version, CRC; u32 each. */
export const FOOTER_BYTES = 36;

/** Bytes before a block's payload: compression, uncompressed length. */
export const BLOCK_HEADER_BYTES = 5;
/** Bytes after a block's payload: the CRC-32 of all before it. */
export const BLOCK_TRAILER_BYTES = 4;

/** Every 16th entry of a block holds its whole key, and the block lists where these are. */
export const RESTART_INTERVAL = 16;

/** Offsets are u32. */
export const MAX_SST_BYTES = 0xffffffff;
