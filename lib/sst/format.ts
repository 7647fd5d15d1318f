/**
 * The numbers of the SST format, version 2: what builder and reader must agree on, drawn byte by byte in
 * `docs/formats/sst.md`. Magic and version stand at both ends of the file; the last 12 bytes (magic, version, CRC) keep
 * their place in every version, so that a Misa can say that a file is newer or older and not that it is broken.
 */

/** 'MSST', read as a little-endian u32. */
export const MAGIC = 0x5453534d;
/** Version 1 had larger blocks, and a filter of another hash under one checksum with the index. */
export const VERSION = 2;

/** Bytes: magic, version. */
export const HEADER_BYTES = 8;

/** Bytes: blocks, entries, tombstones, where the filter begins, where the index does, magic, version, CRC; u32 each. */
export const FOOTER_BYTES = 32;

/** Bytes after the filter: the CRC-32 of it. */
export const FILTER_TRAILER_BYTES = 4;

/** Bytes before a block's payload: compression, uncompressed length. */
export const BLOCK_HEADER_BYTES = 5;
/** Bytes after a block's payload: the CRC-32 of all before it. */
export const BLOCK_TRAILER_BYTES = 4;

/** Bytes of a block's list of restart points: u16 each, and u16 how many. */
export const RESTART_BYTES = 2;
/** Restart points are u16. */
export const MAX_BLOCK_BYTES = 0xffff;

/** Offsets are u32. */
export const MAX_SST_BYTES = 0xffffffff;
