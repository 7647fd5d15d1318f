/**
 * State changes of one batch as bytes: entries in ascending order of key, each
 *
 *     key length varint | key | value length + 1 varint (0: tombstone) | value
 *
 * so that a fold merges them without decoding values.
 */
import { CorruptionError } from '../errors.ts';
import type { Entry } from '../sst/entry.ts';
import { ByteReader, type ByteWriter } from '../util/bytes.ts';

/** @param value `null`: the key was deleted */
export function writeChange(to: ByteWriter, key: string, value: Uint8Array | null): void {
  to.varint(key.length);
  to.latin1(key);
  if (value === null) {
    to.varint(0);
  } else {
    to.varint(value.length + 1);
    to.bytes(value);
  }
}

/** @throws {CorruptionError} the bytes do not hold `count` entries in ascending order */
export function decodeChanges(bytes: Uint8Array, count: number, object: string): Entry[] {
  const reader = new ByteReader(bytes);
  const entries: Entry[] = [];
  let previous: string | undefined;
  try {
    for (let i = 0; i < count; i++) {
      const key = reader.latin1(reader.varint());
      if (previous !== undefined && key <= previous) throw new RangeError('keys are out of order');
      previous = key;
      const length = reader.varint();
      entries.push({ key, value: length === 0 ? null : reader.bytes(length - 1) });
    }
    if (reader.left > 0) throw new RangeError(`${reader.left} bytes too many`);
  } catch (error) {
    throw new CorruptionError(object, `its state changes cannot be read (${(error as Error).message})`);
  }
  return entries;
}
