/**
 * What a batch has changed in one table, by column, in the order in which the addresses were first touched. Kept until an SST
 * holds it: so rows that are numbers stay together in one array.
 */
import type { KeyColumn } from '../columns/key-column.ts';
import type { Forgotten } from '../log/forgotten.ts';
import type { NotPlainError } from '../util/plain-data.ts';

/** In the place of a row: it is deleted. */
export const DELETED = Symbol('deleted');
/** In the place of a row: it is so many numbers in {@link TableChanges.numbers}. */
export const NUMBERS = Symbol('numbers');

export interface TableChanges {
  /** Number of the table. */
  readonly table: number;
  readonly keys: KeyColumn;
  readonly times: readonly number[];
  /** Plain data, {@link DELETED}, {@link NUMBERS}, or `undefined`: not changed after all. */
  readonly rows: readonly unknown[];
  /** `width` numbers for each address. */
  readonly numbers: Float64Array;
  readonly width: number;
  /** By address: bytes of the encoded row, of plain data. */
  readonly valueBytes: Uint32Array;
}

/** A batch's changes: bytes for its log entry, and columns for the tiers. */
export interface Changes {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly tables: readonly TableChanges[];
  /** How far it has forgotten: rows of earlier batches, and its own, which are not among the changes any more. */
  readonly forgotten: Forgotten;
}

/** A changed row; `row: undefined` is a tombstone. */
export interface ChangedRow {
  readonly table: number;
  readonly time: number;
  readonly key: string;
  readonly row: unknown;
}

/** A value of a table that is no plain data. */
export class UnstorableError extends Error {
  readonly table: number;
  declare readonly cause: NotPlainError;

  constructor(table: number, cause: NotPlainError) {
    super(cause.message, { cause });
    this.table = table;
  }
}

/** The changed row at index `i`; `undefined`: it is deleted. */
export function changedRow({ rows, numbers, width }: Omit<TableChanges, 'valueBytes'>, i: number): unknown {
  const row = rows[i];
  if (row === NUMBERS) return Array.from(numbers.subarray(i * width, (i + 1) * width));
  return row === DELETED ? undefined : row;
}

/** Each row that is changed. */
export function* changedRows(tables: readonly TableChanges[]): IterableIterator<ChangedRow> {
  for (const changes of tables) {
    const { table, keys, times, rows } = changes;
    for (let i = 0; i < keys.count; i++) {
      if (rows[i] !== undefined) yield { table, time: times[i]!, key: keys.text(i), row: changedRow(changes, i) };
    }
  }
}
