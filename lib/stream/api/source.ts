/** Inputs of a job: their name, how their rows get event time, and what validates them. */
import { JobError } from '../../errors.ts';
import { type CsvLayout, layoutFault } from '../../source/csv-layout.ts';
import { type Fields, fieldsFault, type RowOfFields } from '../../source/fields.ts';
import { TIME_UNITS } from '../../util/epoch-ms.ts';
import type { StandardSchema } from '../graph/standard-schema.ts';
import { SourceStream } from './builder.ts';
import type { Source } from './streams.ts';
import type { EventTime, EventTimeUnit } from './time.ts';
import { type WatermarkOptions, watermarkMs } from './watermark.ts';

/** Options of {@link source}. */
export interface SourceOptions<T> extends WatermarkOptions {
  /** The row's event time. Needed by windows, `within` and event-time timers. */
  readonly eventTime?: ((row: T) => EventTime | null | undefined) | undefined;
  /**
   * What numbers are that `eventTime`, or `withEventTime` behind this source, gives: seconds, milliseconds, microseconds or
   * nanoseconds since the epoch. `Date` and ISO 8601 text need none. A number that means a time outside the years 0 to 9999 is a
   * bad row then. Times in results are in milliseconds all the same. With `fields` it says what numbers of `timestamp` fields
   * are; these are milliseconds in the row, and so is what `eventTime` gives. Default: milliseconds.
   */
  readonly eventTimeUnit?: EventTimeUnit | undefined;
  /** How CSV and TSV are laid out, where it is not commas (tabs in TSV) and a header line. */
  readonly csv?: CsvLayout | undefined;
}

/**
 * An input of the job, by the name that `--input NAME=…`, `misa send NAME` and `testJob().send` use. The same object may
 * be used in several places of a job; two `source()` calls of one name are refused.
 *
 * With `fields`, such as `{ user: 'string', amount: 'number', at: 'timestamp', tag: 'string?' }`, rows are objects of exactly
 * these, and `T` follows from them. Nothing else of the input is decoded, so that reading is several times faster (Parquet reads
 * only these columns). A row that lacks one, or has another type there, is bad input (`onBadRow`).
 *
 * With a `schema`, `T` is what the schema gives, and rows that fail it are bad input; with `fields`, too, it gets these rows.
 * Without either, rows are trusted to be `T`.
 * @throws {JobError} `BAD_SOURCE`: empty name, an unknown or wrong option, `delay` or `idleAfter` without `eventTime`
 */
export function source<T>(
  name: string,
  options: SourceOptions<T> & { readonly schema: StandardSchema<unknown, T>; readonly fields?: Fields | undefined },
): Source<T>;
export function source<F extends Fields>(
  name: string,
  options: SourceOptions<RowOfFields<F>> & { readonly fields: F },
): Source<RowOfFields<F>>;
export function source<T>(name: string, options?: SourceOptions<T>): Source<T>;
export function source<T>(
  name: string,
  options: SourceOptions<T> & {
    readonly schema?: StandardSchema<unknown, T> | undefined;
    readonly fields?: Fields | undefined;
  } = {},
): Source<T> {
  if (typeof name !== 'string' || name.trim() === '') throw new JobError('BAD_SOURCE', 'a source needs a name');
  const known = ['eventTime', 'eventTimeUnit', 'delay', 'idleAfter', 'fields', 'schema', 'csv'];
  for (const option of Object.keys(options)) {
    if (!known.includes(option)) {
      throw new JobError('BAD_SOURCE', `source '${name}': unknown option '${option}'; there are ${known.join(', ')}`);
    }
  }
  const { eventTime, schema, eventTimeUnit } = options;
  if (eventTime !== undefined && typeof eventTime !== 'function') {
    throw new JobError('BAD_SOURCE', `source '${name}': eventTime must be a function of the row`);
  }
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') {
    throw new JobError('BAD_SOURCE', `source '${name}': schema must be a Standard Schema (zod, valibot, arktype …)`);
  }
  if (eventTimeUnit !== undefined && !TIME_UNITS.includes(eventTimeUnit)) {
    const there = TIME_UNITS.map((unit) => `'${unit}'`).join(', ');
    throw new JobError('BAD_SOURCE', `source '${name}': eventTimeUnit must be one of ${there}`);
  }
  const { fields } = options;
  const fault =
    (options.csv === undefined ? undefined : layoutFault(options.csv)) ??
    (fields === undefined ? undefined : (fieldsFault(fields) ?? unitFault(fields, eventTimeUnit)));
  if (fault !== undefined) throw new JobError('BAD_SOURCE', `source '${name}': ${fault}`);
  const csv = options.csv === undefined ? undefined : ownLayout(options.csv);
  const watermark = watermarkMs(options, `source '${name}'`);
  if (eventTime === undefined && (options.delay !== undefined || options.idleAfter !== undefined)) {
    throw new JobError('BAD_SOURCE', `source '${name}': delay and idleAfter need eventTime`);
  }
  const read = { csv, eventTimeUnit, fields: fields === undefined ? undefined : { ...fields } };
  return new SourceStream<T>(name, { kind: 'source', inputs: [], name, schema, eventTime, ...read, ...watermark });
}

/** Where fields are declared, only timestamps among them have a unit: saying one of nothing is a slip. */
function unitFault(fields: Fields, unit: EventTimeUnit | undefined): string | undefined {
  if (unit === undefined || Object.values(fields).some((type) => type.startsWith('timestamp'))) return undefined;
  return `eventTimeUnit says what numbers of 'timestamp' fields are, and fields has none: declare the time as 'timestamp'`;
}

/** A copy: what was given may change later. */
function ownLayout({ delimiter, header }: CsvLayout): CsvLayout {
  return { delimiter, header: header === undefined || header === false ? header : [...header] };
}
