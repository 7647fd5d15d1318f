/** Numbers as MessagePack: one, or a row of them from a slab, as `packValue` writes an array of them. */
import type { ByteWriter } from './bytes.ts';

/** Number of the extension, as the reader registers it. */
export const EXT_NEGATIVE_ZERO = 3;

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);
// Which word holds the sign depends on the machine's byte order.
float[0] = -1;
const HIGH = words[1] === 0 ? 0 : 1;
const LOW = 1 - HIGH;

/** Bytes of {@link packNumbers}. @param count at most 65,535 */
export function packedLength(numbers: Float64Array, from: number, count: number): number {
  let length = count < 0x10 ? 1 : 3;
  for (let i = from; i < from + count; i++) length += lengthOf(numbers[i]!);
  return length;
}

export function packNumbers(to: ByteWriter, numbers: Float64Array, from: number, count: number): void {
  const bytes = to.room(3 + 9 * count);
  let at = to.length;
  if (count < 0x10) {
    bytes[at++] = 0x90 | count;
  } else {
    bytes[at++] = 0xdc;
    at = put16(bytes, at, count);
  }
  for (let i = from; i < from + count; i++) at = packNumber(bytes, at, numbers[i]!);
  to.advance(at);
}

/**
 * Reads what {@link packNumbers} wrote.
 * @param width how many numbers there must be
 * @returns false: it is something else, or not from here (another writer's forms of numbers; `NaN`); then `to` holds anything
 */
export function unpackNumbers(
  bytes: Uint8Array,
  start: number,
  end: number,
  to: Float64Array,
  at: number,
  width: number,
): boolean {
  let from = start;
  if (width < 0x10) {
    if (bytes[from++] !== (0x90 | width)) return false;
  } else {
    if (bytes[from] !== 0xdc || ((bytes[from + 1]! << 8) | bytes[from + 2]!) !== width) return false;
    from += 3;
  }
  for (let i = 0; i < width; i++) {
    if (from >= end) return false;
    const tag = bytes[from]!;
    const length = lengthByTag[tag]!;
    if (length === 0 || from + length > end) return false;
    const value = length === 1 ? (tag << 24) >> 24 : numberAt(bytes, from, tag);
    if (Number.isNaN(value)) return false;
    to[at + i] = value;
    from += length;
  }
  return from === end;
}

/** Bytes of a number that begins with such a byte; 0: none does. */
const lengthByTag = Uint8Array.from({ length: 256 }, (_, tag) => {
  if (tag < 0x80 || tag >= 0xe0) return 1;
  return { 203: 9, 204: 2, 205: 3, 206: 5, 208: 2, 209: 3, 210: 5, 212: 3 }[tag] ?? 0;
});

/** The number at `at`, of more than one byte. */
function numberAt(bytes: Uint8Array, at: number, tag: number): number {
  switch (tag) {
    case 0xcb:
      words[HIGH] = read32(bytes, at + 1);
      words[LOW] = read32(bytes, at + 5);
      return float[0]!;
    case 0xcc:
      return bytes[at + 1]!;
    case 0xcd:
      return (bytes[at + 1]! << 8) | bytes[at + 2]!;
    case 0xce:
      return read32(bytes, at + 1) >>> 0;
    case 0xd0:
      return (bytes[at + 1]! << 24) >> 24;
    case 0xd1:
      return (((bytes[at + 1]! << 8) | bytes[at + 2]!) << 16) >> 16;
    case 0xd2:
      return read32(bytes, at + 1);
    default:
      return bytes[at + 1] === EXT_NEGATIVE_ZERO ? -0 : Number.NaN;
  }
}

function read32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function lengthOf(value: number): number {
  if (value >>> 0 === value) {
    if (value === 0) return Object.is(value, -0) ? 3 : 1;
    return value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x10000 ? 3 : 5;
  }
  if (value >> 0 === value) return value >= -0x20 ? 1 : value >= -0x80 ? 2 : value >= -0x8000 ? 3 : 5;
  return 9;
}

/** Writes one number, 9 bytes at most. @returns where it ends */
export function packNumber(bytes: Uint8Array, at: number, value: number): number {
  if (value >>> 0 === value) {
    if (value === 0 && Object.is(value, -0)) {
      bytes[at] = 0xd4;
      bytes[at + 1] = EXT_NEGATIVE_ZERO;
      bytes[at + 2] = 0;
      return at + 3;
    }
    if (value < 0x80) {
      bytes[at] = value;
      return at + 1;
    }
    if (value < 0x100) {
      bytes[at] = 0xcc;
      bytes[at + 1] = value;
      return at + 2;
    }
    bytes[at] = value < 0x10000 ? 0xcd : 0xce;
    return value < 0x10000 ? put16(bytes, at + 1, value) : put32(bytes, at + 1, value);
  }
  if (value >> 0 === value) {
    if (value >= -0x20) {
      bytes[at] = value;
      return at + 1;
    }
    if (value >= -0x80) {
      bytes[at] = 0xd0;
      bytes[at + 1] = value;
      return at + 2;
    }
    bytes[at] = value >= -0x8000 ? 0xd1 : 0xd2;
    return value >= -0x8000 ? put16(bytes, at + 1, value) : put32(bytes, at + 1, value);
  }
  bytes[at] = 0xcb;
  float[0] = value;
  return put32(bytes, put32(bytes, at + 1, words[HIGH]!), words[LOW]!);
}

function put16(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >> 8;
  bytes[at + 1] = value;
  return at + 2;
}

function put32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
  return at + 4;
}
