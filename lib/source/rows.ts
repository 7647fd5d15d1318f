/**
 * Rows as they leave a decoder: in chunks, each row with its ordinal in the object. The ordinal counts every record, bad
 * ones too, so that (object, ordinal) names a row for ever, however the file was cut into chunks or resumed.
 */
import type { FieldColumns } from '../columns/field-columns.ts';
import { cutText } from '../util/text.ts';

/** Stands in `rows` where a record could not be decoded; its reason is in `bad`. */
export const BAD_ROW: unique symbol = Symbol('bad row');

/** Longest `text` of a bad row, characters. */
export const BAD_TEXT_CHARS = 500;

/** A record that could not be decoded. */
export interface BadRow {
  /** Its place in `rows`. */
  readonly index: number;
  /** What is wrong, for people. */
  readonly reason: string;
  /** The record as it stands in the file, at most 500 characters; bytes that are not UTF-8 show as U+FFFD. */
  readonly text: string;
}

/** A place between two rows of an object. Plain data: it may be stored in a plan and given back to `openRows`. */
export interface RowPosition {
  /** Ordinal of the next row, from 0. */
  readonly row: number;
  /** Line of the file on which reading goes on, from 1. Undefined where the format has no lines. */
  readonly line?: number | undefined;
  /** Byte offset of the next record in the file. Undefined where one cannot seek: compressed files, CSV and Parquet. */
  readonly offset?: number | undefined;
}

/** Consecutive rows of one object. */
export interface RowChunk {
  readonly count: number;
  /** Decoded rows in the order of the file, the same ones each time; `BAD_ROW` for each one in `bad`. */
  readonly rows: unknown[];
  /** The same rows as columns, with a gap for each one in `bad`. `undefined`: they are not there as columns. */
  readonly columns: FieldColumns | undefined;
  readonly bad: readonly BadRow[];
  /** Ordinal of `rows[0]`, from 0. */
  readonly firstRow: number;
  /** Where this chunk begins and where the next one does. */
  readonly start: RowPosition;
  readonly end: RowPosition;
  /** Decoded bytes that these rows take in the file (for Parquet their share of the row group). */
  readonly bytes: number;
  /** The line on which `rows[i]` begins, from 1; undefined where the format has no lines. */
  lineOf(i: number): number | undefined;
}

/** Which rows a decoder gives. */
export interface RowRange {
  /** Rows before this ordinal are skipped, not decoded. */
  readonly fromRow: number;
  /** The first ordinal not wanted. `Infinity`: to the end. */
  readonly toRow: number;
  /** Most rows of a chunk. */
  readonly chunkRows: number;
}

/** Begins the columns of a chunk. @param rows how many are to be expected */
export type NewColumns = (rows: number) => FieldColumns;

/** Columns are made for so many rows at first. */
const COLUMN_ROWS = 512;

/** Collects the rows of one chunk; keeps line numbers only once they stop being consecutive. */
export class ChunkBuilder {
  readonly #rows: unknown[] = [];
  readonly #bad: BadRow[] = [];
  readonly #start: RowPosition;
  readonly #newColumns: NewColumns | undefined;
  #columns: FieldColumns | undefined;
  #firstLine = 0;
  #lines: number[] | undefined;
  #count = 0;

  /** @param newColumns rows are kept as columns; left out: as they are */
  constructor(start: RowPosition, newColumns?: NewColumns | undefined) {
    this.#start = start;
    this.#newColumns = newColumns;
  }

  get count(): number {
    return this.#count;
  }

  /** Only where rows are kept as columns: where a scanner may add a row, which is then {@link added}. */
  get columns(): FieldColumns {
    this.#columns ??= this.#newColumns!(COLUMN_ROWS);
    return this.#columns;
  }

  /** @param line the line on which the record begins; 0 where the format has no lines */
  add(value: unknown, line: number): void {
    if (this.#newColumns === undefined) this.#rows.push(value);
    else this.columns.add(value as Record<string, unknown>);
    this.added(line);
  }

  addBad(reason: string, text: string, line: number): void {
    this.#bad.push({ index: this.#count, reason, text: cutText(text, BAD_TEXT_CHARS) });
    if (this.#newColumns === undefined) this.#rows.push(BAD_ROW);
    else this.columns.addGap();
    this.added(line);
  }

  /** A row is in the columns. */
  added(line: number): void {
    const at = this.#count++;
    if (at === 0) this.#firstLine = line;
    if (this.#lines !== undefined) this.#lines.push(line);
    else if (line !== 0 && line !== this.#firstLine + at) {
      this.#lines = [...Array.from({ length: at }, (_, i) => this.#firstLine + i), line];
    }
  }

  /** The chunk; the builder must not be used after. */
  build(end: RowPosition, bytes: number): RowChunk {
    const firstLine = this.#firstLine;
    const lines = this.#lines;
    const bad = this.#bad;
    const columns = this.#columns;
    let rows = columns === undefined ? this.#rows : undefined;
    return {
      count: this.#count,
      get rows() {
        rows ??= rowsOf(columns!, bad);
        return rows;
      },
      columns: columns?.whole === false ? undefined : columns,
      bad,
      firstRow: this.#start.row,
      start: this.#start,
      end,
      bytes,
      lineOf: (i) => (firstLine === 0 ? undefined : lines === undefined ? firstLine + i : lines[i]),
    };
  }
}

function rowsOf(columns: FieldColumns, bad: readonly BadRow[]): unknown[] {
  const rows: unknown[] = [];
  let gap = 0;
  for (let i = 0; i < columns.count; i++) {
    if (bad[gap]?.index === i) {
      gap++;
      rows.push(BAD_ROW);
    } else rows.push(columns.row(i));
  }
  return rows;
}
