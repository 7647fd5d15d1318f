/** Writes a row of numbers as `packValue` would write an array of them, byte for byte, from a slab and without an object. */
import type { ByteWriter } from './bytes.ts';
import { EXT_NEGATIVE_ZERO } from './pack-writer.ts';

/** Bytes of {@link packNumbers}. @param count at most 65,535 */
export function packedLength(numbers: Float64Array, from: number, count: number): number {
  let length = count < 0x10 ? 1 : 3;
  for (let i = from; i < from + count; i++) length += lengthOf(numbers[i]!);
  return length;
}

export function packNumbers(to: ByteWriter, numbers: Float64Array, from: number, count: number): void {
  if (count < 0x10) {
    to.u8(0x90 | count);
  } else {
    to.u8(0xdc);
    to.u16be(count);
  }
  for (let i = from; i < from + count; i++) packNumber(to, numbers[i]!);
}

function lengthOf(value: number): number {
  if (value >>> 0 === value) {
    if (value === 0) return Object.is(value, -0) ? 3 : 1;
    return value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x10000 ? 3 : 5;
  }
  if (value >> 0 === value) return value >= -0x20 ? 1 : value >= -0x80 ? 2 : value >= -0x8000 ? 3 : 5;
  return 9;
}

function packNumber(to: ByteWriter, value: number): void {
  if (value >>> 0 === value) {
    if (value === 0 && Object.is(value, -0)) {
      to.u8(0xd4);
      to.u8(EXT_NEGATIVE_ZERO);
      to.u8(0);
    } else if (value < 0x80) {
      to.u8(value);
    } else if (value < 0x100) {
      to.u8(0xcc);
      to.u8(value);
    } else if (value < 0x10000) {
      to.u8(0xcd);
      to.u16be(value);
    } else {
      to.u8(0xce);
      to.u32be(value);
    }
  } else if (value >> 0 === value) {
    if (value >= -0x20) {
      to.u8(value & 0xff);
    } else if (value >= -0x80) {
      to.u8(0xd0);
      to.u8(value & 0xff);
    } else if (value >= -0x8000) {
      to.u8(0xd1);
      to.u16be(value & 0xffff);
    } else {
      to.u8(0xd2);
      to.u32be(value >>> 0);
    }
  } else {
    to.u8(0xcb);
    to.f64be(value);
  }
}
