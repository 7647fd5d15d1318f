/**
 * Encoded keys of many rows (`stream/key.ts`), side by side as bytes, each with its hash: what is a string a row elsewhere is two
 * numbers here. A key's hash is made while its bytes are copied, and never again: its partition is the hash's remainder,
 * and a {@link KeyTable} finds it by the other bits.
 */
import { grown } from '../util/arrays.ts';
import { latin1At } from '../util/bytes.ts';
import { finishHash, HASH_SEED, hashByte } from '../util/hash.ts';

/** `latin1At` may look at so many bytes behind a key. */
const SLACK_BYTES = 16;

export class KeyColumn {
  /** Key i is `bytes[starts[i]]` up to `bytes[starts[i + 1]]`; there is room behind the last one. */
  bytes: Buffer;
  /** `count + 1` of them count. */
  starts: Uint32Array;
  /** Of each key: see {@link hashText}. */
  hashes: Uint32Array;
  #count = 0;

  /** @param keys how many are to be expected @param bytesAKey and how long; more are taken, too */
  constructor(keys = 16, bytesAKey = 16) {
    this.bytes = Buffer.allocUnsafeSlow(keys * bytesAKey + SLACK_BYTES);
    this.starts = new Uint32Array(keys + 1);
    this.hashes = new Uint32Array(keys);
  }

  static of(keys: Iterable<string>): KeyColumn {
    const column = new KeyColumn();
    for (const key of keys) column.push(key);
    return column;
  }

  get count(): number {
    return this.#count;
  }

  /** @param key a binary string @throws {RangeError} a char code is above 255; nothing is added */
  push(key: string): void {
    const { length } = key;
    this.#reserve(length);
    const { bytes } = this;
    const at = this.starts[this.#count]!;
    let hash = HASH_SEED;
    let seen = 0;
    for (let i = 0; i < length; i++) {
      const code = key.charCodeAt(i);
      seen |= code;
      bytes[at + i] = code;
      hash = hashByte(hash, code);
    }
    if (seen > 255) throw new RangeError(`not a binary string (a char code above 255): ${JSON.stringify(key)}`);
    this.#added(length, finishHash(hash));
  }

  /** Adds the key `from[start]` up to `from[end]`. */
  pushBytes(from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.#reserve(length);
    const { bytes } = this;
    const at = this.starts[this.#count]!;
    let hash = HASH_SEED;
    for (let i = 0; i < length; i++) {
      const byte = from[start + i]!;
      bytes[at + i] = byte;
      hash = hashByte(hash, byte);
    }
    this.#added(length, finishHash(hash));
  }

  /** Adds the key of a first byte, `from[start]` up to `from[end]`, and a last byte. */
  pushFramed(first: number, from: Uint8Array, start: number, end: number, last: number): void {
    const length = end - start;
    this.#reserve(length + 2);
    const { bytes } = this;
    const at = this.starts[this.#count]!;
    bytes[at] = first;
    let hash = hashByte(HASH_SEED, first);
    for (let i = 0; i < length; i++) {
      const byte = from[start + i]!;
      bytes[at + 1 + i] = byte;
      hash = hashByte(hash, byte);
    }
    bytes[at + 1 + length] = last;
    this.#added(length + 2, finishHash(hashByte(hash, last)));
  }

  /** Adds a key of two parts: `prefix`, then `from[start]` up to `from[end]`. */
  pushPrefixed(prefix: Uint8Array, from: Uint8Array, start: number, end: number): void {
    const length = prefix.length + end - start;
    this.#reserve(length);
    const { bytes } = this;
    let at = this.starts[this.#count]!;
    let hash = HASH_SEED;
    for (let i = 0; i < prefix.length; i++) {
      const byte = prefix[i]!;
      bytes[at++] = byte;
      hash = hashByte(hash, byte);
    }
    for (let i = start; i < end; i++) {
      const byte = from[i]!;
      bytes[at++] = byte;
      hash = hashByte(hash, byte);
    }
    this.#added(length, finishHash(hash));
  }

  /** Adds key i of another column. */
  pushFrom(other: KeyColumn, i: number): void {
    this.pushHashed(other.bytes, other.starts[i]!, other.starts[i + 1]!, other.hashes[i]!);
  }

  /** As {@link pushBytes}, where the hash is known. */
  pushHashed(from: Buffer, start: number, end: number, hash: number): void {
    const length = end - start;
    this.#reserve(length);
    const { bytes } = this;
    const at = this.starts[this.#count]!;
    // Keys are short: a call into native code would cost more than the loop.
    for (let i = 0; i < length; i++) bytes[at + i] = from[start + i]!;
    this.#added(length, hash);
  }

  /** Adds all keys of another column. */
  append(other: KeyColumn): void {
    const { count } = this;
    const length = other.starts[other.count]!;
    this.#reserve(length, other.count);
    const at = this.starts[count]!;
    this.bytes.set(other.bytes.subarray(0, length), at);
    this.hashes.set(other.hashes.subarray(0, other.count), count);
    for (let i = 1; i <= other.count; i++) this.starts[count + i] = at + other.starts[i]!;
    this.#count = count + other.count;
  }

  /** Takes the last key away. */
  pop(): void {
    this.truncate(this.#count - 1);
  }

  /** Keeps the first `count` keys. */
  truncate(count: number): void {
    if (!(count >= 0 && count <= this.#count)) throw new RangeError(`${count} of ${this.#count} keys`);
    this.#count = count;
  }

  /** Key i as a binary string. */
  text(i: number): string {
    const start = this.starts[i]!;
    const length = this.starts[i + 1]! - start;
    if (length <= SLACK_BYTES) return latin1At(this.bytes, start, length);
    return this.bytes.toString('latin1', start, start + length);
  }

  /** Every key as a binary string. */
  texts(): string[] {
    return Array.from({ length: this.#count }, (_, i) => this.text(i));
  }

  #added(length: number, hash: number): void {
    const i = this.#count++;
    this.hashes[i] = hash;
    this.starts[i + 1] = this.starts[i]! + length;
  }

  /** Makes room for more keys of so many bytes together. */
  #reserve(length: number, keys = 1): void {
    const i = this.#count;
    if (i + keys > this.hashes.length) {
      const capacity = Math.max(16, i * 2, i + keys);
      this.hashes = grown(this.hashes, new Uint32Array(capacity));
      this.starts = grown(this.starts, new Uint32Array(capacity + 1));
    }
    const needed = this.starts[i]! + length + SLACK_BYTES;
    if (needed > this.bytes.length) {
      this.bytes = grown(this.bytes, Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2)));
    }
  }
}

const scratch = new KeyColumn(1, 64);

/** A column of this key alone, until the next call. */
export function columnOf(key: string): KeyColumn {
  scratch.truncate(0);
  scratch.push(key);
  return scratch;
}
