/**
 * Rows as they leave a decoder: in chunks, each row with its ordinal in the object. The ordinal counts every record, bad
 * ones too, so that (object, ordinal) names a row for ever, however the file was cut into chunks or resumed.
 */
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
  /** Decoded rows in the order of the file; `BAD_ROW` for each one in `bad`. */
  readonly rows: unknown[];
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

/** Collects the rows of one chunk; keeps line numbers only once they stop being consecutive. */
export class ChunkBuilder {
  readonly rows: unknown[] = [];
  readonly #bad: BadRow[] = [];
  readonly #start: RowPosition;
  #firstLine = 0;
  #lines: number[] | undefined;

  constructor(start: RowPosition) {
    this.#start = start;
  }

  /** @param line the line on which the record begins; 0 where the format has no lines */
  add(value: unknown, line: number): void {
    const { rows } = this;
    if (rows.length === 0) this.#firstLine = line;
    if (this.#lines !== undefined) this.#lines.push(line);
    else if (line !== 0 && line !== this.#firstLine + rows.length) {
      this.#lines = [...rows.map((_, i) => this.#firstLine + i), line];
    }
    rows.push(value);
  }

  addBad(reason: string, text: string, line: number): void {
    this.#bad.push({ index: this.rows.length, reason, text: cutText(text, BAD_TEXT_CHARS) });
    this.add(BAD_ROW, line);
  }

  /** The chunk; the builder must not be used after. */
  build(end: RowPosition, bytes: number): RowChunk {
    const firstLine = this.#firstLine;
    const lines = this.#lines;
    return {
      rows: this.rows,
      bad: this.#bad,
      firstRow: this.#start.row,
      start: this.#start,
      end,
      bytes,
      lineOf: (i) => (firstLine === 0 ? undefined : lines === undefined ? firstLine + i : lines[i]),
    };
  }
}
