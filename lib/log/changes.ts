/**
 * State changes of one batch as bytes: blocks of rows whose keys begin alike (with table and time) and which are of one form. What
 * they differ in lies by column, in the order in which the batch touched them; whoever folds them sorts them.
 *
 *     rows varint | form | prefix length, one byte | prefix | key lengths | keys | values
 *
 * Values: none of rows that were deleted (form 0); lengths and bytes (form 1); width varint and so many columns of rows
 * of numbers (form 2). Columns: `number-column.ts`.
 */
import { KeyColumn } from '../columns/key-column.ts';
import { compareKeys } from '../columns/key-order.ts';
import { CorruptionError } from '../errors.ts';
import type { Entry } from '../sst/entry.ts';
import { ByteReader, ByteWriter } from '../util/bytes.ts';
import { packNumbers } from '../util/pack-numbers.ts';
import { ChangeColumns } from './change-columns.ts';
import { readNumberColumn, readPlaces, writeLengths, writeNumberColumn } from './number-column.ts';

const DELETED = 0;
const PACKED = 1;
const NUMBERS = 2;
/** Of a row, as MessagePack's arrays that follow a length of 16 bits. */
const MAX_WIDTH = 0xffff;
/** Of a block, in bytes: it comes once for each row when keys are put together. */
const MAX_PREFIX = 16;

/** Rows of a block: at least one. */
export interface BlockRows {
  /** A binary string that the keys of all begin with. */
  readonly prefix: string;
  /** The rest of the key of row i. */
  readonly keys: KeyColumn;
  /** Which rows, ascending. */
  readonly rows: readonly number[];
}

export function writeDeleted(to: ByteWriter, block: BlockRows): void {
  writeKeys(to, DELETED, block);
}

/** @param values by place in the block */
export function writePacked(to: ByteWriter, block: BlockRows, values: readonly Uint8Array[]): void {
  writeKeys(to, PACKED, block);
  writeLengths(
    to,
    Float64Array.from(values, ({ length }) => length),
  );
  for (const value of values) to.copy(value, 0, value.length);
}

/** @param numbers `width` of each row, by row */
export function writeNumbers(to: ByteWriter, block: BlockRows, numbers: Float64Array, width: number): void {
  writeKeys(to, NUMBERS, block);
  const { rows } = block;
  to.varint(width);
  const column = new Float64Array(rows.length);
  for (let c = 0; c < width; c++) {
    for (let k = 0; k < column.length; k++) column[k] = numbers[rows[k]! * width + c]!;
    writeNumberColumn(to, column);
  }
}

function writeKeys(to: ByteWriter, form: number, { prefix, keys, rows }: BlockRows): void {
  const { bytes, starts } = keys;
  const count = rows.length;
  to.varint(count);
  to.u8(form);
  if (prefix.length > MAX_PREFIX) throw new RangeError(`a prefix of ${prefix.length} bytes`);
  to.u8(prefix.length);
  to.latin1(prefix);
  const lengths = new Float64Array(count);
  for (let k = 0; k < count; k++) lengths[k] = starts[rows[k]! + 1]! - starts[rows[k]!]!;
  writeLengths(to, lengths);
  const first = rows[0]!;
  const last = rows[count - 1]!;
  if (last - first + 1 === count) to.bytes(bytes.subarray(starts[first]!, starts[last + 1]!));
  else for (const i of rows) to.copy(bytes, starts[i]!, starts[i + 1]!);
}

/** Changes that are there one by one. @param entries of different keys */
export function encodeChanges(entries: readonly Entry[]): Uint8Array {
  const to = new ByteWriter(entries.length * 32);
  const keys = KeyColumn.of(entries.map(({ key }) => key));
  const deleted = entries.flatMap(({ value }, i) => (value === null ? [i] : []));
  const packed = entries.flatMap(({ value }, i) => (value === null ? [] : [i]));
  if (deleted.length > 0) writeDeleted(to, { prefix: '', keys, rows: deleted });
  if (packed.length > 0)
    writePacked(
      to,
      { prefix: '', keys, rows: packed },
      packed.map((i) => entries[i]!.value!),
    );
  return to.view();
}

/**
 * Sorted by key; each is made when its turn comes, so that nobody holds all of them. @throws {CorruptionError} before the
 * first: the bytes do not hold `count` entries of different keys
 */
export function* decodeChanges(bytes: Uint8Array, count: number, object: string): Generator<Entry, void, undefined> {
  const changes = new ChangeColumns(2 * bytes.length);
  readChanges(changes, bytes, count, object);
  const { places, valueStarts, deleted } = changes;
  const order = changes.sorted();
  for (let i = 1; i < order.length; i++) {
    if (compareKeys(places, order[i - 1]!, order[i]!) === 0) throw keyTwice(object);
  }
  const keys = changes.keys.view();
  const values = plain(changes.values.view());
  for (const i of order) {
    const key = keys.toString('latin1', places.starts[i]!, places.ends[i]!);
    yield { key, value: deleted[i] === 1 ? null : values.subarray(valueStarts[i]!, valueStarts[i + 1]!) };
  }
}

/** Two changes of one entry are of one key: who sorts them finds that out. */
export function keyTwice(object: string): CorruptionError {
  return new CorruptionError(object, 'its state changes cannot be read (a key is there twice)');
}

/**
 * Puts the changes of a log entry behind those that are there, as they stand in it. Whether their keys differ is not looked at.
 * @throws {CorruptionError} the bytes do not hold `count` entries
 */
export function readChanges(to: ChangeColumns, bytes: Uint8Array, count: number, object: string): void {
  try {
    readBlocks(to, new ByteReader(bytes), count);
  } catch (error) {
    throw new CorruptionError(object, `its state changes cannot be read (${(error as Error).message})`);
  }
}

/** @throws {RangeError} */
function readBlocks(to: ChangeColumns, reader: ByteReader, count: number): void {
  if (count > reader.left) throw new RangeError(`${reader.left} bytes are too few for ${count}`);
  let left = count;
  while (reader.left > 0) {
    const rows = reader.varint();
    // Each row has a key of its own, of which one may be empty.
    if (rows === 0 || rows > left || rows - 1 > reader.left) throw new RangeError(`a block of ${rows} rows`);
    const form = reader.u8();
    const prefix = reader.bytes(reader.u8());
    if (prefix.length > MAX_PREFIX) throw new RangeError(`a prefix of ${prefix.length} bytes`);
    const places = readPlaces(reader, rows);
    const texts = reader.bytes(places[rows]!);
    const first = to.extend(rows);
    const { keys, keyStarts } = to;
    for (let k = 0; k < rows; k++) {
      keys.copy(prefix, 0, prefix.length);
      keys.copy(texts, places[k]!, places[k + 1]!);
      keyStarts[first + k + 1] = keys.length;
    }
    to.deleted.fill(form === DELETED ? 1 : 0, first, first + rows);
    readValues(to, first, reader, form, rows);
    left -= rows;
  }
  if (left > 0) throw new RangeError(`${count - left} of ${count} rows`);
}

function readValues(to: ChangeColumns, first: number, reader: ByteReader, form: number, rows: number): void {
  const { values, valueStarts } = to;
  if (form === DELETED) {
    valueStarts.fill(values.length, first + 1, first + rows + 1);
  } else if (form === NUMBERS) {
    packRows(to, first, reader, rows);
  } else if (form === PACKED) {
    const places = readPlaces(reader, rows);
    const base = values.length;
    values.bytes(reader.bytes(places[rows]!));
    for (let k = 1; k <= rows; k++) valueStarts[first + k] = base + places[k]!;
  } else {
    throw new RangeError(`rows of form ${form}`);
  }
}

/** Rows of numbers, each packed as an array of them. */
function packRows({ values, valueStarts }: ChangeColumns, first: number, reader: ByteReader, rows: number): void {
  const width = reader.varint();
  if (width === 0 || width > MAX_WIDTH) throw new RangeError(`rows of ${width} numbers`);
  const columns: Float64Array[] = [];
  for (let c = 0; c < width; c++) columns.push(readNumberColumn(reader, rows));
  const row = new Float64Array(width);
  for (let k = 0; k < rows; k++) {
    for (let c = 0; c < width; c++) row[c] = columns[c]![k]!;
    packNumbers(values, row, 0, width);
    valueStarts[first + k + 1] = values.length;
  }
}

/** A plain array: its subarrays are cheaper to make than Buffers. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
