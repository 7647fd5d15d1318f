/**
 * How rows and state values become bytes: MessagePack by msgpackr, in its plain form (no shared structures), so that each
 * value stands alone and equal values give equal bytes. Plain data goes through unchanged: null, booleans, numbers,
 * bigints of any size, strings, `Date`, `Uint8Array`, arrays, plain objects.
 */
import { Packr, Unpackr } from 'msgpackr';

const OPTIONS = {
  useRecords: false,
  variableMapSize: true,
  moreTypes: true,
  useBigIntExtension: true,
  copyBuffers: true,
};
const packr = new Packr(OPTIONS);
const unpackr = new Unpackr(OPTIONS);

/** Bytes of one value. A view into a larger buffer, valid for ever: copy only to free that buffer. */
export function packValue(value: unknown): Uint8Array {
  return packr.pack(value);
}

export function unpackValue(bytes: Uint8Array): unknown {
  return unpackr.unpack(bytes);
}

/**
 * Bytes of many rows of few shapes: property names are written once a shape. For segments, where rows are many and
 * wide; stands alone as a whole, too.
 */
export function packRows(rows: readonly unknown[]): Uint8Array {
  // A new Packr a call: record definitions must not depend on what was packed before.
  return new Packr({ useRecords: true, moreTypes: true, useBigIntExtension: true }).pack(rows);
}

export function unpackRows(bytes: Uint8Array): unknown[] {
  return new Unpackr({ useRecords: true, moreTypes: true, useBigIntExtension: true, copyBuffers: true }).unpack(bytes);
}
