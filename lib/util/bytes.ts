/**
 * Bytes in and out: a growing writer and a reader over one array, for the formats Misa persists. Integers are little
 * endian; a varint is LEB128 of at most 32 bits, seven bits a byte, least first. Text is 'latin1': one byte a character.
 * Neither class checks what its caller's checksum has already vouched for, except that a read past the end throws.
 */

const MAX_U32 = 0xffffffff;

/** An array that grows as it is written. Reuse one with {@link ByteWriter.reset} rather than make many. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  /** @param capacity bytes to begin with */
  constructor(capacity = 1024) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(capacity, 16));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** An unsigned 32-bit integer. @throws {RangeError} it does not fit: nothing is written that would be read as another */
  u32(value: number): void {
    if (!(value >= 0 && value <= MAX_U32)) throw new RangeError(`${value} does not fit 32 bits`);
    this.#reserve(4);
    const bytes = this.#bytes;
    const at = this.#length;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.#length = at + 4;
  }

  /** An unsigned 16-bit integer. */
  u16(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#length++] = value;
    this.#bytes[this.#length++] = value >>> 8;
  }

  /** An unsigned 16-bit integer, big endian. */
  u16be(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#length++] = value >>> 8;
    this.#bytes[this.#length++] = value;
  }

  /** An unsigned 32-bit integer, big endian. */
  u32be(value: number): void {
    this.#reserve(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  /** A double, big endian. */
  f64be(value: number): void {
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleBE(value, this.#length);
  }

  /** An integer in 0 .. 2^32 - 1, in one to five bytes. @throws {RangeError} it does not fit */
  varint(value: number): void {
    if (!(value >= 0 && value <= MAX_U32)) throw new RangeError(`${value} does not fit 32 bits`);
    this.#reserve(5);
    const bytes = this.#bytes;
    let at = this.#length;
    let rest = value;
    while (rest > 127) {
      bytes[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  /**
   * Characters `from` .. of a binary string, one byte each.
   * @throws {RangeError} a char code is above 255: nothing is written that would be read as another text
   */
  latin1(text: string, from = 0): void {
    const count = text.length - from;
    this.#reserve(count);
    const bytes = this.#bytes;
    const base = this.#length - from;
    let seen = 0;
    for (let i = from; i < text.length; i++) {
      const code = text.charCodeAt(i);
      seen |= code;
      bytes[base + i] = code;
    }
    if (seen > 255) throw new RangeError(`not a binary string (a char code above 255): ${JSON.stringify(text)}`);
    this.#length += count;
  }

  bytes(source: Uint8Array): void {
    this.#reserve(source.length);
    this.#bytes.set(source, this.#length);
    this.#length += source.length;
  }

  /** Bytes `start` up to `end` of another array, few of them mostly. */
  copy(source: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.#reserve(count);
    const bytes = this.#bytes;
    const at = this.#length;
    // A call into native code takes longer than this for a short one.
    if (count > 64) bytes.set(source.subarray(start, end), at);
    else for (let i = 0; i < count; i++) bytes[at + i] = source[start + i]!;
    this.#length = at + count;
  }

  /** Room for at most so many bytes, to be written from {@link length} on; then {@link advance}. */
  room(most: number): Buffer {
    this.#reserve(most);
    return this.#bytes;
  }

  /** What was written to {@link room} ends there. */
  advance(to: number): void {
    this.#length = to;
  }

  /** What was written, as a view: valid until the next write or reset. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was written and keeps the memory. */
  reset(): void {
    this.#length = 0;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Reads what {@link ByteWriter} wrote. `at` may be set freely. */
export class ByteReader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = asBuffer(bytes);
    this.at = at;
  }

  /** Bytes left. */
  get left(): number {
    return this.#bytes.length - this.at;
  }

  u8(): number {
    this.#need(1);
    return this.#bytes[this.at++]!;
  }

  u32(): number {
    this.#need(4);
    const value = readU32(this.#bytes, this.at);
    this.at += 4;
    return value;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    return value >>> 0;
  }

  /** A binary string of `length` characters. */
  latin1(length: number): string {
    this.#need(length);
    const from = this.at;
    this.at += length;
    return this.#bytes.toString('latin1', from, this.at);
  }

  /** The next `length` bytes, as a view. */
  bytes(length: number): Uint8Array {
    this.#need(length);
    const from = this.at;
    this.at += length;
    return this.#bytes.subarray(from, this.at);
  }

  /** Passes over `length` bytes. @returns where they end */
  skip(length: number): number {
    this.#need(length);
    this.at += length;
    return this.at;
  }

  #need(length: number): void {
    if (length > this.left) throw new RangeError(`${length} bytes wanted at ${this.at}, ${this.left} left`);
  }
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The unsigned 32-bit integer at `at`; whether it is within the array is the caller's to know. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/**
 * The binary string of the first `length` bytes of `scratch`, which is at least 16 bytes long. Short ones are made in
 * JavaScript, in half the 80 ns that a call into Node's native decoder takes; a scan makes one for every key.
 */
export function latin1Prefix(scratch: Buffer, length: number): string {
  return length > 16 ? scratch.toString('latin1', 0, length) : latin1At(scratch, 0, length);
}

/** The binary string of at most 16 bytes at `at`, behind which 16 bytes are within the array. */
export function latin1At(bytes: Uint8Array, at: number, length: number): string {
  const sixteen = String.fromCharCode(
    bytes[at]!,
    bytes[at + 1]!,
    bytes[at + 2]!,
    bytes[at + 3]!,
    bytes[at + 4]!,
    bytes[at + 5]!,
    bytes[at + 6]!,
    bytes[at + 7]!,
    bytes[at + 8]!,
    bytes[at + 9]!,
    bytes[at + 10]!,
    bytes[at + 11]!,
    bytes[at + 12]!,
    bytes[at + 13]!,
    bytes[at + 14]!,
    bytes[at + 15]!,
  );
  return sixteen.slice(0, length);
}

/** Less than 0: the bytes `a[startA]` up to `a[endA]` come before those of `b`. */
export function compareBytes(
  a: Uint8Array,
  startA: number,
  endA: number,
  b: Uint8Array,
  startB: number,
  endB: number,
): number {
  const least = Math.min(endA - startA, endB - startB);
  for (let i = 0; i < least; i++) {
    const difference = a[startA + i]! - b[startB + i]!;
    if (difference !== 0) return difference;
  }
  return endA - startA - (endB - startB);
}
