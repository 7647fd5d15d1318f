/** Inputs of a job: their name, how their rows get event time, and what validates them. */
import { JobError } from '../errors.ts';
import { SourceStream } from './builder.ts';
import type { Source } from './streams.ts';
import type { EventTime } from './time.ts';
import { type WatermarkOptions, watermarkMs } from './watermark.ts';

/** Options of {@link source}. */
export interface SourceOptions<T> extends WatermarkOptions {
  /** The row's event time. Needed by windows, `within` and event-time timers. */
  readonly eventTime?: ((row: T) => EventTime | null | undefined) | undefined;
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
 * @throws {JobError} `BAD_SOURCE`: empty name, `delay` or `idleAfter` without `eventTime`
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
  const known = ['eventTime', 'delay', 'idleAfter', 'schema'];
  for (const option of Object.keys(options)) {
    if (!known.includes(option)) {
      throw new JobError('BAD_SOURCE', `source '${name}': unknown option '${option}'; there are ${known.join(', ')}`);
    }
  }
  const { eventTime, schema } = options;
  if (eventTime !== undefined && typeof eventTime !== 'function') {
    throw new JobError('BAD_SOURCE', `source '${name}': eventTime must be a function of the row`);
  }
  if (schema !== undefined && typeof schema?.['~standard']?.validate !== 'function') {
    throw new JobError('BAD_SOURCE', `source '${name}': schema must be a Standard Schema (zod, valibot, arktype …)`);
  }
  const watermark = watermarkMs(options, `source '${name}'`);
  if (eventTime === undefined && (options.delay !== undefined || options.idleAfter !== undefined)) {
    throw new JobError('BAD_SOURCE', `source '${name}': delay and idleAfter need eventTime`);
  }
  return new SourceStream<T>(name, { kind: 'source', inputs: [], name, schema, eventTime, ...watermark });
}
