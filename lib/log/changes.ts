/**
 * State changes of one batch as bytes: entries of different keys, in any order (whoever folds them sorts them), each
 *
 *     key length varint | key | value length + 1 varint (0: tombstone) | value
 *
 * so that a fold merges them without decoding values.
 */
import type { KeyColumn } from '../columns/key-column.ts';
import { compareKeys, type KeyPlaces, sortKeys } from '../columns/key-order.ts';
import { CorruptionError } from '../errors.ts';
import type { Entry } from '../sst/entry.ts';
import { asBuffer, ByteReader, type ByteWriter } from '../util/bytes.ts';
import { packedLength, packNumbers } from '../util/pack-numbers.ts';

/** @param value `null`: the key was deleted */
export function writeChange(to: ByteWriter, key: string, value: Uint8Array | null): void {
  to.varint(key.length);
  to.latin1(key);
  writeValue(to, value);
}

/** As {@link writeChange}, where the key is a prefix and key i of a column. */
export function writeRow(
  to: ByteWriter,
  prefix: Uint8Array,
  keys: KeyColumn,
  i: number,
  value: Uint8Array | null,
): void {
  writeKey(to, prefix, keys, i);
  writeValue(to, value);
}

/** A row of numbers. @returns bytes of the value */
export function writeNumbers(
  to: ByteWriter,
  prefix: Uint8Array,
  keys: KeyColumn,
  i: number,
  numbers: Float64Array,
  from: number,
  count: number,
): number {
  writeKey(to, prefix, keys, i);
  const length = packedLength(numbers, from, count);
  to.varint(length + 1);
  packNumbers(to, numbers, from, count);
  return length;
}

function writeKey(to: ByteWriter, prefix: Uint8Array, { bytes, starts }: KeyColumn, i: number): void {
  const start = starts[i]!;
  const end = starts[i + 1]!;
  to.varint(prefix.length + end - start);
  to.copy(prefix, 0, prefix.length);
  to.copy(bytes, start, end);
}

function writeValue(to: ByteWriter, value: Uint8Array | null): void {
  if (value === null) {
    to.varint(0);
  } else {
    to.varint(value.length + 1);
    to.bytes(value);
  }
}

/**
 * Sorted by key; each is made when its turn comes, so that a fold does not hold all of them. @throws {CorruptionError} before the
 * first: the bytes do not hold `count` entries of different keys
 */
export function* decodeChanges(bytes: Uint8Array, count: number, object: string): Generator<Entry, void, undefined> {
  let changes: SortedChanges;
  try {
    changes = readChanges(bytes, count);
  } catch (error) {
    throw new CorruptionError(object, `its state changes cannot be read (${(error as Error).message})`);
  }
  const { keys, valueStarts, valueEnds, order } = changes;
  // A plain array: its subarrays, the values, are cheaper to make than Buffers.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const i of order) {
    const key = keys.bytes.toString('latin1', keys.starts[i]!, keys.ends[i]!);
    const start = valueStarts[i]!;
    const end = valueEnds[i]!;
    yield { key, value: end < start ? null : plain.subarray(start, end) };
  }
}

/** Where the changes are, and their order by key. */
interface SortedChanges {
  readonly keys: KeyPlaces & { readonly bytes: Buffer };
  readonly valueStarts: Uint32Array;
  /** Less than the start: a tombstone. */
  readonly valueEnds: Uint32Array;
  readonly order: Int32Array;
}

/** @throws {RangeError} */
function readChanges(bytes: Uint8Array, count: number): SortedChanges {
  const reader = new ByteReader(bytes);
  if (count * 2 > bytes.length) throw new RangeError(`${bytes.length} bytes are too few for ${count}`);
  const keys = { bytes: asBuffer(bytes), starts: new Uint32Array(count), ends: new Uint32Array(count) };
  const valueStarts = new Uint32Array(count);
  const valueEnds = new Uint32Array(count);
  let sorted = true;
  for (let i = 0; i < count; i++) {
    const length = reader.varint();
    keys.starts[i] = reader.at;
    keys.ends[i] = reader.skip(length);
    if (sorted && i > 0 && compareKeys(keys, i, i - 1) <= 0) sorted = false;
    const tag = reader.varint();
    valueStarts[i] = reader.at;
    valueEnds[i] = tag === 0 ? reader.at - 1 : reader.skip(tag - 1);
  }
  if (reader.left > 0) throw new RangeError(`${reader.left} bytes too many`);
  const order = Int32Array.from(keys.starts, (_, i) => i);
  if (!sorted) sortDistinct(order, keys);
  return { keys, valueStarts, valueEnds, order };
}

/** @throws {RangeError} two are of one key */
function sortDistinct(order: Int32Array, keys: KeyPlaces): void {
  sortKeys(order, keys);
  for (let i = 1; i < order.length; i++) {
    if (compareKeys(keys, order[i - 1]!, order[i]!) === 0) throw new RangeError('a key is there twice');
  }
}
