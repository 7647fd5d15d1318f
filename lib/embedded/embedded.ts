/**
 * The embedded runtime: a job over files, all in one process. Opens what `runJob` needs from plain data (a store, a local
 * block cache, the commit side in its own thread, the trace), copies results out, and closes everything again. Its caller
 * is told data; how that is shown is the command line's business.
 *
 * Invariant: results leave behind the batches, never ahead of them, and at most one batch behind the one that runs.
 */
import { JobError } from '../errors.ts';
import type { Committer } from '../job/committer.ts';
import type { JobContext, JobServices } from '../job/job-context.ts';
import type { JobFile } from '../job/job-file.ts';
import { HedgedReads } from '../object-store/hedged-reads.ts';
import { openStore } from '../object-store/store-spec.ts';
import { blocksOf } from '../state/block-source.ts';
import type { ColumnChange } from '../stream/compile/layout-change.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { TraceWriter } from '../timeline/trace-writer.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { type Random, systemRandom } from '../util/random.ts';
import type { Span, Trace } from '../util/trace.ts';
import { blockReader } from './block-reader.ts';
import { inlineCommitter } from './committers.ts';
import type { BatchDone, Engine } from './engine.ts';
import type { InputStreams, Inputs } from './inputs.ts';
import { type LocalCacheOptions, openLocalCache } from './local-cache.ts';
import { type ResultOptions, ResultPlaces } from './result-places.ts';
import type { RunProgress } from './run-events.ts';
import { type InputFiles, type RunEnd, type RunJobOptions, runJob } from './run-job.ts';
import { StepTimes } from './step-times.ts';
import { Warnings } from './warnings.ts';
import { workerCommitter } from './worker-committer.ts';

/** R: far longer than any batch, far shorter than a disk takes to fill. */
const RETENTION_MS = 15 * 60_000;

export interface EmbeddedOptions extends ResultOptions, LocalCacheOptions {
  readonly inputs: InputFiles;
  /** Of sources that have no files. */
  readonly streams?: InputStreams | undefined;
  /** Default `worker`: folds and compactions in a thread of their own. */
  readonly committer?: 'worker' | 'inline' | undefined;
  readonly retentionMs?: number | undefined;
  readonly watch?: RunJobOptions['watch'];
  readonly lookAt?: RunJobOptions['lookAt'];
  readonly moved?: RunJobOptions['moved'];
  readonly flush?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  readonly onOpen?: ((opened: Opened) => void) | undefined;
  /** Called after each batch, when its results have been copied out. */
  readonly onBatch?: ((progress: BatchProgress) => void) | undefined;
  /** Called when all present input is read and more may come; once, until the next batch. */
  readonly onIdle?: ((idle: { readonly position: number; readonly watermark: number | null }) => void) | undefined;
  /** Called for a problem that costs time but changes no result. */
  readonly onWarning?: ((error: Error) => void) | undefined;
}

/** What a run starts from. */
export interface Opened {
  readonly file: JobFile;
  /** Id of this run, as its trace has it. */
  readonly run: string;
  /** The last batch of earlier runs; 0: none. */
  readonly position: number;
  readonly totalBytes: number;
  /** What this run has changed in the layout of the state. */
  readonly changes: readonly ColumnChange[];
}

/** After each batch. */
export interface BatchProgress {
  readonly done: BatchDone;
  readonly durationMs: number;
  readonly steps: RunProgress['steps'];
  /** Batches that no manifest has folded, in the partition with the most. */
  readonly commitLag: number;
  readonly state: RunProgress['state'];
  /** For each source that is a stream, the name under which its rows are planned. */
  readonly streams: ReadonlyMap<string, string>;
  /** Of the input files, as stored; where that is not known (Parquet), decoded bytes. */
  readonly readBytes: number;
  readonly totalBytes: number;
}

export interface EmbeddedEnd extends RunEnd {
  readonly file: JobFile;
  /** Result files that this run wrote, by name. */
  readonly files: readonly string[];
}

/** @throws {JobError} `NO_INPUT`, `UNKNOWN_SOURCE` @throws {MisaError} in all its kinds */
export async function runEmbedded(job: PhysicalJob, options: EmbeddedOptions): Promise<EmbeddedEnd> {
  checkInputs(job, new Map([...options.inputs, ...[...(options.streams ?? [])].map(([name]) => [name, []] as const)]));
  const { clock = systemClock, random = systemRandom, retentionMs = RETENTION_MS } = options;
  const store = await openStore(options.store, { clock, random });
  const run = new EmbeddedRun(options, { store, clock, random });
  const { trace } = run;
  const cache = openLocalCache(options, { clock, random, onTrouble: run.trouble, onWarning: options.onWarning });
  const own = blocksOf(HedgedReads.of(store, clock));
  const reader = options.committer === 'inline' ? undefined : blockReader(options.store, own, run.trouble);
  try {
    const end = await runJob(job, {
      ...options,
      store,
      clock,
      random,
      trace,
      cache: cache?.blocks,
      blocks: reader ?? own,
      retentionMs,
      committer: (context) => run.openCommitter(context),
      onOpen: (engine, inputs) => run.opened(engine, inputs),
      onBatch: (done, durationMs) => run.batchDone(done, durationMs),
      onIdle: () => run.idle(),
    });
    return { ...end, ...(await run.ended()) };
  } catch (error) {
    await run.failed();
    throw error;
  } finally {
    await run.flushTrace();
    await reader?.close();
    await cache?.close();
    run.warnings.tellLast();
  }
}

/** What one run has open beside its engine, and what it tells its caller. */
class EmbeddedRun {
  readonly warnings: Warnings;
  readonly trace: Trace;
  readonly #options: EmbeddedOptions;
  readonly #services: Pick<JobServices, 'store' | 'clock' | 'random'>;
  readonly #times = new StepTimes();
  #writer: TraceWriter | undefined;
  #open: { readonly engine: Engine; readonly inputs: Inputs; readonly places: ResultPlaces } | undefined;
  #toldIdle = false;

  constructor(options: EmbeddedOptions, services: Pick<JobServices, 'store' | 'clock' | 'random'>) {
    this.#options = options;
    this.#services = services;
    this.warnings = new Warnings(options.onWarning);
    this.trace = { span: (span) => this.#span(span), trouble: this.trouble };
  }

  /** Notes a problem that costs time but changes no result. */
  readonly trouble = (what: string, error: unknown): void => this.warnings.note(what, error);

  openCommitter(context: JobContext): Committer {
    const { committer, store } = this.#options;
    this.#writer = new TraceWriter({ ...this.#services, names: context.names, onTrouble: this.trouble });
    return committer === 'inline' ? inlineCommitter(context) : workerCommitter(store, context);
  }

  async opened(engine: Engine, inputs: Inputs): Promise<void> {
    const { context, position } = engine;
    const places = new ResultPlaces(context, this.#options);
    this.#open = { engine, inputs, places };
    await places.open(position);
    const { totalBytes } = inputs.progress;
    const { file, changes } = context;
    this.#options.onOpen?.({ file, run: this.#writer!.run, position, totalBytes, changes });
  }

  async batchDone(done: BatchDone, durationMs: number): Promise<void> {
    this.#toldIdle = false;
    const { engine, inputs, places } = this.#open!;
    const { clock } = this.#services;
    const startMs = clock.monotonic();
    await places.take(done);
    const steps = { ...this.#times.take(done.n), output: clock.monotonic() - startMs };
    const { commitLag, stateSize: state } = engine;
    const { progress, streamNames: streams } = inputs;
    this.warnings.tell();
    this.#options.onBatch?.({ done, durationMs, steps, commitLag, state, streams, ...progress });
  }

  async idle(): Promise<void> {
    this.warnings.tell();
    const { engine, places } = this.#open!;
    await places.tick();
    if (this.#toldIdle) return;
    this.#toldIdle = true;
    const { position, planner } = engine;
    this.#options.onIdle?.({ position, watermark: planner.watermark(this.#services.clock.now()) });
  }

  async ended(): Promise<Pick<EmbeddedEnd, 'file' | 'files'>> {
    const { engine, places } = this.#open!;
    await places.close();
    return { file: engine.context.file, files: places.files };
  }

  /** Copies out the results of the batches before the failure; if that fails, too, the next run does it. */
  async failed(): Promise<void> {
    try {
      await this.#open?.places.closeDirectory();
    } catch (failure) {
      this.trouble('the last results were not copied out', failure);
    }
  }

  async flushTrace(): Promise<void> {
    await this.#writer?.flush();
  }

  #span(span: Span): void {
    this.#times.span(span);
    this.#writer?.span(span);
  }
}

/** @throws {JobError} a source has no input, or an input no source */
export function checkInputs(job: PhysicalJob, inputs: InputFiles): void {
  const known = job.sources.map((source) => source.name);
  for (const name of inputs.keys()) {
    if (known.includes(name)) continue;
    throw new JobError('UNKNOWN_SOURCE', `job ${job.name} has no source '${name}'; it has ${list(known)}`);
  }
  const missing = known.filter((name) => !inputs.has(name));
  if (missing.length === 0) return;
  const options = missing.map((name) => `--input ${name}=FILES`).join(' ');
  throw new JobError('NO_INPUT', `job ${job.name} needs input for ${list(missing)}: ${options}`);
}

function list(sources: readonly string[]): string {
  return sources.map((name) => `'${name}'`).join(', ');
}
