/** The options of a job with their defaults, in plain units. Unknown names are refused, so that a typo is not a default. */
import { JobError } from '../../errors.ts';
import { type Duration, toMs } from '../../util/duration.ts';
import type { JobSettings, StateChanges } from '../graph/job-settings.ts';

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
   * `renamed`: columns of aggregates that have another name in the stored state, the old name by the new one; `removed`: those in it whose
   * place none of the new columns takes. Asked for where a job goes on with other columns and only its writer can tell.
   */
  readonly state?: {
    readonly ttl?: Duration | undefined;
    readonly cacheBytes?: number | undefined;
    readonly renamed?: Readonly<Record<string, string>> | undefined;
    readonly removed?: readonly string[] | undefined;
  };
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

/** More than this would list a partition path for nearly every key of a small job: surely a mistake. */
const MAX_PARTITIONS = 1024;
const MIB = 1024 * 1024;

/** @throws {JobError} `BAD_OPTIONS`, `BAD_DURATION` */
export function resolveOptions(options: JobOptions): JobSettings {
  only('job()', options, [
    'outputMode',
    'partitions',
    'trigger',
    'commit',
    'preload',
    'state',
    'results',
    'watermarkPolicy',
    'noDataBatches',
    'onBadRow',
    'onError',
  ]);
  const { trigger = {}, commit = {}, state = {}, results = {} } = options;
  only('trigger', trigger, ['maxRows', 'maxBytes', 'maxWait']);
  only('commit', commit, ['mode', 'maxLag']);
  only('state', state, ['ttl', 'cacheBytes', 'renamed', 'removed']);
  only('results', results, ['retention']);
  return {
    mode: oneOf('outputMode', options.outputMode ?? 'append', ['append', 'update', 'complete']),
    partitions: whole('partitions', options.partitions ?? 1, MAX_PARTITIONS),
    trigger: {
      maxRows: whole('trigger.maxRows', trigger.maxRows ?? 20_000),
      maxBytes: whole('trigger.maxBytes', trigger.maxBytes ?? 8 * MIB),
      maxWaitMs: toMs(trigger.maxWait ?? 1000, 'trigger.maxWait'),
    },
    commit: {
      mode: oneOf('commit.mode', commit.mode ?? 'async', ['async', 'sync']),
      maxLag: whole('commit.maxLag', commit.maxLag ?? 8),
    },
    preload: oneOf('preload', options.preload ?? 'keys', ['off', 'metadata', 'keys']),
    state: {
      ttlMs: kept('state.ttl', 'state', state.ttl),
      cacheBytes: whole('state.cacheBytes', state.cacheBytes ?? 256 * MIB),
      ...stateChanges(state),
    },
    results: { retentionMs: kept('results.retention', 'results', results.retention) },
    watermarkPolicy: oneOf('watermarkPolicy', options.watermarkPolicy ?? 'min', ['min', 'max']),
    noDataBatches: bool('noDataBatches', options.noDataBatches ?? true),
    onBadRow: oneOf('onBadRow', options.onBadRow ?? 'quarantine', ['quarantine', 'fail']),
    onError: oneOf('onError', options.onError ?? 'fail', ['fail', 'quarantine']),
  };
}

function only(what: string, value: unknown, names: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw bad(`${what} takes an object of options`);
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw bad(`${what} has no option '${name}'; there are ${names.join(', ')}`);
  }
}

function oneOf<V extends string>(what: string, value: V, values: readonly V[]): V {
  if (!values.includes(value)) throw bad(`${what} must be one of ${values.join(', ')}, not ${JSON.stringify(value)}`);
  return value;
}

function whole(what: string, value: number, most = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > most) {
    throw bad(
      `${what} must be a whole number from 1${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ''}, not ${value}`,
    );
  }
  return value;
}

function kept(option: string, what: string, value: Duration | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = toMs(value, option);
  if (ms > 0) return ms;
  throw new JobError('BAD_DURATION', `${option} must be above 0; leave it out to keep ${what} for ever`);
}

function stateChanges({ renamed = {}, removed = [] }: NonNullable<JobOptions['state']>): StateChanges {
  if (
    typeof renamed !== 'object' ||
    renamed === null ||
    !Object.values(renamed).every((name) => typeof name === 'string')
  )
    throw bad("state.renamed takes the old names of columns by their new ones: { total: 'sum' }");
  if (!Array.isArray(removed) || !removed.every((name) => typeof name === 'string'))
    throw bad("state.removed takes a list of names of columns: ['sum']");
  const names = Object.entries(renamed);
  const before = names.map(([, from]) => from);
  const unclear = before.find(
    (from, i) => before.indexOf(from) !== i || Object.hasOwn(renamed, from) || removed.includes(from),
  );
  if (unclear !== undefined)
    throw bad(
      `state.renamed says two things of column '${unclear}': rename one after the other, each with a run of its own`,
    );
  return { renamed: new Map(names), removed };
}

function bool(what: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw bad(`${what} must be true or false`);
  return value;
}

function bad(message: string): JobError {
  return new JobError('BAD_OPTIONS', message);
}
