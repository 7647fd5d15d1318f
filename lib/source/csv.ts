/**
 * CSV and TSV as in RFC 4180: cells may be quoted, quoted cells may hold separators, newlines and doubled quotes. The
 * framing is ours, not a library's, because every row needs its exact line, offset and ordinal, rows that were planned
 * are passed over undecoded, and one damaged quote must cost one line, not the rest of the file.
 */
import { InputError } from '../errors.ts';
import { cellValue, declaredCell } from './csv-cells.ts';
import type { CsvLayout } from './csv-layout.ts';
import type { DeclaredFields } from './declared-fields.ts';
import { HARMLESS_CHARS, MAX_PROPERTIES, rowFault } from './row-limits.ts';
import { BadRecord, type TextFormat } from './text-format.ts';

/** Longest record, bytes. Also how far a quote that is never closed is followed. */
export const MAX_CSV_RECORD_BYTES = 4 * 1024 * 1024;

export interface CsvOptions {
  readonly path: string;
  /** One ASCII character. */
  readonly delimiter: string;
  /** See {@link CsvLayout}. Default: the first line is the header. */
  readonly header?: CsvLayout['header'];
  readonly fields?: DeclaredFields | undefined;
  readonly maxBytes?: number;
}

/**
 * Rows are objects by the header's names. Empty lines are no rows. A row with more or fewer cells than there are names is a
 * bad one; where nothing names the columns, a row has as many as it has cells.
 */
export function csvFormat(options: CsvOptions): TextFormat {
  const { path, delimiter, header, fields, maxBytes = MAX_CSV_RECORD_BYTES } = options;
  let columns = header === false ? undefined : header;
  const unnamed = header === false;
  const namedBy = header === undefined ? 'the header has' : 'the job names';
  /** Of the declared fields. */
  let places: readonly number[] | undefined;
  const countFault = (cells: number): string | undefined => {
    if (columns === undefined)
      return cells > MAX_PROPERTIES ? `${cells} cells; at most ${MAX_PROPERTIES} are read` : undefined;
    return cells === columns.length ? undefined : `${cells} cells, but ${namedBy} ${columns.length}`;
  };
  return {
    maxBytes,
    framesBytes: true,
    get needsHeader() {
      return columns === undefined && !unnamed;
    },
    checkStart(text) {
      // No quote and no LF before it: a lone CR ends the first line.
      if (/^[^"\n\r]*\r[^\n]/.test(text)) throw crOnly(path);
    },
    recordEnd(text, at, last) {
      const newline = text.indexOf('\n', at);
      const lineEnd = newline < 0 && last ? text.length : newline;
      if (!text.slice(at, newline < 0 ? text.length : newline).includes('"')) return lineEnd;
      const end = quotedRecordEnd(text, at, delimiter, last);
      if (end >= 0 && end - at <= maxBytes) return end;
      const open = end === RAN_OUT && !last && text.length - at <= maxBytes;
      return open ? -1 : lineEnd; // a damaged quote: the line alone is the record
    },
    isBlank: (text, at, end) => end === at || (end === at + 1 && text[at] === '\r'),
    takeHeader(record) {
      const cells = splitRecord(record, delimiter);
      columns = columnNames(cells instanceof BadRecord ? cells.reason : cells, path);
    },
    parse(record) {
      const cells = splitRecord(record, delimiter);
      if (cells instanceof BadRecord) return cells;
      const fault = countFault(cells.length);
      if (fault !== undefined) return new BadRecord(fault);
      if (fields !== undefined) {
        places ??= fields.list.map(({ name }) => columns?.indexOf(name) ?? placeOf(name));
        return declaredRow(record, cells, places, fields);
      }
      const row: Record<string, unknown> = {};
      for (let i = 0; i < cells.length; i++) row[columns?.[i] ?? unnamedColumn(i)] = cellValue(cells[i]!);
      return row;
    },
  };
}

function crOnly(path: string): InputError {
  const advice = `Convert it: tr '\\r' '\\n' < FILE > NEW_FILE.`;
  return new InputError('INPUT_FORMAT', `Lines of ${path} end with CR alone; LF or CRLF is needed. ${advice}`, path);
}

const RAN_OUT = -1;
const DAMAGED = -2;

/** End of a record that holds quotes: index of its newline (or the text's end), `RAN_OUT` or `DAMAGED`. */
function quotedRecordEnd(text: string, begin: number, delimiter: string, last: boolean): number {
  for (let at = begin; ; at++) {
    if (text[at] === '"') {
      at = afterQuotes(text, at);
      if (at < 0) return RAN_OUT;
      if (text[at] === '\r' && (text[at + 1] === '\n' || at + 1 === text.length)) at++;
    } else {
      while (at < text.length && text[at] !== delimiter && text[at] !== '\n') at++;
    }
    if (at >= text.length) return last ? text.length : RAN_OUT;
    if (text[at] === '\n') return at;
    if (text[at] !== delimiter) return DAMAGED;
  }
}

/** The index after the quote that closes the cell opened at `at`, or -1. */
function afterQuotes(text: string, at: number): number {
  let quote = text.indexOf('"', at + 1);
  while (quote >= 0 && text[quote + 1] === '"') quote = text.indexOf('"', quote + 2);
  return quote < 0 ? -1 : quote + 1;
}

/** The cells of a record without its LF; a CR before the LF is not part of the last one. */
function splitRecord(record: string, delimiter: string): string[] | BadRecord {
  const text = record.endsWith('\r') ? record.slice(0, -1) : record;
  if (!text.includes('"')) return text.split(delimiter);
  const cells: string[] = [];
  for (let at = 0; ; at++) {
    let end: number;
    if (text[at] === '"') {
      end = afterQuotes(text, at);
      if (end < 0) return new BadRecord(`the quote at character ${at + 1} is not closed`);
      if (end < text.length && text[end] !== delimiter) {
        return new BadRecord(`text after the closing quote at character ${end}; quotes inside a cell are doubled`);
      }
      cells.push(text.slice(at + 1, end - 1).replaceAll('""', '"'));
    } else {
      end = text.indexOf(delimiter, at);
      if (end < 0) end = text.length;
      cells.push(text.slice(at, end));
    }
    if (end >= text.length) return cells;
    at = end;
  }
}

/** The row of the cells at `places`. */
function declaredRow(
  record: string,
  cells: readonly string[],
  places: readonly number[],
  fields: DeclaredFields,
): unknown {
  const row = fields.rowOf(({ type }, i) => {
    const cell = cells[places[i]!];
    return cell === undefined ? undefined : declaredCell(cell, type);
  });
  // What JSON in a cell holds has limits, too.
  const fault = record.length > HARMLESS_CHARS && !(row instanceof BadRecord) ? rowFault(row) : undefined;
  return fault === undefined ? row : new BadRecord(fault);
}

/** The name of a column that has none. @param i its place, from 0 */
function unnamedColumn(i: number): string {
  return `column${i}`;
}

/** The place of a column that is named by it; -1: it is none. */
function placeOf(name: string): number {
  return /^column(0|[1-9]\d{0,5})$/.test(name) ? Number(name.slice('column'.length)) : -1;
}

/** Names of the columns; an empty one becomes `columnN`, from 0. */
function columnNames(cells: string[] | string, path: string): readonly string[] {
  const refuse = (why: string): InputError =>
    new InputError(
      'INPUT_FORMAT',
      `The header of ${path} cannot be used: ${why}. The first line must name the columns.`,
      path,
    );
  if (typeof cells === 'string') throw refuse(cells);
  if (cells.length > MAX_PROPERTIES) throw refuse(`it has ${cells.length} columns; at most ${MAX_PROPERTIES} are read`);
  const names = cells.map((cell, i) => (cell === '' ? unnamedColumn(i) : cell));
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) throw refuse(`two columns are called ${JSON.stringify(twice)}`);
  if (names.includes('__proto__')) throw refuse('a column is called __proto__');
  return names;
}
