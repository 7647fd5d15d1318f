/**
 * Rows as Parquet columns. A column's type follows from the kind of its values alone, never from which values happened to
 * be in a batch, so that files can be read together: numbers are DOUBLE, whole ones too (INT64 where a column is declared so);
 * text is STRING; booleans BOOLEAN; objects and arrays JSON; `windowStart` and `windowEnd` TIMESTAMP in ms. All may be null.
 * A column of nulls only is left out (its type is not known), and one whose values are of several kinds is refused: such
 * columns are declared.
 */

import { cutText } from '../util/text.ts';
import { columnsOf } from './sink.ts';

/** `integer`: whole numbers. `json`: any value, as JSON text. `timestamp`: epoch ms, or text in ISO 8601. */
export const COLUMN_KINDS = ['number', 'text', 'boolean', 'timestamp', 'json', 'integer'] as const;
export type ColumnKind = (typeof COLUMN_KINDS)[number];

/** Types in Parquet. */
export const PARQUET_TYPES = {
  number: 'DOUBLE',
  integer: 'INT64',
  text: 'STRING',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP',
  json: 'JSON',
} as const;

export interface ParquetColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  /** A value a row; null where there is none. */
  readonly data: readonly unknown[];
}

/** A value that its column cannot hold; the message says which and what to do. */
export class UnfitColumn extends Error {}

const TIMES = new Set(['windowStart', 'windowEnd']);

/**
 * @param declared kinds of columns, by name: these are in every file, first and in this order
 * @throws {UnfitColumn}
 */
export function parquetColumns(
  rows: readonly unknown[],
  declared: Readonly<Record<string, ColumnKind>> = {},
): ParquetColumn[] {
  const data = new Map<string, unknown[]>();
  const column = (name: string): unknown[] => {
    const values = data.get(name) ?? new Array(rows.length).fill(null);
    data.set(name, values);
    return values;
  };
  for (const name of Object.keys(declared)) column(name);
  for (const [i, row] of rows.entries()) {
    for (const [name, value] of Object.entries(columnsOf(row))) column(name)[i] = value ?? null;
  }
  const columns: ParquetColumn[] = [];
  for (const [name, values] of data) {
    const kind = Object.hasOwn(declared, name) ? declared[name] : inferKind(name, values);
    if (kind !== undefined) columns.push({ name, kind, data: values.map((value) => stored(name, kind, value)) });
  }
  return columns;
}

/** @returns `undefined`: all are null */
function inferKind(name: string, values: readonly unknown[]): ColumnKind | undefined {
  const first = values.find((value) => value !== null);
  if (first === undefined) return undefined;
  if (TIMES.has(name)) return 'timestamp';
  return kindOf(first);
}

/** The kind of a column that has this value, as far as one value tells. */
export function kindOf(first: unknown): 'text' | 'json' | 'number' | 'boolean' {
  return typeof first === 'string'
    ? 'text'
    : typeof first === 'object'
      ? 'json'
      : (typeof first as 'number' | 'boolean');
}

/** A value as its column holds it in Parquet. @throws {UnfitColumn} */
export function stored(name: string, kind: ColumnKind, value: unknown): unknown {
  if (value === null || kind === 'json') return value;
  if (kind === 'timestamp') {
    const ms = typeof value === 'string' ? Date.parse(value) : value;
    if (Number.isSafeInteger(ms)) return BigInt(ms as number);
  } else if (kind === 'integer') {
    if (Number.isSafeInteger(value)) return BigInt(value as number);
  } else if (typeof value === (kind === 'text' ? 'string' : kind)) return value;
  const shown = cutText(JSON.stringify(value), 60);
  throw new UnfitColumn(
    `the column ${name} holds a ${kind} elsewhere, and ${shown} here. Columns must not change their type between files: ` +
      `make the job's rows alike, or declare the column (columns: { ${JSON.stringify(name)}: 'json' } takes any value)`,
  );
}
