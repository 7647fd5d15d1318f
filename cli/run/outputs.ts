/** Options about results: where they go, and in which form. */

import {
  checkOutputOptions,
  type OutputFormat,
  type OutputLayout,
  type OutputOptions,
} from '../../lib/embedded/output/settings.ts';
import { JobError } from '../../lib/errors.ts';
import { COLUMN_KINDS, type ColumnKind } from '../../lib/sinks/parquet-columns.ts';
import { duration } from '../../lib/util/duration.ts';
import { UsageError } from '../failure.ts';

/** As commander gives them. */
export interface OutputArguments {
  readonly output?: readonly string[];
  readonly outputFormat?: OutputFormat;
  readonly outputLayout?: OutputLayout;
  readonly outputColumns?: readonly string[];
  readonly tableKey?: string;
  readonly withBatch?: boolean;
  readonly rollBytes?: string;
  readonly rollInterval?: string;
  readonly outputBegin?: 'first' | 'kept';
}

export interface ParsedOutput {
  /** A directory, or `-`: standard output; `undefined`: not given. */
  readonly place: string | undefined;
  readonly options: OutputOptions;
}

/** `--output table`: results that are tables are kept as tables, in the default directory. */
const TABLE = 'table';
/** Of `--output table` alone. */
const TABLE_PLACE = 'results';

/** @throws {UsageError} */
export function parseOutput(args: OutputArguments): ParsedOutput {
  const given = args.output ?? [];
  if (given.includes('')) throw new UsageError('--output: name a directory, or - for standard output');
  const table = given.includes(TABLE);
  const places = [...new Set(given.filter((one) => one !== TABLE))];
  if (places.length > 1) {
    throw new UsageError(
      `--output: results go to one place, not to ${places.join(' and ')}. Run again with another --output: it gets them all, too`,
    );
  }
  const options: OutputOptions = {
    layout: args.outputLayout,
    format: args.outputFormat,
    rollBytes: args.rollBytes === undefined ? undefined : bytes(args.rollBytes),
    rollIntervalMs: args.rollInterval === undefined ? undefined : milliseconds(args.rollInterval),
    withBatch: args.withBatch,
    begin: args.outputBegin,
    table: table || args.tableKey !== undefined ? true : undefined,
    tableKey: args.tableKey?.split(',').map((name) => name.trim()),
    columns: args.outputColumns === undefined ? undefined : Object.fromEntries(args.outputColumns.flatMap(columns)),
  };
  try {
    checkOutputOptions(options);
  } catch (error) {
    throw error instanceof JobError ? new UsageError(error.message) : error;
  }
  const place = places[0] ?? (table ? TABLE_PLACE : undefined);
  const asked = Object.values(options).some((value) => value !== undefined);
  if (asked && (place === undefined || place === '-')) {
    throw new UsageError('the form of results is that of files: name a directory with --output DIR');
  }
  return { place, options };
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  kib: 1 << 10,
  mib: 1 << 20,
  gib: 1 << 30,
};

function bytes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text) ?? [];
  const factor = Object.hasOwn(UNITS, unit?.toLowerCase() ?? '-') ? UNITS[unit!.toLowerCase()]! : Number.NaN;
  const value = Math.round(Number(number) * factor);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new UsageError(`--roll-bytes: '${text}' is no size: write a number of bytes, or such as 64MB`);
  }
  return value;
}

function milliseconds(text: string): number {
  try {
    const ms = duration(text);
    if (ms >= 1) return ms;
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
  }
  throw new UsageError(
    `--roll-interval: '${text}' is no length of time: write a number and a unit, such as '30 s' or '10 min'`,
  );
}

function columns(text: string): [name: string, kind: ColumnKind][] {
  return text.split(',').map((one) => {
    const at = one.lastIndexOf('=');
    const kind = one.slice(at + 1).trim();
    if (at < 1 || !(COLUMN_KINDS as readonly string[]).includes(kind)) {
      throw new UsageError(`--output-columns: '${one}' is not COLUMN=KIND; kinds are ${COLUMN_KINDS.join(', ')}`);
    }
    return [one.slice(0, at).trim(), kind as ColumnKind];
  });
}
