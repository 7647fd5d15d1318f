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
import { compareKeys, type KeyPlaces, sortKeys } from '../columns/key-order.ts';
import { CorruptionError } from '../errors.ts';
import type { Entry } from '../sst/entry.ts';
import { ByteReader, ByteWriter } from '../util/bytes.ts';
import { packNumbers } from '../util/pack-numbers.ts';
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
  const { keys, blocks, blockOf, order } = changes;
  for (const i of order) {
    const { first, values } = blocks[blockOf[i]!]!;
    const key = keys.bytes.toString('latin1', keys.starts[i]!, keys.ends[i]!);
    const k = i - first;
    yield { key, value: values?.bytes.subarray(values.places[k]!, values.places[k + 1]!) ?? null };
  }
}

/** Rows of all blocks, one after the other, and their order by key. */
interface SortedChanges {
  /** Prefixes and all. */
  readonly keys: KeyPlaces & { readonly bytes: Buffer };
  readonly blocks: readonly Block[];
  /** Of each row. */
  readonly blockOf: Uint32Array;
  readonly order: Int32Array;
}

interface Block {
  /** Number of its first row. */
  readonly first: number;
  /** `undefined`: its rows are deleted. */
  readonly values: Values | undefined;
}

/** Packed rows: row i of the block from place i up to the next. */
interface Values {
  readonly bytes: Uint8Array;
  readonly places: Uint32Array;
}

/** @throws {RangeError} */
function readChanges(bytes: Uint8Array, count: number): SortedChanges {
  if (count > bytes.length) throw new RangeError(`${bytes.length} bytes are too few for ${count}`);
  const reader = new ByteReader(bytes);
  const texts = new ByteWriter(bytes.length);
  const starts = new Uint32Array(count);
  const ends = new Uint32Array(count);
  const blockOf = new Uint32Array(count);
  const blocks: Block[] = [];
  let first = 0;
  while (reader.left > 0) {
    const rows = reader.varint();
    // Each row has a key of its own, of which one may be empty.
    if (rows === 0 || rows > count - first || rows - 1 > reader.left) throw new RangeError(`a block of ${rows} rows`);
    const form = reader.u8();
    const prefix = reader.bytes(reader.u8());
    if (prefix.length > MAX_PREFIX) throw new RangeError(`a prefix of ${prefix.length} bytes`);
    const places = readPlaces(reader, rows);
    const keys = reader.bytes(places[rows]!);
    for (let k = 0; k < rows; k++) {
      starts[first + k] = texts.length;
      texts.copy(prefix, 0, prefix.length);
      texts.copy(keys, places[k]!, places[k + 1]!);
      ends[first + k] = texts.length;
    }
    blockOf.fill(blocks.length, first, first + rows);
    blocks.push({ first, values: readValues(reader, form, rows) });
    first += rows;
  }
  if (first !== count) throw new RangeError(`${first} of ${count} rows`);
  const keys = { bytes: texts.view(), starts, ends };
  return { keys, blocks, blockOf, order: sortDistinct(keys) };
}

/** @throws {RangeError} two are of one key */
function sortDistinct(keys: KeyPlaces): Int32Array {
  const order = Int32Array.from(keys.starts, (_, i) => i);
  let ascending = 1;
  while (ascending < order.length && compareKeys(keys, ascending - 1, ascending) < 0) ascending++;
  if (ascending >= order.length) return order;
  sortKeys(order, keys);
  for (let i = 1; i < order.length; i++) {
    if (compareKeys(keys, order[i - 1]!, order[i]!) === 0) throw new RangeError('a key is there twice');
  }
  return order;
}

/** @returns `undefined`: the rows are deleted */
function readValues(reader: ByteReader, form: number, rows: number): Values | undefined {
  if (form === DELETED) return undefined;
  if (form === NUMBERS) return packRows(reader, rows);
  if (form !== PACKED) throw new RangeError(`rows of form ${form}`);
  const places = readPlaces(reader, rows);
  return { bytes: plain(reader.bytes(places[rows]!)), places };
}

/** Rows of numbers, each packed as an array of them. */
function packRows(reader: ByteReader, rows: number): Values {
  const width = reader.varint();
  if (width === 0 || width > MAX_WIDTH) throw new RangeError(`rows of ${width} numbers`);
  const columns: Float64Array[] = [];
  for (let c = 0; c < width; c++) columns.push(readNumberColumn(reader, rows));
  const packed = new ByteWriter(rows * (1 + 6 * width));
  const places = new Uint32Array(rows + 1);
  const row = new Float64Array(width);
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < width; c++) row[c] = columns[c]![i]!;
    packNumbers(packed, row, 0, width);
    places[i + 1] = packed.length;
  }
  return { bytes: plain(packed.view()), places };
}

/** A plain array: its subarrays are cheaper to make than Buffers. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
