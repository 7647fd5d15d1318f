/**
 * What a format of text records (NDJSON, CSV) must say for `records.ts` to cut and decode it, and how records are shown in
 * messages.
 */
import { isUtf8 } from 'node:buffer';
import type { FieldColumns } from '../columns/field-columns.ts';
import { InputError } from '../errors.ts';
import { BAD_TEXT_CHARS, type NewColumns } from './rows.ts';

/** Bytes of a bad record that are shown: enough for `BAD_TEXT_CHARS`. */
export const BAD_TEXT_BYTES = BAD_TEXT_CHARS * 4;

/** A record that `TextFormat.parse` could not decode. */
export class BadRecord {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** Reads records of one line each from bytes, where that is faster than making text of them. */
export interface RecordScanner {
  /** Where the record that was given last ends: behind its line end. */
  readonly end: number;
  /**
   * Adds the row of the record at `from`.
   * @param bytes UTF-8 that ends with a line end
   * @returns false: nothing is added, it takes {@link TextFormat.parse} to say what it is
   */
  read(bytes: Buffer, from: number, to: FieldColumns): boolean;
}

/** Records as columns. */
export interface RecordColumns {
  readonly newColumns: NewColumns;
  /** What {@link TextFormat.parse} says of most records, sooner. */
  readonly scanner: RecordScanner;
}

/** A format of text records. Records end with LF or CRLF; the last one may lack it. */
export interface TextFormat {
  /** Longest record, bytes without its newline. */
  readonly maxBytes: number;
  /** Record ends must be sought in bytes (one character each), not in decoded text. */
  readonly framesBytes: boolean;
  /**
   * How records become columns, from these bytes on, which begin with one. Left out, or `undefined`: rows are kept as they are.
   */
  readonly columns?: ((bytes: Buffer) => RecordColumns | undefined) | undefined;
  /** Still wants the first record of the file as its header. */
  readonly needsHeader: boolean;
  /** Looks at the first bytes of the file (without byte order mark). @throws {InputError} `INPUT_FORMAT` */
  checkStart(text: string): void;
  /**
   * Index of the newline that ends the record at `at`; -1 when the text ends before. The end of the text ends the last
   * record of the file.
   */
  recordEnd(text: string, at: number, last: boolean): number;
  /** No record at all. */
  isBlank(text: string, at: number, end: number): boolean;
  /** @throws {InputError} `INPUT_FORMAT` */
  takeHeader(record: string): void;
  /** The row of a record (without its LF), or a `BadRecord`. */
  parse(record: string): unknown;
}

/** The header as text. @throws {InputError} `INPUT_FORMAT` */
export function headerText(record: Buffer, maxBytes: number, path: string): string {
  const why = record.length > maxBytes ? `is too long` : 'is not UTF-8; convert the file: iconv -t UTF-8';
  if (record.length <= maxBytes && isUtf8(record)) return record.toString('utf8');
  throw new InputError('INPUT_FORMAT', `The header of ${path} ${why}.`, path);
}

/** A record as shown to people; bytes that are not UTF-8 show as U+FFFD. */
export function badText(bytes: Buffer, text: string, begin: number, end: number, utf8: boolean): string {
  if (utf8) return text.slice(begin, Math.min(end, begin + BAD_TEXT_CHARS + 1)); // cut where no pair is split, later
  return bytes.toString('utf8', begin, Math.min(end, begin + BAD_TEXT_BYTES));
}

/** Lines that a record takes, its own end included. */
export function countLines(text: string, begin: number, end: number): number {
  let lines = 1;
  for (let at = text.indexOf('\n', begin); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}

/** The first byte (from 1) that is not UTF-8: decoding replaces it, so it does not come back. */
export function badByte(record: Buffer): number {
  const shown = Buffer.from(record.toString('utf8'));
  let good = 0;
  while (shown[good] === record[good]) good++;
  return good + 1;
}
