/**
 * What `run` does: checks what it was given, runs the embedded engine on it, and tells what happens as events. `misa run` is a
 * user of it like any other.
 */
import { errorText, JobError, MisaError } from '../errors.ts';
import { addReads, NO_READS } from '../log/read-counts.ts';
import { parseStoreUrl } from '../object-store/store-spec.ts';
import { fileRef } from '../source/file-blocks.ts';
import { isS3Url, S3Inputs } from '../source/s3-inputs.ts';
import type { Job } from '../stream/api/job.ts';
import { compileJob } from '../stream/compile/compile.ts';
import { changeWords } from '../stream/compile/layout-change.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { systemClock } from '../util/clock.ts';
import { systemRandom } from '../util/random.ts';
import { type BatchProgress, checkInputs, type EmbeddedEnd, type Opened, runEmbedded } from './embedded.ts';
import { findInputs } from './find-files.ts';
import { refuseOwnResults } from './own-results.ts';
import type { Consume } from './result-consumer.ts';
import type { Output } from './result-places.ts';
import { RowWarnings } from './row-warnings.ts';
import type { RunEvent, RunProgress, RunStarted, RunSummary, TierReads } from './run-events.ts';
import type { RunOptions } from './run-options.ts';
import { splitInputs } from './split-inputs.ts';

/** How often new files are looked for. */
const POLL_MS = 1000;
/** The same in S3, where each listing is a paid request. */
const POLL_S3_MS = 5000;
const CONSUMER = 'onBatch';
const OPTIONS: readonly string[] = [
  'inputs',
  'store',
  'endpoint',
  'output',
  'moved',
  'flush',
  'watch',
  'commit',
  'preload',
  'batchRows',
  'onBatch',
  'consumer',
  'signal',
  'onEvent',
] satisfies (keyof RunOptions)[];

/** @throws {MisaError} */
export async function runProgram(job: Job<unknown>, options: RunOptions, stop: AbortSignal): Promise<RunSummary> {
  let failure: unknown;
  const tell = (event: RunEvent): void => {
    try {
      options.onEvent?.(event);
    } catch (error) {
      throw new MisaError('ON_EVENT', `onEvent threw at '${event.type}': ${errorText(error)}`, { cause: error });
    }
  };
  try {
    checkOptions(options);
    const physical = overridden(compileJob(job), options);
    const summary = await runChecked(physical, options, stop, tell);
    tell({ type: 'terminated', ...summary });
    return summary;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    if (failure !== undefined) {
      // The run rejects with its own failure, even if the listener fails on it as well.
      try {
        options?.onEvent?.({ type: 'terminated', reason: 'failed', error: failure });
      } catch {}
    }
  }
}

async function runChecked(
  job: PhysicalJob,
  options: RunOptions,
  stop: AbortSignal,
  tell: (event: RunEvent) => void,
): Promise<RunSummary> {
  const { inputs, store = '.misa', endpoint, output, moved, flush, watch, onBatch, consumer = CONSUMER } = options;
  const { patterns, streams } = splitInputs(inputs, systemRandom);
  checkInputs(job, new Map([...patterns.keys(), ...streams.keys()].map((name) => [name, []])));
  const target = outputOf(output);
  if (target?.kind === 'directory') {
    const names = job.outputs.map(({ name }) => name);
    refuseOwnResults([...patterns.values()].flat(), target.path, names, target.format ?? 'ndjson');
  }
  const s3 = new S3Inputs({ endpoint, clock: systemClock, random: systemRandom });
  const warnings = new Warnings(tell);
  const find = () => findInputs(patterns, watch === true, s3, (error) => warnings.add(error.message));
  const pollMs = [...patterns.values()].flat().some(isS3Url) ? POLL_S3_MS : POLL_MS;
  const startMs = systemClock.monotonic();
  const totals = new Totals();
  const rowWarnings = new RowWarnings(job, () => systemClock.now());
  const warn = (all: boolean): void => {
    for (const warning of rowWarnings.due(all)) tell(warning);
  };
  const end = await runEmbedded(job, {
    store: parseStoreUrl(store, endpoint),
    inputs: await find(),
    streams,
    output: target,
    consumer: onBatch === undefined ? undefined : { name: consumer, consume: onBatch as Consume },
    moved,
    flush,
    stop,
    watch: watch === true ? { pollMs, find } : undefined,
    lookAt: (name) => (isS3Url(name) ? s3.ref(name) : fileRef(name)),
    onOpen: (opened) => {
      tell(started(opened));
      for (const change of opened.changes) tell({ type: 'warning', about: 'state', message: changeWords(change) });
      warnings.begin();
    },
    onBatch: (progress) => {
      const event = progressOf(progress);
      totals.add(event);
      rowWarnings.add(progress.done);
      tell(event);
      warn(false);
    },
    onIdle: (idle) => {
      warn(true);
      tell({ type: 'idle', ...idle });
    },
    onWarning: (error) => tell({ type: 'warning', message: error.message }),
  });
  warn(true);
  return totals.summary(end, rowWarnings.standing, systemClock.monotonic() - startMs);
}

/** Gives each warning once, and none before `started`. */
class Warnings {
  readonly #tell: (event: RunEvent) => void;
  readonly #known = new Set<string>();
  #begun = false;

  constructor(tell: (event: RunEvent) => void) {
    this.#tell = tell;
  }

  add(message: string): void {
    if (this.#known.has(message)) return;
    this.#known.add(message);
    if (this.#begun) this.#tell({ type: 'warning', message });
  }

  begin(): void {
    this.#begun = true;
    for (const message of this.#known) this.#tell({ type: 'warning', message });
  }
}

function outputOf(output: RunOptions['output']): Output | undefined {
  if (typeof output === 'string') return { kind: 'directory', path: output };
  if (output === undefined || !('directory' in output)) return output;
  const { directory, ...options } = output;
  return { kind: 'directory', path: directory, ...options };
}

/** An unknown option name is a mistake of the caller and is refused. */
function checkOptions(options: RunOptions | undefined): void {
  if (typeof options !== 'object' || options === null)
    throw new JobError('BAD_OPTIONS', 'run() takes a job and options');
  for (const name of Object.keys(options)) {
    if (OPTIONS.includes(name)) continue;
    throw new JobError('BAD_OPTIONS', `run() has no option '${name}'; there are ${OPTIONS.join(', ')}`);
  }
  if (typeof options.inputs === 'object' && options.inputs !== null) return;
  throw new JobError('BAD_OPTIONS', `run() needs inputs: { source: files }, by the names of the job's sources`);
}

function overridden(job: PhysicalJob, { commit, preload, batchRows }: RunOptions): PhysicalJob {
  return {
    ...job,
    commit: commit === undefined ? job.commit : { ...job.commit, mode: commit },
    preload: preload ?? job.preload,
    trigger: batchRows === undefined ? job.trigger : { ...job.trigger, maxRows: batchRows },
  };
}

function started({ file, run, position, totalBytes }: Opened): RunStarted {
  const { name, epoch, partitions, outputMode, commit } = file;
  return {
    type: 'started',
    run,
    job: name,
    epoch,
    partitions,
    outputMode,
    commit,
    position,
    inputBytes: totalBytes,
  };
}

function progressOf({
  done,
  durationMs,
  steps,
  commitLag,
  state,
  streams,
  readBytes,
  totalBytes,
}: BatchProgress): RunProgress {
  const { n, counts, reads } = done;
  const { plan } = done.plan;
  const rowsBySource: Record<string, number> = {};
  const planned: Record<string, number> = {};
  for (const { source, name, from, to } of plan.pieces) {
    rowsBySource[source] = (rowsBySource[source] ?? 0) + to - from;
    if (streams.get(source) === name) planned[source] = to;
  }
  return {
    type: 'progress',
    batch: n,
    kind: plan.kind as RunProgress['kind'],
    rows: plan.counts.rows,
    rowsBySource,
    planned,
    late: counts.late,
    skipped: counts.skipped,
    quarantined: counts.quarantined,
    emitted: counts.emitted,
    watermark: plan.watermark,
    durationMs,
    steps,
    commitLag,
    state,
    reads,
    readBytes,
    totalBytes,
  };
}

/** What a run's batches come to. */
class Totals {
  #batches = 0;
  #watermark: number | null = null;
  readonly #rows: Record<string, number> = {};
  readonly #planned: Record<string, number> = {};
  readonly #counts = { rows: 0, late: 0, skipped: 0, quarantined: 0, emitted: 0 };
  #reads: TierReads = NO_READS;

  add(progress: RunProgress): void {
    this.#batches++;
    this.#watermark = progress.watermark;
    for (const [source, rows] of Object.entries(progress.rowsBySource)) {
      this.#rows[source] = (this.#rows[source] ?? 0) + rows;
    }
    Object.assign(this.#planned, progress.planned);
    for (const name of ['rows', 'late', 'skipped', 'quarantined', 'emitted'] as const) {
      this.#counts[name] += progress[name];
    }
    this.#reads = addReads(this.#reads, progress.reads);
  }

  summary({ file, reason, position, files }: EmbeddedEnd, warnings: readonly string[], elapsedMs: number): RunSummary {
    const { rows, late, skipped, quarantined } = this.#counts;
    return {
      job: file.name,
      epoch: file.epoch,
      reason,
      position,
      batches: this.#batches,
      ...this.#counts,
      applied: rows - late - skipped - quarantined,
      rowsBySource: this.#rows,
      planned: this.#planned,
      watermark: this.#watermark,
      reads: this.#reads,
      elapsedMs,
      warnings,
      files,
    };
  }
}
