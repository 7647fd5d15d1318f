/**
 * Columns of numbers as bytes: each in as few bytes a number as all of them need.
 *
 *     bytes a number (1, 2 or 4: unsigned integers; 8: doubles) | the numbers, little endian
 *
 * and lengths the same, but for those that are all equal: 0 | the length, varint.
 */
import type { ByteReader, ByteWriter } from '../util/bytes.ts';

const MAX_U32 = 0xffffffff;

export function writeNumberColumn(to: ByteWriter, values: Float64Array): void {
  let most = 0;
  let whole = true;
  for (const value of values) {
    // -0 is no integer here: it must come back as it is.
    if (value >>> 0 !== value || Object.is(value, -0)) {
      whole = false;
      break;
    }
    if (value > most) most = value;
  }
  write(to, values, whole ? bytesOf(most) : 8);
}

/** @param values at most 2^32 − 1 each */
export function writeLengths(to: ByteWriter, values: Float64Array): void {
  const first = values[0]!;
  let most = 0;
  let same = true;
  for (const value of values) {
    if (value !== first) same = false;
    if (value > most) most = value;
  }
  if (most > MAX_U32) throw new RangeError(`a length of ${most} does not fit 32 bits`);
  if (same) {
    to.u8(0);
    to.varint(first);
  } else {
    write(to, values, bytesOf(most));
  }
}

/** @throws {RangeError} */
export function readNumberColumn(from: ByteReader, count: number): Float64Array {
  const width = from.u8();
  return read(from, count, width);
}

/**
 * Lengths as places: length i is from `[i]` up to `[i + 1]`.
 * @returns `count` + 1 of them, ascending, beginning with 0 @throws {RangeError} there are not so many bytes behind them
 */
export function readPlaces(from: ByteReader, count: number): Uint32Array {
  const width = from.u8();
  const same = width === 0 ? from.varint() : undefined;
  const lengths = same === undefined ? read(from, count, width) : undefined;
  const places = new Uint32Array(count + 1);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const length = lengths === undefined ? same! : lengths[i]!;
    end += length;
    if (!Number.isInteger(length) || end > from.left) throw new RangeError(`${end} bytes wanted, ${from.left} left`);
    places[i + 1] = end;
  }
  return places;
}

function bytesOf(most: number): number {
  return most < 0x100 ? 1 : most < 0x10000 ? 2 : 4;
}

function write(to: ByteWriter, values: Float64Array, width: number): void {
  to.u8(width);
  const { length } = values;
  const bytes = to.room(length * width);
  const at = to.length;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, length * width);
  if (width === 1) for (let i = 0; i < length; i++) bytes[at + i] = values[i]!;
  else if (width === 2) for (let i = 0; i < length; i++) view.setUint16(2 * i, values[i]!, true);
  else if (width === 4) for (let i = 0; i < length; i++) view.setUint32(4 * i, values[i]!, true);
  else for (let i = 0; i < length; i++) view.setFloat64(8 * i, values[i]!, true);
  to.advance(at + length * width);
}

function read(from: ByteReader, count: number, width: number): Float64Array {
  if (width !== 1 && width !== 2 && width !== 4 && width !== 8) throw new RangeError(`numbers of ${width} bytes`);
  const bytes = from.bytes(count * width);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = new Float64Array(count);
  if (width === 1) values.set(bytes);
  else if (width === 2) for (let i = 0; i < count; i++) values[i] = view.getUint16(2 * i, true);
  else if (width === 4) for (let i = 0; i < count; i++) values[i] = view.getUint32(4 * i, true);
  else for (let i = 0; i < count; i++) values[i] = view.getFloat64(8 * i, true);
  return values;
}
