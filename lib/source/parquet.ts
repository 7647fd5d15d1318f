/**
 * Parquet, one row group at a time: only its columns and one chunk of rows are in memory. Values become what the same
 * data would be in JSON, so that a job does not care which format its rows came in.
 */
import { isUtf8 } from 'node:buffer';
import {
  type AsyncBuffer,
  type FileMetaData,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetReadObjects,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { errorText, InputError } from '../errors.ts';
import { setProperty } from '../util/plain-data.ts';
import { cutText } from '../util/text.ts';
import type { DeclaredFields, DeclaredRow } from './declared-fields.ts';
import type { ObjectReader } from './input-object.ts';
import { MAX_ROW_DEPTH } from './row-limits.ts';
import { ChunkBuilder, type RowChunk, type RowRange } from './rows.ts';
import { BadRecord } from './text-format.ts';

/** Largest row group, decoded bytes. */
export const MAX_ROW_GROUP_BYTES = 1024 ** 3;

/** Read at once at the end of a file: it nearly always holds the whole footer. */
const FOOTER_BYTES = 256 * 1024;

/** Stands for a value that cannot be given until its row is made a bad one. */
class Unreadable {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

const NOT_UTF8 = new Unreadable('is not valid UTF-8');
const NOT_JSON = new Unreadable('is not valid JSON');
const NO_DATE = new Unreadable('is no date: it is beyond the year 275760');
const NO_TIME = new Unreadable('is no time: it is beyond the year 275760');
const TOO_DEEP = new Unreadable(`is nested more than ${MAX_ROW_DEPTH} levels deep`);

/** Greatest time that there is, epoch ms: 100,000,000 days. */
const MAX_TIME_MS = 8.64e15;

/** Times are epoch ms, whole, rounded down; dates are text. */
const parsers = {
  timestampFromMilliseconds: (millis) => timeOf(Number(millis)),
  timestampFromMicroseconds: (micros) => timeOf(Number(floorDivide(micros, 1_000n))),
  timestampFromNanoseconds: (nanos) => timeOf(Number(floorDivide(nanos, 1_000_000n))),
  dateFromDays: (days) => {
    const ms = days * 86_400_000;
    return Math.abs(ms) <= MAX_TIME_MS ? new Date(ms).toISOString().split('T')[0] : NO_DATE;
  },
  stringFromBytes: (bytes) => bytes && (isUtf8(bytes) ? Buffer.from(bytes).toString('utf8') : NOT_UTF8),
  jsonFromBytes: (bytes) => bytes && jsonOf(bytes),
} satisfies Partial<ParquetParsers>;

function timeOf(ms: number): number | Unreadable {
  return Math.abs(ms) <= MAX_TIME_MS ? ms : NO_TIME;
}

function jsonOf(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) return NOT_UTF8;
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as unknown;
  } catch {
    return NOT_JSON;
  }
}

/** Pages of nothing but nulls have no bytes, which is no block of any compression; writers differ in what they put there. */
const decompressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    ((input, length) => (length === 0 ? new Uint8Array(0) : decompress(input, length))) satisfies typeof decompress,
  ]),
) as typeof compressors;

/** A Parquet file that is open. */
export interface ParquetInput {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly reader: ObjectReader;
  readonly signal?: AbortSignal | undefined;
  /** Only their columns are read. */
  readonly fields?: DeclaredFields | undefined;
}

/**
 * The rows of a Parquet file. Row groups before `fromRow` are not read.
 * @param progress kept up to date: rows passed so far
 * @throws {InputError} `INPUT_TRUNCATED`, `INPUT_CORRUPT`, `INPUT_CHANGED`, `INPUT_FORMAT` (a row group over 1 GiB, a type
 * that is not supported)
 */
export async function* decodeParquet(
  input: ParquetInput,
  { fromRow, toRow, chunkRows }: RowRange,
  progress: { rows: number },
): AsyncGenerator<RowChunk> {
  const { path, fields } = input;
  const file = await bufferOf(input);
  const metadata = await readMetadata(path, file);
  const columns = columnsOf(metadata, fields);
  const names = fields?.list.map(({ name }) => name).filter((name) => columns.has(name));
  let groupStart = 0;
  for (const group of metadata.row_groups) {
    const groupRows = Number(group.num_rows);
    const groupEnd = groupStart + groupRows;
    const first = Math.max(groupStart, fromRow);
    const end = Math.min(groupEnd, toRow);
    if (first < end) {
      if (group.total_byte_size > MAX_ROW_GROUP_BYTES) throw tooLarge(path, Number(group.total_byte_size));
      progress.rows = first;
      const range = {
        file,
        metadata,
        rowStart: first,
        rowEnd: end,
        compressors: decompressors,
        parsers,
        utf8: false,
        geoparquet: false,
        ...(names === undefined ? {} : { columns: names }),
      };
      const records = await readRecords(range, names).catch((error) => {
        throw unreadable(path, first, error);
      });
      const rowBytes = Number(group.total_byte_size) / groupRows;
      for (let at = 0; at < records.length; at += chunkRows) {
        const chunk = new ChunkBuilder({ row: first + at });
        for (const record of records.slice(at, at + chunkRows)) addRow(chunk, record, columns, fields);
        progress.rows = first + at + chunk.count;
        yield chunk.build({ row: progress.rows }, Math.round(rowBytes * chunk.count));
      }
    }
    if (groupEnd >= toRow) return;
    groupStart = groupEnd;
  }
  progress.rows = groupStart;
}

/** The file as hyparquet reads it, its end held in memory: magic, length and footer are one read. */
async function bufferOf({ size, reader, signal }: ParquetInput): Promise<AsyncBuffer> {
  const endAt = Math.max(0, size - FOOTER_BYTES);
  const end = await reader.read(endAt, size - endAt, signal);
  return {
    byteLength: size,
    slice: async (from, to = size) =>
      exactly(from >= endAt ? end.subarray(from - endAt, to - endAt) : await reader.read(from, to - from, signal)),
  };
}

/** An array buffer of these bytes and no others. */
function exactly(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  const whole = buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength === buffer.byteLength;
  return whole ? buffer : new Uint8Array(bytes).buffer;
}

async function readMetadata(path: string, file: AsyncBuffer): Promise<FileMetaData> {
  const size = file.byteLength;
  const magicAt = async (at: number): Promise<string> => Buffer.from(await file.slice(at, at + 4)).toString('latin1');
  const ends = size >= 12 && (await magicAt(size - 4)) === 'PAR1';
  const begins = ends || (size >= 4 && (await magicAt(0)) === 'PAR1');
  if (size > 0 && size < 12 && !begins) throw unreadable(path, 0, 'it does not begin with PAR1');
  if (size < 12 || (begins && !ends)) {
    const advice = 'Write a file under a name that no input pattern matches and rename it when it is complete.';
    throw new InputError(
      'INPUT_TRUNCATED',
      `${path} lacks the footer of a Parquet file: it was cut off. ${advice}`,
      path,
    );
  }
  if (!begins) throw unreadable(path, 0, 'it does not begin with PAR1');
  const metadata = await parquetMetadataAsync(file, {
    parsers,
    geoparquet: false,
    initialFetchSize: FOOTER_BYTES,
  }).catch((error) => {
    throw unreadable(path, 0, error);
  });
  if (metadata.schema.some(({ name }) => name === '__proto__'))
    throw unreadable(path, 0, 'a column is called __proto__');
  const twice = nameTwice(metadata);
  if (twice !== undefined) {
    const what = `${path} has two columns called ${JSON.stringify(cutText(twice, 100))}: a row can hold only one of them.`;
    throw new InputError('INPUT_FORMAT', `${what} Write it again under other names.`, path);
  }
  return metadata;
}

/** A name that two columns, or two fields of one struct, share. */
function nameTwice({ schema }: FileMetaData): string | undefined {
  let at = 0;
  let found: string | undefined;
  const visit = (): void => {
    const names = new Set<string>();
    for (let children = schema[at++]?.num_children ?? 0; children > 0 && at < schema.length; children--) {
      const { name } = schema[at]!;
      if (names.has(name)) found ??= name;
      names.add(name);
      visit();
    }
  };
  visit();
  return found;
}

/** A range without columns has rows all the same. */
async function readRecords(
  range: Parameters<typeof parquetReadObjects>[0] & { readonly rowStart: number; readonly rowEnd: number },
  names: readonly string[] | undefined,
): Promise<Record<string, unknown>[]> {
  if (names?.length === 0) return Array.from({ length: range.rowEnd - range.rowStart }, () => ({}));
  return parquetReadObjects(range);
}

function addRow(
  chunk: ChunkBuilder,
  record: Record<string, unknown>,
  columns: ReadonlyMap<string, Column>,
  fields: DeclaredFields | undefined,
): void {
  let fault: string | undefined;
  for (const name of Object.keys(record)) {
    const given = columnValue(record[name], columns.get(name)!);
    record[name] = given;
    if (given instanceof Unreadable) fault ??= `column ${JSON.stringify(name)} ${given.why}`;
  }
  let row: DeclaredRow | BadRecord = record;
  if (fault !== undefined) row = new BadRecord(fault);
  else if (fields !== undefined) row = fields.pick(record);
  if (row instanceof BadRecord) chunk.addBad(row.reason, shown(record), 0);
  else chunk.add(row, 0);
}

function shown(record: Record<string, unknown>): string {
  return JSON.stringify(record, (_, value) =>
    value instanceof Unreadable ? '\ufffd' : typeof value === 'bigint' ? plain(value, 0) : value,
  );
}

function columnValue(value: unknown, { scale, exact, isTime }: Column): unknown {
  if (scale !== undefined && typeof value === 'number') return Number(value.toFixed(scale));
  if (exact && typeof value === 'bigint') return value;
  if (isTime && typeof value === 'number') return new Date(value);
  return plain(value, MAX_ROW_DEPTH - 1);
}

/**
 * A value as JSON would have it: an absent one is null, a bigint a number where that is exact and else decimal text,
 * bytes are base64. What cannot be given anywhere inside makes the whole value `Unreadable`.
 */
function plain(value: unknown, levels: number): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value !== 'object' || value instanceof Unreadable) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return value.getTime();
  if (levels === 0) return TOO_DEEP;
  const copy: unknown[] | Record<string, unknown> = Array.isArray(value) ? [] : {};
  for (const [name, inner] of Object.entries(value)) {
    const given = plain(inner, levels - 1);
    if (given instanceof Unreadable) return given;
    if (Array.isArray(copy)) copy.push(given);
    else setProperty(copy, name, given);
  }
  return copy;
}

/** What is to be known of a column at the top level. */
interface Column {
  /** Of decimals: they come as products with a binary rounding error. */
  readonly scale: number | undefined;
  /** 64-bit integers are given as they are: the declared field makes of them what it is. */
  readonly exact: boolean;
  /** For a declared timestamp: its values are milliseconds, whatever numbers of the source are. */
  readonly isTime: boolean;
}

function columnsOf({ schema }: FileMetaData, fields: DeclaredFields | undefined): Map<string, Column> {
  const types = new Map(fields?.list.map(({ name, type }) => [name, type]));
  const columns = new Map<string, Column>();
  let at = 1;
  const skip = (): void => {
    for (let children = schema[at++]?.num_children ?? 0; children > 0; children--) skip();
  };
  while (at < schema.length) {
    const { name, type, converted_type, logical_type, scale } = schema[at]!;
    const declared = types.get(name);
    const isTime =
      type === 'INT96' || logical_type?.type === 'TIMESTAMP' || converted_type?.startsWith('TIMESTAMP') === true;
    columns.set(name, {
      scale: converted_type === 'DECIMAL' ? (scale ?? 0) : undefined,
      exact: declared !== undefined && declared !== 'json',
      isTime: isTime && declared === 'timestamp',
    });
    skip();
  }
  return columns;
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

function tooLarge(path: string, bytes: number): InputError {
  const what = `A row group of ${path} has ${bytes} bytes; at most ${MAX_ROW_GROUP_BYTES} are read at once.`;
  return new InputError('INPUT_FORMAT', `${what} Write it again with smaller row groups.`, path);
}

function unreadable(path: string, rows: number, error: unknown): InputError {
  if (error instanceof InputError) return error;
  const why = errorText(error);
  const unsupported = /not supported|unsupported/i.test(why);
  const advice = unsupported ? 'Write it again without that.' : 'Replace it by an undamaged copy.';
  const text = `Cannot read ${path} as Parquet: ${why}. ${rows} rows before were read. ${advice}`;
  return new InputError(unsupported ? 'INPUT_FORMAT' : 'INPUT_CORRUPT', text, path, { cause: error });
}
