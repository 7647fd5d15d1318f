/**
 * Goes over a block's entries in order, by bytes: the key of the entry at hand is put together in an array of the cursor's own, its
 * value stays where it is. So a merge or a scan makes nothing an entry. A cursor is opened over one block after the other.
 */

import { columnOf, type KeyColumn } from '../columns/key-column.ts';
import { CorruptionError } from '../errors.ts';
import { compareBytes, latin1Prefix } from '../util/bytes.ts';
import { Block, restOfVarint } from './block.ts';
import type { Entry, Key } from './entry.ts';

export class BlockCursor {
  /** The entry's key is its first `keyLength` bytes. */
  key: Buffer = Buffer.allocUnsafeSlow(64);
  keyLength = 0;
  /** The entry's value is `bytes[valueStart]` up to `bytes[valueEnd]`. */
  valueStart = 0;
  valueEnd = 0;
  /** It is a tombstone. */
  deleted = false;
  readonly #block = new Block();
  #where = '';

  /** The block at hand. */
  get bytes(): Buffer {
    return this.#block.bytes;
  }

  /**
   * Goes to before the first entry of another block.
   * @param plain as for {@link Block.open} @throws {CorruptionError}
   */
  open(plain: Uint8Array, where: string): this {
    this.#block.open(plain, where);
    this.#where = where;
    this.keyLength = 0;
    this.valueEnd = 0;
    return this;
  }

  /** Goes to the next entry. @returns false: there is none @throws {CorruptionError} it is not within the block */
  next(): boolean {
    const { bytes, end } = this.#block;
    let at = this.valueEnd;
    if (at >= end) return false;
    let shared = bytes[at++]!;
    if (shared > 127) [shared, at] = restOfVarint(bytes, at, shared);
    let rest = bytes[at++]!;
    if (rest > 127) [rest, at] = restOfVarint(bytes, at, rest);
    let tag = bytes[at++]!;
    if (tag > 127) [tag, at] = restOfVarint(bytes, at, tag);
    const length = shared + rest;
    this.valueStart = at + rest;
    this.valueEnd = tag === 0 ? at + rest : at + rest + tag - 1;
    if (shared > this.keyLength || this.valueEnd > end)
      throw new CorruptionError(this.#where, 'its entries do not add up');
    if (length > this.key.length) this.#grow(length);
    const { key } = this;
    for (let i = shared; i < length; i++) key[i] = bytes[at++]!;
    this.keyLength = length;
    this.deleted = tag === 0;
    return true;
  }

  /** Goes to the first entry that is not before key i of a column. @returns false: there is none */
  seek(keys: KeyColumn, i: number): boolean {
    const start = keys.starts[i]!;
    const end = keys.starts[i + 1]!;
    this.keyLength = 0;
    this.valueEnd = this.#block.restartBefore(keys.bytes, start, end - start);
    while (this.next()) if (compareBytes(this.key, 0, this.keyLength, keys.bytes, start, end) >= 0) return true;
    return false;
  }

  #grow(length: number): void {
    const grown = Buffer.allocUnsafeSlow(length * 2);
    grown.set(this.key.subarray(0, this.keyLength));
    this.key = grown;
  }
}

/**
 * The entries of a block with keys in [from, to), in order, as objects; their values are views of the block.
 * @param plain as for {@link Block.open} @param to undefined: to the end @throws {CorruptionError}
 */
export function entriesOf(plain: Uint8Array, where: string, from: Key = '', to?: Key): Entry[] {
  // A plain array: its subarrays, the values, are cheaper to make than Buffers.
  const values = new Uint8Array(plain.buffer, plain.byteOffset, plain.length);
  const cursor = new BlockCursor().open(plain, where);
  const entries: Entry[] = [];
  let more = from === '' ? cursor.next() : cursor.seek(columnOf(from), 0);
  for (; more; more = cursor.next()) {
    const key = latin1Prefix(cursor.key, cursor.keyLength);
    if (to !== undefined && key >= to) break;
    entries.push({ key, value: cursor.deleted ? null : values.subarray(cursor.valueStart, cursor.valueEnd) });
  }
  return entries;
}
