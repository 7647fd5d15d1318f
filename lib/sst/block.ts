/**
 * A decoded block: some hundred entries in order, kept as bytes. Keys are prefix-compressed, so a read binary-searches
 * the restart points, where whole keys stand, and scans at most 16 entries from there, comparing bytes with the key's
 * characters and making no strings. Values are views of the block.
 */
import { latin1Prefix, readU32 } from '../util/bytes.ts';
import { openBlock } from './compression.ts';
import type { Entry, Key } from './entry.ts';

/**
 * @param raw a block's stored bytes, as {@link SstIndex.block} locates them
 * @param where what to call the block in an error, such as `SST abc block 7`
 * @throws CorruptionError
 */
export function decodeBlock(raw: Uint8Array, where: string): Block {
  return new Block(openBlock(raw, where));
}

export class Block {
  readonly #bytes: Uint8Array;
  /** Where the entries end and the restart points begin. */
  readonly #end: number;
  readonly #restarts: number;

  /** @param bytes a block's uncompressed bytes, checked; see {@link decodeBlock} */
  constructor(bytes: Uint8Array) {
    // A plain array: its subarrays, the values, are cheaper to make than Buffers.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#restarts = readU32(bytes, bytes.length - 4);
    this.#end = bytes.length - 4 - 4 * this.#restarts;
  }

  /** Bytes of memory, about. */
  get weightBytes(): number {
    return this.#bytes.length + 200;
  }

  /** The value of `key`; `null`: a tombstone; `undefined`: not in this block. */
  get(key: Key): Uint8Array | null | undefined {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#restartBefore(key);
    // How many characters of `key` the entry before this one shares. An entry that shares more than that with its
    // predecessor differs from `key` where the predecessor did; one that shares less is past `key`.
    let matched = 0;
    while (at < end) {
      let shared = bytes[at++]!;
      if (shared > 127) [shared, at] = restOfVarint(bytes, at, shared);
      let rest = bytes[at++]!;
      if (rest > 127) [rest, at] = restOfVarint(bytes, at, rest);
      let tag = bytes[at++]!;
      if (tag > 127) [tag, at] = restOfVarint(bytes, at, tag);
      if (shared < matched) return undefined;
      if (shared === matched) {
        const limit = Math.min(rest, key.length - matched);
        let i = 0;
        while (i < limit && bytes[at + i] === key.charCodeAt(matched + i)) i++;
        if (i < limit) {
          if (bytes[at + i]! > key.charCodeAt(matched + i)) return undefined;
        } else if (matched + i === key.length) {
          if (i < rest) return undefined;
          return tag === 0 ? null : bytes.subarray(at + rest, at + rest + tag - 1);
        }
        matched += i;
      }
      at += rest + (tag === 0 ? 0 : tag - 1);
    }
    return undefined;
  }

  /** The entries with keys in [from, to), in order; `to` undefined: to the end. */
  entries(from: Key = '', to?: Key): Entry[] {
    const bytes = this.#bytes;
    const end = this.#end;
    const out: Entry[] = [];
    let at = from === '' ? 0 : this.#restartBefore(from);
    let scratch = Buffer.allocUnsafe(64);
    let skipping = from !== '';
    while (at < end) {
      let shared = bytes[at++]!;
      if (shared > 127) [shared, at] = restOfVarint(bytes, at, shared);
      let rest = bytes[at++]!;
      if (rest > 127) [rest, at] = restOfVarint(bytes, at, rest);
      let tag = bytes[at++]!;
      if (tag > 127) [tag, at] = restOfVarint(bytes, at, tag);
      const length = shared + rest;
      if (length > scratch.length) {
        const grown = Buffer.allocUnsafe(length * 2);
        grown.set(scratch);
        scratch = grown;
      }
      for (let i = shared; i < length; i++) scratch[i] = bytes[at++]!;
      const valueEnd = tag === 0 ? at : at + tag - 1;
      const key = latin1Prefix(scratch, length);
      if (to !== undefined && key >= to) break;
      if (skipping && key >= from) skipping = false;
      if (!skipping) out.push({ key, value: tag === 0 ? null : bytes.subarray(at, valueEnd) });
      at = valueEnd;
    }
    return out;
  }

  /** Where the last restart point at or before `key` is; the first one if all are after it. */
  #restartBefore(key: Key): number {
    let low = 0;
    let high = this.#restarts;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#isAfter(this.#restart(middle), key)) high = middle;
      else low = middle;
    }
    return this.#restart(low);
  }

  #restart(i: number): number {
    return readU32(this.#bytes, this.#end + 4 * i);
  }

  /** Whether the whole key of the restart point at `at` is greater than `key`. */
  #isAfter(at: number, key: Key): boolean {
    const bytes = this.#bytes;
    let length = bytes[++at]!;
    at++;
    if (length > 127) [length, at] = restOfVarint(bytes, at, length);
    while (bytes[at++]! > 127); // the value's length
    const limit = Math.min(length, key.length);
    for (let i = 0; i < limit; i++) {
      const order = bytes[at + i]! - key.charCodeAt(i);
      if (order !== 0) return order > 0;
    }
    return length > key.length;
  }
}

/** A varint whose first byte was `first`, a continued one, and where it ends. Rare: hence the pair. */
function restOfVarint(bytes: Uint8Array, at: number, first: number): [value: number, end: number] {
  let value = first & 127;
  for (let shift = 7; shift < 35; shift += 7) {
    const byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return [value >>> 0, at];
}
