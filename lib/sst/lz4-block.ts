/**
 * Decompresses an LZ4 block into memory that is there: the library makes a buffer for each, and V8 lets tens of megabytes of such buffers
 * gather before it collects them. See https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md: sequences of literal bytes and
 * of a copy of what came before, each with its length in half a token.
 */

/** A length that half a token cannot say goes on in the bytes behind it. */
const GOES_ON = 15;
/** A copy is of so many bytes at least. */
const LEAST_COPY = 4;

/**
 * @param to has room for what the block says it holds: what is more is not written
 * @param at where to begin
 * @returns where it ends; -1: it is no LZ4 block, or holds more than `most` bytes
 */
export function unpackInto(
  to: Uint8Array,
  at: number,
  most: number,
  packed: Uint8Array,
  start: number,
  end: number,
): number {
  const limit = at + most;
  let out = at;
  let i = start;
  while (i < end) {
    const token = packed[i++]!;
    let literals = token >>> 4;
    if (literals === GOES_ON) {
      let more: number;
      do literals += more = packed[i++]!;
      while (more === 255 && i < end);
    }
    const literalEnd = i + literals;
    if (literalEnd > end || out + literals > limit) return -1;
    while (i < literalEnd) to[out++] = packed[i++]!;
    // The last sequence is literals alone.
    if (i === end) return out;
    if (i + 2 > end) return -1;
    let from = out - (packed[i]! | (packed[i + 1]! << 8));
    i += 2;
    let length = (token & GOES_ON) + LEAST_COPY;
    if (length === GOES_ON + LEAST_COPY) {
      let more: number;
      do {
        if (i === end) return -1;
        length += more = packed[i++]!;
      } while (more === 255);
    }
    const copyEnd = out + length;
    if (from < at || from === out || copyEnd > limit) return -1;
    // Byte by byte: what is copied may be what is being written.
    while (out < copyEnd) to[out++] = to[from++]!;
  }
  return -1;
}
