/**
 * The embedded runtime: a job over files, all in one process. Opens what `runJob` needs from plain data (a store, a local
 * block cache, the commit side in its own thread, the trace), copies results out, and closes everything again. What it
 * tells its caller is data; how that looks to a person is the command line's business.
 *
 * Invariant: results leave behind the batches, never ahead of them, and at most one batch behind the one that runs.
 */
import path from 'node:path';
import { JobError } from '../errors.ts';
import { holdCacheDirectory } from '../job/cache-directory.ts';
import type { JobFile } from '../job/job-file.ts';
import { openStore, type StoreSpec } from '../object-store/store-spec.ts';
import { type BlockCache, LmdbBlockCache } from '../state/block-cache.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { TraceWriter } from '../timeline/trace-writer.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { type Random, systemRandom } from '../util/random.ts';
import type { Trace } from '../util/trace.ts';
import { inlineCommitter } from './committers.ts';
import type { BatchDone, Engine } from './engine.ts';
import type { InputStreams, Inputs } from './inputs.ts';
import { type ResultOptions, ResultPlaces } from './result-places.ts';
import type { RunProgress } from './run-events.ts';
import { type InputFiles, type RunEnd, type RunJobOptions, runJob } from './run-job.ts';
import { StepTimes } from './step-times.ts';
import { Warnings } from './warnings.ts';
import { workerCommitter } from './worker-committer.ts';

const CACHE_BYTES = 256 << 20;
/** R: far longer than any batch, far shorter than a disk takes to fill. */
const RETENTION_MS = 15 * 60_000;

export interface EmbeddedOptions extends ResultOptions {
  readonly store: StoreSpec;
  readonly inputs: InputFiles;
  /** Of sources that have no files. */
  readonly streams?: InputStreams | undefined;
  /** Directory for block caches, shared by processes; default: `.cache` in a directory store, else in `.misa`. */
  readonly cacheRoot?: string | undefined;
  /** Budget of the block cache; 0: none. Default 256 MiB. */
  readonly cacheBytes?: number | undefined;
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
  /** Told each batch, once its results are where they go. */
  readonly onBatch?: ((progress: BatchProgress) => void) | undefined;
  /** All input that is there is read, and more may come. Told once, until there is a batch again. */
  readonly onIdle?: ((idle: { readonly position: number; readonly watermark: number | null }) => void) | undefined;
  /** Something that costs time but no results. */
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
}

/** After each batch. */
export interface BatchProgress {
  readonly done: BatchDone;
  readonly durationMs: number;
  readonly steps: RunProgress['steps'];
  /** Batches that no manifest has folded, in the partition with the most. */
  readonly commitLag: number;
  readonly state: RunProgress['state'];
  /** By source that is a stream: what its rows are known by. */
  readonly streams: ReadonlyMap<string, string>;
  /** Of the input files; decoded bytes, where that is not known better. */
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
  const warnings = new Warnings(options.onWarning);
  const trouble = (what: string, error: unknown): void => warnings.note(what, error);
  const cache = openCache(options, clock, random, trouble);
  let writer: TraceWriter | undefined;
  const times = new StepTimes();
  const trace: Trace = {
    span(span) {
      times.span(span);
      writer?.span(span);
    },
    trouble,
  };
  let opened: { engine: Engine; inputs: Inputs } | undefined;
  let places: ResultPlaces | undefined;
  let idle = false;
  try {
    const end = await runJob(job, {
      ...options,
      store,
      clock,
      random,
      trace,
      cache: cache?.blocks,
      retentionMs,
      committer: (context) => {
        writer = new TraceWriter({ store, names: context.names, clock, random, onTrouble: trouble });
        return options.committer === 'inline' ? inlineCommitter(context) : workerCommitter(options.store, context);
      },
      onOpen: async (engine, inputs) => {
        opened = { engine, inputs };
        const { context, position } = engine;
        places = new ResultPlaces(context, options);
        await places.open(position);
        const { file } = context;
        options.onOpen?.({ file, run: writer!.run, position, totalBytes: inputs.progress.totalBytes });
      },
      onBatch: async (done, durationMs) => {
        idle = false;
        const { engine, inputs } = opened!;
        const startMs = clock.monotonic();
        await places!.take(done);
        const steps = { ...times.take(done.n), output: clock.monotonic() - startMs };
        const { commitLag, stateSize } = engine;
        const { progress, streamNames: streams } = inputs;
        warnings.tell();
        options.onBatch?.({ done, durationMs, steps, commitLag, state: stateSize, streams, ...progress });
      },
      onIdle: async () => {
        warnings.tell();
        await places!.tick();
        if (idle) return;
        idle = true;
        const { engine } = opened!;
        options.onIdle?.({ position: engine.position, watermark: engine.planner.watermark(clock.now()) });
      },
    });
    await places!.close();
    return { ...end, file: opened!.engine.context.file, files: places!.files };
  } catch (error) {
    // What the batches before the failure gave is not left waiting; if this fails, too, the next run does it.
    await places
      ?.closeDirectory()
      .catch((failure: unknown) => trouble('the last results were not copied out', failure));
    throw error;
  } finally {
    await writer?.flush();
    await cache?.close();
    warnings.tellLast();
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

function openCache(
  options: EmbeddedOptions,
  clock: Clock,
  random: Random,
  onTrouble: (what: string, error: unknown) => void,
): { readonly blocks: BlockCache; close(): Promise<void> } | undefined {
  const { store, cacheBytes = CACHE_BYTES } = options;
  if (cacheBytes === 0) return undefined;
  const root = options.cacheRoot ?? path.resolve(store.kind === 'directory' ? store.path : '.misa', '.cache');
  let release = (): void => {};
  try {
    const held = holdCacheDirectory(root, { clock, random });
    release = held.release;
    const blocks = LmdbBlockCache.open(held.directory, cacheBytes, onTrouble);
    const close = async (): Promise<void> => {
      // What cannot be sealed is rebuilt by the next run.
      await blocks.close().catch((error: unknown) => onTrouble('the local cache could not be kept', error));
      held.release();
    };
    return { blocks, close };
  } catch (error) {
    release();
    options.onWarning?.(error as Error);
    return undefined;
  }
}
