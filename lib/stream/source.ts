/** Inputs of a job: their name, how their rows get event time, and what validates them. */
import { JobError } from '../errors.ts';
import { type CsvLayout, layoutFault } from '../source/csv-layout.ts';
import { SourceStream } from './builder.ts';
import type { Source } from './streams.ts';
import { EVENT_TIME_UNITS, type EventTime, type EventTimeUnit } from './time.ts';
import { type WatermarkOptions, watermarkMs } from './watermark.ts';

/** Options of {@link source}. */
export interface SourceOptions<T> extends WatermarkOptions {
  /** The row's event time. Needed by windows, `within` and event-time timers. */
  readonly eventTime?: ((row: T) => EventTime | null | undefined) | undefined;
  /**
   * What numbers are that `eventTime`, or `withEventTime` behind this source, gives: seconds, milliseconds, microseconds or
   * nanoseconds since the epoch. `Date` and ISO 8601 text need none. A number that means a time outside the years 0 to 9999 is a
   * bad row then. Times in results are in milliseconds all the same. Default: milliseconds.
   */
  readonly eventTimeUnit?: EventTimeUnit | undefined;
  /** How CSV and TSV are laid out, where it is not commas (tabs in TSV) and a header line. */
  readonly csv?: CsvLayout | undefined;
}

/** A validator by https://standardschema.dev (zod, valibot, arktype …). It must answer synchronously. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) =>
      | { readonly value: Output; readonly issues?: undefined }
      | {
          readonly issues: ReadonlyArray<{
            readonly message: string;
            readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
          }>;
        }
      | Promise<unknown>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/**
 * An input of the job, by the name that `--input NAME=…`, `misa send NAME` and `testJob().send` use. The same object may
 * be used in several places of a job; two `source()` calls of one name are refused.
 *
 * With a `schema`, `T` is what the schema gives, and rows that fail it are bad input (`onBadRow`); without, rows are
 * trusted to be `T`.
 * @throws {JobError} `BAD_SOURCE`: empty name, an unknown or wrong option, `delay` or `idleAfter` without `eventTime`
 */
export function source<T>(
  name: string,
  options: SourceOptions<T> & { readonly schema: StandardSchema<unknown, T> },
): Source<T>;
export function source<T>(name: string, options?: SourceOptions<T>): Source<T>;
export function source<T>(
  name: string,
  options: SourceOptions<T> & { readonly schema?: StandardSchema<unknown, T> | undefined } = {},
): Source<T> {
  if (typeof name !== 'string' || name.trim() === '') throw new JobError('BAD_SOURCE', 'a source needs a name');
  const known = ['eventTime', 'eventTimeUnit', 'delay', 'idleAfter', 'schema', 'csv'];
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
  if (eventTimeUnit !== undefined && !EVENT_TIME_UNITS.includes(eventTimeUnit)) {
    const there = EVENT_TIME_UNITS.map((unit) => `'${unit}'`).join(', ');
    throw new JobError('BAD_SOURCE', `source '${name}': eventTimeUnit must be one of ${there}`);
  }
  const fault = options.csv === undefined ? undefined : layoutFault(options.csv);
  if (fault !== undefined) throw new JobError('BAD_SOURCE', `source '${name}': ${fault}`);
  const csv = options.csv === undefined ? undefined : ownLayout(options.csv);
  const watermark = watermarkMs(options, `source '${name}'`);
  if (eventTime === undefined && (options.delay !== undefined || options.idleAfter !== undefined)) {
    throw new JobError('BAD_SOURCE', `source '${name}': delay and idleAfter need eventTime`);
  }
  const read = { csv, eventTimeUnit };
  return new SourceStream<T>(name, { kind: 'source', inputs: [], name, schema, eventTime, ...read, ...watermark });
}

/** A copy: what was given may change later. */
function ownLayout({ delimiter, header }: CsvLayout): CsvLayout {
  return { delimiter, header: header === undefined || header === false ? header : [...header] };
}
