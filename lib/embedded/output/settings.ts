/**
 * How results are written into a directory, as plain data: what a run may ask for, checked in one place, and what a directory
 * is once it was begun. The two are told apart because a directory stays what it is: a run that asks for another form of the
 * same directory is refused, and one that asks for nothing goes on with the form that is there.
 */
import { JobError, MisaError } from '../../errors.ts';
import { COLUMN_KINDS, type ColumnKind } from '../../sinks/parquet-columns.ts';

export const FORMATS = ['ndjson', 'parquet', 'csv'] as const;
/** Format of result files. */
export type OutputFormat = (typeof FORMATS)[number];
export const LAYOUTS = ['flat', 'folders'] as const;
/** Result files all in one directory, or a folder an output. */
export type OutputLayout = (typeof LAYOUTS)[number];

/** What a run may ask for. */
export interface OutputOptions {
  /** Default: `folders` where any other option here is given, else `flat`. */
  readonly layout?: OutputLayout | undefined;
  /** Default `ndjson`. */
  readonly format?: OutputFormat | undefined;
  /** Gathers batches until their results, as NDJSON, are that many bytes. Default: a file a batch; with `rollIntervalMs` 64 MiB. */
  readonly rollBytes?: number | undefined;
  /** Gathers batches for that long at most. */
  readonly rollIntervalMs?: number | undefined;
  /** Adds the columns `_batch`, `_partition` and `_row`, which name each row and order its versions. */
  readonly withBatch?: boolean | undefined;
  /** Keeps outputs that are tables as one file of the newest row a key. */
  readonly table?: boolean | undefined;
  /** Columns that tell the rows of a table apart, where the job does not say. */
  readonly tableKey?: readonly string[] | undefined;
  /** Kinds of columns that are not to be inferred (Parquet). */
  readonly columns?: Readonly<Record<string, ColumnKind>> | undefined;
  /**
   * Of a new directory, where the store does not keep all results any more: `first` (default) refuses it, `kept` begins with
   * the first batch that is kept.
   */
  readonly begin?: 'first' | 'kept' | undefined;
}

/** The form of a directory; fixed when it is begun. */
export interface Shape {
  readonly layout: OutputLayout;
  readonly format: OutputFormat;
  readonly withBatch: boolean;
  readonly table: boolean;
  readonly tableKey: readonly string[];
  readonly columns: readonly (readonly [name: string, kind: ColumnKind])[];
}

/** The form that directories had before there was a choice, and still have when nothing is asked for. */
export const FLAT: Shape = {
  layout: 'flat',
  format: 'ndjson',
  withBatch: false,
  table: false,
  tableKey: [],
  columns: [],
};

/** @throws {JobError} `BAD_OPTIONS` */
export function checkOutputOptions(options: OutputOptions): void {
  for (const name of Object.keys(options)) {
    if (name !== 'begin' && !NAMES.includes(name))
      throw bad(`there is no option '${name}'; there are ${[...NAMES, 'begin'].join(', ')}`);
  }
  const { layout, format, rollBytes, rollIntervalMs, tableKey, columns } = options;
  oneOf('layout', layout, LAYOUTS);
  oneOf('begin', options.begin, ['first', 'kept']);
  oneOf('format', format, FORMATS);
  whole('rollBytes', rollBytes);
  whole('rollIntervalMs', rollIntervalMs);
  for (const [name, kind] of Object.entries(columns ?? {})) oneOf(`columns: ${name}`, kind, COLUMN_KINDS);
  if (
    tableKey !== undefined &&
    (!Array.isArray(tableKey) || tableKey.length === 0 || new Set(tableKey).size < tableKey.length)
  ) {
    throw bad('tableKey must be a list of different column names');
  }
  if (tableKey !== undefined && options.table !== true)
    throw bad('tableKey says how a table is kept, and no table is asked for');
  const others = asked(options).filter((what) => what !== 'layout');
  if (layout === 'flat' && others.length > 0) {
    throw bad(
      `the flat layout has one NDJSON file a batch, output and partition, and no other form: ${others.join(', ')} needs the layout with folders`,
    );
  }
}

/** The form of a new directory. */
export function shapeOf(options: OutputOptions): Shape {
  const { format = 'ndjson', withBatch = false, table = false, tableKey = [], columns = {} } = options;
  if (options.layout !== 'folders' && asked(options).every((what) => what === 'layout')) return FLAT;
  return { layout: 'folders', format, withBatch, table, tableKey, columns: Object.entries(columns) };
}

/**
 * Checks that a directory has the form that a run asks for; options that were not given are not compared.
 * @throws {MisaError} `OUTPUT_LAYOUT`
 */
export function checkShape(directory: string, found: Shape, options: OutputOptions): void {
  const wanted = shapeOf(options);
  const given = asked(options);
  const differs = (what: keyof Shape): boolean => JSON.stringify(found[what]) !== JSON.stringify(wanted[what]);
  const clash =
    given.length > 0 &&
    (differs('layout') ||
      (['format', 'withBatch', 'table', 'tableKey', 'columns'] as const).some(
        (what) => given.includes(what) && differs(what),
      ));
  if (clash) throw anotherLayout(directory, describe(found), describe(wanted));
}

export function anotherLayout(directory: string, found: string, wanted: string): MisaError {
  return new MisaError(
    'OUTPUT_LAYOUT',
    `${directory} holds ${found}, and this run asks for ${wanted}. Nothing was changed. Name another directory: all results that the store keeps are written there, from the first batch on. Or run without these options, to go on as it is.`,
  );
}

function describe({ layout, format, withBatch, table, tableKey, columns }: Shape): string {
  if (layout === 'flat') return 'results in the flat layout (NDJSON, one file a batch, output and partition)';
  return [
    `results in folders as ${format}`,
    ...(table ? [`tables${tableKey.length > 0 ? ` by ${tableKey.join(', ')}` : ''}`] : []),
    ...(withBatch ? ['batch numbers'] : []),
    ...(columns.length > 0 ? [`columns ${columns.map(([name, kind]) => `${name}=${kind}`).join(', ')}`] : []),
  ].join(', with ');
}

function asked(options: OutputOptions): (keyof OutputOptions)[] {
  return (Object.keys(options) as (keyof OutputOptions)[]).filter((what) => {
    if (!NAMES.includes(what)) return false;
    return options[what] !== undefined && options[what] !== false;
  });
}

const NAMES: readonly string[] = [
  'layout',
  'format',
  'rollBytes',
  'rollIntervalMs',
  'withBatch',
  'table',
  'tableKey',
  'columns',
] satisfies (keyof OutputOptions)[];

function oneOf(what: string, value: string | undefined, values: readonly string[]): void {
  if (value !== undefined && !values.includes(value)) {
    throw bad(`${what} must be one of ${values.join(', ')}, not ${JSON.stringify(value)}`);
  }
}

function whole(what: string, value: number | undefined): void {
  if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) {
    throw bad(`${what} must be a whole number above 0, not ${value}`);
  }
}

function bad(message: string): JobError {
  return new JobError('BAD_OPTIONS', `output: ${message}`);
}
