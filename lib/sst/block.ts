/**
 * A block's bytes, searched in place: keys are prefix-compressed, so a search halves the restart points, where whole keys stand,
 * and goes over the few entries from there, comparing bytes. Nothing is made for a search, and nothing for a block: one object is
 * opened over one block after the other, be it memory that somebody else will use again.
 */

import { CorruptionError } from '../errors.ts';
import { asBuffer } from '../util/bytes.ts';
import { RESTART_BYTES } from './format.ts';

/** What {@link Block.find} says. */
export const ABSENT = 0;
export const DELETED = 1;
export const FOUND = 2;

/** Keys side by side, a `KeyColumn` say: key i is `bytes[starts[i]]` up to `bytes[starts[i + 1]]`. */
export interface KeyBytes {
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
}

const NOTHING = Buffer.alloc(RESTART_BYTES);

export class Block {
  /** Of the block that is open. */
  bytes: Buffer = NOTHING;
  /** Where the entries end and the restart points begin. */
  end = 0;
  /** What was found is `bytes[valueStart]` up to `bytes[valueEnd]`. */
  valueStart = 0;
  valueEnd = 0;
  #restarts = 0;

  /**
   * Looks at another block from now on.
   * @param plain its uncompressed bytes, checked: see {@link plainBlock}. They must stay as they are for as long as it is looked at
   * @throws {CorruptionError} they cannot be a block
   */
  open(plain: Uint8Array, where = 'a block'): this {
    const { length } = plain;
    const restarts = length < RESTART_BYTES ? -1 : plain[length - 2]! | (plain[length - 1]! << 8);
    const end = length - RESTART_BYTES * (restarts + 1);
    if (restarts < 0 || end < 0) throw new CorruptionError(where, 'its restart points are not within it');
    this.bytes = asBuffer(plain);
    this.end = end;
    this.#restarts = restarts;
    return this;
  }

  /**
   * Looks for key i. What it finds stands at {@link valueStart} and {@link valueEnd}.
   * @returns {@link ABSENT}, {@link DELETED} or {@link FOUND} @throws {CorruptionError} a value that is not within the block
   */
  find(keys: KeyBytes, i: number): number {
    const { bytes, end } = this;
    const key = keys.bytes;
    const start = keys.starts[i]!;
    const length = keys.starts[i + 1]! - start;
    let at = this.restartBefore(key, start, length);
    // How many bytes of the key the entry before this one shares. An entry that shares more than that with its
    // predecessor differs from the key where the predecessor did; one that shares less is past it.
    let matched = 0;
    while (at < end) {
      let shared = bytes[at++]!;
      if (shared > 127) [shared, at] = restOfVarint(bytes, at, shared);
      let rest = bytes[at++]!;
      if (rest > 127) [rest, at] = restOfVarint(bytes, at, rest);
      let tag = bytes[at++]!;
      if (tag > 127) [tag, at] = restOfVarint(bytes, at, tag);
      if (shared < matched) return ABSENT;
      if (shared === matched) {
        const limit = Math.min(rest, length - matched);
        const from = start + matched;
        let same = 0;
        while (same < limit && bytes[at + same] === key[from + same]) same++;
        if (same < limit) {
          if (bytes[at + same]! > key[from + same]!) return ABSENT;
        } else if (matched + same === length) {
          return same < rest ? ABSENT : this.#found(at + rest, tag);
        }
        matched += same;
      }
      at += rest + (tag === 0 ? 0 : tag - 1);
    }
    return ABSENT;
  }

  /** Where the last entry with a whole key begins that is not behind `key[start]` and so many bytes more; the first one if all are. */
  restartBefore(key: Uint8Array, start: number, length: number): number {
    let low = 0;
    let high = this.#restarts + 1;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#isAfter(this.#restart(middle), key, start, length)) high = middle;
      else low = middle;
    }
    return this.#restart(low);
  }

  #found(valueStart: number, tag: number): number {
    if (tag === 0) return DELETED;
    this.valueStart = valueStart;
    this.valueEnd = valueStart + tag - 1;
    if (this.valueEnd > this.end) throw new CorruptionError('a block', 'a value ends behind it');
    return FOUND;
  }

  /** Restart point 0 is where the block begins, and not in the list. */
  #restart(i: number): number {
    if (i === 0) return 0;
    const at = this.end + RESTART_BYTES * (i - 1);
    return this.bytes[at]! | (this.bytes[at + 1]! << 8);
  }

  /** Whether the whole key of the entry at `at` is greater. */
  #isAfter(at: number, key: Uint8Array, start: number, length: number): boolean {
    const { bytes } = this;
    let whole = bytes[++at]!;
    at++;
    if (whole > 127) [whole, at] = restOfVarint(bytes, at, whole);
    while (bytes[at++]! > 127); // the value's length
    const limit = Math.min(whole, length);
    for (let i = 0; i < limit; i++) {
      const order = bytes[at + i]! - key[start + i]!;
      if (order !== 0) return order > 0;
    }
    return whole > length;
  }
}

/** A varint whose first byte was `first`, a continued one, and where it ends. Rare: hence the pair. */
export function restOfVarint(bytes: Uint8Array, at: number, first: number): [value: number, end: number] {
  let value = first & 127;
  for (let shift = 7; shift < 35; shift += 7) {
    const byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return [value >>> 0, at];
}
