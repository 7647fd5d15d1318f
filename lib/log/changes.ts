/**
 * State changes of one batch as bytes: entries of different keys, in any order (whoever folds them sorts them), each
 *
 *     key length varint | key | value length + 1 varint (0: tombstone) | value
 *
 * so that a fold merges them without decoding values.
 */
import type { KeyColumn } from '../columns/key-column.ts';
import { CorruptionError } from '../errors.ts';
import type { Entry } from '../sst/entry.ts';
import { ByteReader, type ByteWriter } from '../util/bytes.ts';
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

/** Sorted by key. @throws {CorruptionError} the bytes do not hold `count` entries of different keys */
export function decodeChanges(bytes: Uint8Array, count: number, object: string): Entry[] {
  const reader = new ByteReader(bytes);
  const entries: Entry[] = [];
  let sorted = true;
  try {
    for (let i = 0; i < count; i++) {
      const key = reader.latin1(reader.varint());
      if (i > 0 && key <= entries[i - 1]!.key) sorted = false;
      const length = reader.varint();
      entries.push({ key, value: length === 0 ? null : reader.bytes(length - 1) });
    }
    if (reader.left > 0) throw new RangeError(`${reader.left} bytes too many`);
    if (!sorted) sortByKey(entries);
  } catch (error) {
    throw new CorruptionError(object, `its state changes cannot be read (${(error as Error).message})`);
  }
  return entries;
}

/** @throws {RangeError} two are of one key */
function sortByKey(entries: Entry[]): void {
  entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  for (let i = 1; i < entries.length; i++) {
    if (entries[i]!.key === entries[i - 1]!.key) throw new RangeError('a key is there twice');
  }
}
