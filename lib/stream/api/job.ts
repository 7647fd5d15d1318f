/**
 * `job()`: a name, outputs and options, checked as a whole. Whatever can be known to fail is refused here, with a code
 * that is stable and a message that says what to change; compiling a job that was made here cannot fail.
 */
import { JobError } from '../../errors.ts';
import { isName } from '../../object-store/names.ts';
import type { Duration } from '../../util/duration.ts';
import { checkGraph } from '../compile/validate.ts';
import type { result } from './brands.ts';
import { nodeOf } from './builder.ts';
import type { StreamNode } from './graph.ts';
import { type ResolvedOptions, resolveOptions } from './job-options.ts';
import { checkOutputNames } from './output-names.ts';
import type { RowOf, Stream } from './streams.ts';

/**
 * As in Spark. `append` (default): a row once, when final. `update`: each batch's changed rows, the last of a key (and
 * window) counts. `complete`: the whole table after each batch. Outputs that hold no table (stateless streams, `distinct`,
 * `join`, `process`, `late()`) append in every mode.
 */
export type OutputMode = 'append' | 'update' | 'complete';

/** Options of {@link job}; each has a default. */
export interface JobOptions {
  readonly outputMode?: OutputMode | undefined;
  /** Shares of the key space, at least 1. Default 1. Fixed for an epoch. */
  readonly partitions?: number | undefined;
  /** A batch starts at the first of these. Defaults: 20,000 rows, 8 MiB, 1 s. */
  readonly trigger?: {
    readonly maxRows?: number | undefined;
    readonly maxBytes?: number | undefined;
    readonly maxWait?: Duration | undefined;
  };
  /** `async` (default) folds state behind the batches; `maxLag` (default 8) batches at most. */
  readonly commit?: { readonly mode?: 'async' | 'sync' | undefined; readonly maxLag?: number | undefined };
  /** Default `keys`. */
  readonly preload?: 'off' | 'metadata' | 'keys' | undefined;
  /**
   * `ttl`: state of a key not touched for that long is forgotten (not windows, `within` or `window` state, which the
   * watermark bounds). Measured by the watermark where the job has one, else by the plans' processing time. Default: never.
   * `cacheBytes`: memory for rows of state.
   */
  readonly state?: { readonly ttl?: Duration | undefined; readonly cacheBytes?: number | undefined };
  /**
   * `retention`: results that the store keeps (`out/`) may be deleted when they are that old, `'7 days'` or milliseconds, by the
   * store's clock, and every consumer (`run` with `onBatch`) has had them. Output directories that no run writes any more are
   * not waited for. Default: results are kept for ever.
   */
  readonly results?: { readonly retention?: Duration | undefined };
  /** Over several inputs with a watermark. Default `min`. */
  readonly watermarkPolicy?: 'min' | 'max' | undefined;
  /** Run an empty batch when the watermark moved and no data came. Default true. */
  readonly noDataBatches?: boolean | undefined;
  /** Rows that do not parse, fail the schema, have no event time or an impossible key. Default `quarantine`. */
  readonly onBadRow?: 'quarantine' | 'fail' | undefined;
  /**
   * Rows on which a function of the job throws. `fail` (default): the batch fails, and nothing of it is kept; `misa resume
   * --skip-row` sets that one row aside. `quarantine`: the row is set aside with what was thrown and by which operator, leaves
   * no trace in state or results, and the batch goes on. What belongs to no one row (a window whose `result` throws, or a `map`
   * behind it) is set aside with its key and window.
   */
  readonly onError?: 'fail' | 'quarantine' | undefined;
}

/** A job, ready to be run; the default export of a job module. `Out` is what a batch gives: rows, or rows by output name. */
export interface Job<out Out> {
  readonly name: string;
  readonly [result]?: Out;
}

export interface OutputDefinition {
  readonly name: string;
  readonly node: StreamNode;
}

/** What a job is made of; see `compileJob`. */
export interface JobDefinition {
  readonly name: string;
  readonly outputs: readonly OutputDefinition[];
  /** One output given as a stream, not by name. */
  readonly single: boolean;
  readonly options: ResolvedOptions;
}

/** Where a job keeps its definition; the same for all copies of the package that a program may have loaded. */
const DEFINITION: unique symbol = Symbol.for('misa.job') as never;

/** Name of the output of a job that has but one. */
const SINGLE_OUTPUT = 'out';

/**
 * Names a pipeline and checks it.
 * @param outputs one stream, or several by name: letters, digits, `.`, `_`, `-`; not `quarantine`, not two that differ by case only
 * @throws {JobError} what cannot work and what to change: `append` of an aggregation without window or watermark, `complete`
 *   without an aggregation, a stateful operator after an aggregation in `update` or `complete` mode, two sources of one name …
 */
export function job<T>(name: string, outputs: Stream<T>, options?: JobOptions): Job<T[]>;
export function job<O extends { readonly [output: string]: Stream<unknown> }>(
  name: string,
  outputs: O,
  options?: JobOptions,
): Job<{ [P in keyof O]: RowOf<O[P]>[] }>;
export function job(name: string, outputs: object, options: JobOptions = {}): Job<unknown> {
  if (typeof name !== 'string' || !isName(name)) throw badName(name);
  const single = typeof (outputs as Partial<Stream<unknown>> | null)?.map === 'function';
  const named = single ? { [SINGLE_OUTPUT]: outputs } : (outputs ?? {});
  checkOutputNames(Object.keys(named));
  const definition: JobDefinition = {
    name,
    outputs: Object.entries(named).map(([output, stream]) => ({
      name: output,
      node: nodeOf(stream, single ? 'job()' : `output '${output}'`),
    })),
    single,
    options: resolveOptions(options),
  };
  checkGraph(definition);
  return Object.freeze({ name, [DEFINITION]: definition }) as Job<unknown>;
}

/**
 * What `job()` was given, checked and with defaults.
 * @throws {JobError} `NOT_A_JOB`
 */
export function definitionOf(value: unknown): JobDefinition {
  const definition = (value as { readonly [DEFINITION]?: JobDefinition } | null | undefined)?.[DEFINITION];
  if (definition === undefined) {
    throw new JobError('NOT_A_JOB', 'this is no job: a job module must `export default job(name, outputs, options)`');
  }
  return definition;
}

function badName(name: unknown): JobError {
  return new JobError(
    'BAD_NAME',
    `job name ${JSON.stringify(name)}: use 1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit`,
  );
}
