/** The options of a job with their defaults, in plain units. Unknown names are refused, so that a typo is not a default. */
import { JobError } from '../../errors.ts';
import { type Duration, toMs } from '../../util/duration.ts';
import type { PhysicalJob } from '../compile/physical.ts';
import type { JobOptions } from './job.ts';

export type ResolvedOptions = Pick<
  PhysicalJob,
  | 'mode'
  | 'partitions'
  | 'trigger'
  | 'commit'
  | 'preload'
  | 'state'
  | 'results'
  | 'watermarkPolicy'
  | 'noDataBatches'
  | 'onBadRow'
  | 'onError'
>;

/** More than this would list a partition path for nearly every key of a small job: surely a mistake. */
const MAX_PARTITIONS = 1024;
const MIB = 1024 * 1024;

/** @throws {JobError} `BAD_OPTIONS`, `BAD_DURATION` */
export function resolveOptions(options: JobOptions): ResolvedOptions {
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
  only('state', state, ['ttl', 'cacheBytes']);
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
      ttlMs: state.ttl === undefined ? undefined : toMs(state.ttl, 'state.ttl'),
      cacheBytes: whole('state.cacheBytes', state.cacheBytes ?? 256 * MIB),
    },
    results: { retentionMs: kept(results.retention) },
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

function kept(value: Duration | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = toMs(value, 'results.retention');
  if (ms > 0) return ms;
  throw new JobError('BAD_DURATION', 'results.retention must be above 0; leave it out to keep results for ever');
}

function bool(what: string, value: boolean): boolean {
  if (typeof value !== 'boolean') throw bad(`${what} must be true or false`);
  return value;
}

function bad(message: string): JobError {
  return new JobError('BAD_OPTIONS', message);
}
