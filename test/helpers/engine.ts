/**
 * Runs jobs on the real engine, deterministically: any object store, a clock that nobody waits for, rows in memory, the
 * commit side in the same thread with small thresholds. Killed anywhere, the same script goes on from what is durable.
 *
 *     const script = [{ flights: [row, row] }, { flights: [row] }];
 *     await runScript({ job, store, script });
 *     expect(await publishedOf(store, job)).toEqual(…)
 */

import { CommitLoop } from '../../lib/commit/commit-loop.ts';
import { commitPaths, commitWork, type TakenThrough } from '../../lib/commit/commit-work.ts';
import { type BatchDone, Engine } from '../../lib/embedded/engine.ts';
import { MisaError } from '../../lib/errors.ts';
import type { Job } from '../../lib/index.ts';
import type { Committer } from '../../lib/job/committer.ts';
import type { RunContext, StoredJobContext } from '../../lib/job/job-context.ts';
import { openJob } from '../../lib/job/job-context.ts';
import { type JobFile, readJobFile } from '../../lib/job/job-file.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import { forgottenByBoth } from '../../lib/log/forgotten.ts';
import type { LoadedManifest } from '../../lib/manifest/manifest.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { names, numberOf, type PartitionPath, PLANNER } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import type { Gathered } from '../../lib/plan/gathered.ts';
import { gatheredFrom, noRows } from '../../lib/plan/gathered.ts';
import type { Plan } from '../../lib/plan/plan.ts';
import { PlannerLog } from '../../lib/plan/planner-log.ts';
import type { PartitionInput } from '../../lib/plan/rows.ts';
import { SegmentBuilder } from '../../lib/plan/segment-builder.ts';
import type { BlockCache } from '../../lib/state/block-cache.ts';
import { forgottenKeys } from '../../lib/state/floors.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import { SstReads } from '../../lib/state/sst-reads.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import type { Clock } from '../../lib/util/clock.ts';
import { type Random, seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE, type Trace } from '../../lib/util/trace.ts';
import { listAll } from './stores.ts';

/** A clock on which sleeping costs nothing: time moves on by as much at once. */
export class FastClock implements Clock {
  #now: number;

  constructor(startMs = 0) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  /** Lets everything else go on first, as a timer would. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    this.#now += ms;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}

/** Rows of one batch by source; {@link FLUSH} instead of rows. */
export type ScriptBatch = Readonly<Record<string, readonly unknown[]>>;

/** A batch of a script that closes everything. No source has this name. */
export const FLUSH: ScriptBatch = { '': [] };

export function isFlush(batch: ScriptBatch): boolean {
  return '' in batch;
}

export interface EngineOptions {
  readonly job: PhysicalJob;
  readonly store: ObjectStore;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly cache?: BlockCache | undefined;
  readonly trace?: Trace;
  /** R, ms. Default: so long that nothing is ever collected. */
  readonly retentionMs?: number;
  /** Log entries a fold; default 2. */
  readonly foldEvery?: number;
  /** `asked`: nothing is folded but by `relieve`, `fold` and a draining close. Default `inline`. */
  readonly commits?: 'inline' | 'asked';
  /** Of `JobServices`: 0 lets all segments be objects of their own. */
  readonly insideBytes?: number | undefined;
  /** Put between the engine and the commit side. */
  readonly committer?: (inner: TestCommitter) => Committer;
}

export interface TestCommitter extends Committer {
  readonly loop: CommitLoop;
  /** Errors of commit work. */
  readonly errors: unknown[];
}

/** A job with other options than it was written with. */
export function physical(job: Job<unknown>, changes: Partial<PhysicalJob> = {}): PhysicalJob {
  return { ...compileJob(job), ...changes };
}

/** As `inlineCommitter`, with thresholds of a test. */
export function testCommitter(
  context: StoredJobContext,
  options: EngineOptions,
  takenThrough?: TakenThrough,
): TestCommitter {
  const { foldEvery = 2, commits = 'inline' } = options;
  const listeners: ((path: PartitionPath, loaded: LoadedManifest) => void)[] = [];
  const errors: unknown[] = [];
  const loop = new CommitLoop(
    {
      work: commitWork(context, takenThrough),
      foldEvery: () => (commits === 'asked' ? Number.POSITIVE_INFINITY : foldEvery),
      foldAfterMs: Number.POSITIVE_INFINITY,
      collectEveryMs: 60_000,
      onManifest: (path, loaded) => {
        for (const listener of listeners) listener(path, loaded);
      },
      onError: (error) => void errors.push(error),
    },
    context.clock.now(),
  );
  let closed = false;
  return {
    loop,
    errors,
    committed(path, n) {
      if (closed) return;
      loop.hint(path, n, context.clock.now());
      if (commits === 'inline') loop.tick(context.clock.now());
    },
    onManifest: (listener) => void listeners.push(listener),
    check() {},
    relieve: (path) => loop.foldNow(path),
    async close({ drain }) {
      if (closed) return;
      closed = true;
      try {
        if (drain) await loop.drain(commitPaths(context.file));
      } finally {
        await loop.close();
      }
    },
  };
}

/** By seed: segments inside their plans, none, or those that are small, even for a test. */
export function insideBytesOf(seed: number): number | undefined {
  return [undefined, 0, SOME_BYTES][seed % 3];
}
/** About half of the segments of a simulation are smaller. */
const SOME_BYTES = 600;

/** An engine open on a store, with what a test wants to get hold of. */
export interface OpenEngine {
  readonly engine: Engine;
  readonly env: RunContext;
  readonly file: JobFile;
  readonly committer: TestCommitter;
}

export async function openEngine(options: EngineOptions): Promise<OpenEngine> {
  const { job, store, clock = new FastClock(), trace = NO_TRACE, cache, insideBytes } = options;
  // As many random numbers as there were lives: attempts of different lives must have different ids.
  const random = options.random ?? seededRandom(lives++);
  const retentionMs = options.retentionMs ?? 1e12;
  const context = await openJob(job, { store, clock, random, trace, cache, retentionMs, insideBytes });
  const inner = testCommitter(context, options);
  const env: RunContext = { ...context, committer: options.committer?.(inner) ?? inner };
  return { engine: await Engine.open(env), env, file: context.file, committer: inner };
}
let lives = 1;

/** Rows of a script's batch as the engine takes them. Pieces are named by the batch, so each is planned once. */
export function gather(job: PhysicalJob, batch: ScriptBatch, name: string, byReference = false): Gathered {
  if (isFlush(batch)) {
    const piece = { source: '', name, version: '1', from: 0, to: 0, done: true };
    return { ...noRows('flush'), pieces: [piece], byReference };
  }
  const builder = new SegmentBuilder(job);
  const pieces = Object.entries(batch).map(([source, rows]) => {
    builder.open({ source: job.sources.findIndex((s) => s.name === source), name });
    for (const [i, row] of rows.entries()) builder.add(row, i + 1);
    return { source, name, version: '1', from: 0, to: rows.length, done: true };
  });
  return gatheredFrom(builder, pieces, byReference);
}

export interface ScriptOptions extends EngineOptions {
  readonly script: readonly ScriptBatch[];
  readonly flush?: boolean;
  /** Rows are read again in replay, in place of stored segments. */
  readonly byReference?: boolean;
  /** Before each batch of rows (with its place in the script), and at the end. */
  readonly between?: ((opened: OpenEngine, i: number) => Promise<void> | void) | undefined;
  /** What is preloaded before a batch of rows. Default: all that it will read, and it waits until that is near. */
  readonly preload?: ((opened: OpenEngine, gathered: Gathered, i: number) => Promise<void> | void) | undefined;
}

const preloadAll = ({ engine }: OpenEngine, gathered: Gathered): Promise<void> => engine.preload(gathered);

/** How the rows of a script are found again by the name of their piece. */
export function replayOf(job: PhysicalJob, script: readonly ScriptBatch[]): (plan: Plan) => Promise<PartitionInput[]> {
  return async (plan) => {
    if (plan.counts.rows === 0) return gather(job, {}, '').inputs as PartitionInput[];
    const { name } = plan.pieces[0]!;
    return gather(job, script[Number(name.split('-')[1])]!, name).inputs as PartitionInput[];
  };
}

/**
 * Runs a script from wherever the store is to its end, folds all of it, and closes. No-data batches run as `testJob` runs
 * them: whenever the watermark has moved.
 */
export async function runScript(options: ScriptOptions): Promise<BatchDone[]> {
  const opened = await openEngine(options);
  const { engine, env } = opened;
  const { script, flush = false, byReference = false, between, preload } = options;
  const { job } = options;
  try {
    const done = [...(await engine.recover(replayOf(job, script)))];
    const runMoved = async (): Promise<void> => {
      if (engine.planner.wantsEmpty) done.push(await engine.batch(noRows('empty')));
    };
    for (const [i, batch] of script.entries()) {
      const name = `rows-${i}`;
      if (await plannedAlready(engine, batch, name)) continue;
      await runMoved();
      await between?.(opened, i);
      if (env.clock instanceof FastClock) env.clock.advance(61_000);
      const gathered = gather(job, batch, name, byReference);
      await (preload ?? preloadAll)(opened, gathered, i);
      done.push(await engine.batch(gathered));
      engine.fillMemory();
    }
    await runMoved();
    await between?.(opened, script.length);
    if (flush && engine.planner.progress?.kind !== 'flush') done.push(await engine.batch(noRows('flush')));
    await env.committer.close({ drain: true });
    const error = opened.committer.errors.find((e) => !(e instanceof MisaError && e.retryable));
    if (error !== undefined) throw error;
    return done;
  } finally {
    // Nothing may run on behind a failure, or the next life would have company.
    await opened.committer.close({ drain: false }).catch(() => {});
  }
}

async function plannedAlready(engine: Engine, batch: ScriptBatch, name: string): Promise<boolean> {
  for (const source of Object.keys(batch)) if (await engine.planner.planned(source, name)) return true;
  return false;
}

/** Every published result object by name, as text; names without the epoch's prefix. */
export async function publishedOf(store: ObjectStore, job: PhysicalJob): Promise<Record<string, string>> {
  const { epoch } = await readJobFile(store, job.name);
  const prefix = `${names(job.name, epoch).epochPrefix()}out/`;
  const found: Record<string, string> = {};
  for (const { name } of await listAll(store, prefix)) {
    const answer = await store.get(name);
    if (answer.found) found[name.slice(prefix.length)] = Buffer.from(answer.body).toString('utf8');
  }
  return found;
}

/** Results of one output as rows, all partitions, by batch. */
export async function rowsOf(store: ObjectStore, job: PhysicalJob, output: string): Promise<unknown[][]> {
  const batches: unknown[][] = [];
  for (const [name, text] of Object.entries(await publishedOf(store, job))) {
    if (!name.startsWith(`${output}/`)) continue;
    const rows = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    const n = numberOf(name);
    while (batches.length < n) batches.push([]);
    batches[n - 1]!.push(...rows);
  }
  return batches;
}

/** One partition's whole state as `manifest ⊕ log` mean it: hex of each value by state key. */
export async function stateOfPartition(
  store: ObjectStore,
  job: PhysicalJob,
  path: PartitionPath,
): Promise<{ n: number; rows: Record<string, string> }> {
  const { epoch } = await readJobFile(store, job.name);
  const jobNames = names(job.name, epoch);
  const { manifest } = await loadManifest(store, jobNames.manifest(path));
  const reads = new SstReads({ store, names: jobNames, path, cache: undefined });
  reads.pin(manifest);
  const rows: Record<string, string> = {};
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
  for (const { key, value } of await reads.scanAll('', undefined, noCost())) rows[key] = hex(value!);
  const log = path === PLANNER ? new PlannerLog(store, jobNames) : new DataLog(store, jobNames, path);
  let { through: n, logHash: hash, forgotten = [] } = manifest;
  for (;;) {
    const read = await log.read(n + 1);
    if (!read.found) break;
    if (read.entry.previousHash !== hash) throw new Error(`invariant 2: log ${n + 1} of ${path} breaks the chain`);
    for (const { key, value } of read.entry.changes()) {
      if (value === null) delete rows[key];
      else rows[key] = hex(value);
    }
    n++;
    hash = read.entry.hash;
    forgotten = forgottenByBoth(forgotten, read.entry.forgotten ?? []);
  }
  const gone = forgottenKeys(forgotten);
  const there = Object.entries(rows).filter(([key]) => !gone.has(key));
  return { n, rows: Object.fromEntries(there.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** The state of all data partitions, by path. */
export async function stateOf(
  store: ObjectStore,
  job: PhysicalJob,
): Promise<Record<string, Awaited<ReturnType<typeof stateOfPartition>>>> {
  const file = await readJobFile(store, job.name);
  const state: Record<string, Awaited<ReturnType<typeof stateOfPartition>>> = {};
  for (const path of commitPaths(file)) if (path !== PLANNER) state[path] = await stateOfPartition(store, job, path);
  return state;
}

/** Everything that counts after a run: published bytes and state. */
export async function outcomeOf(
  store: ObjectStore,
  job: PhysicalJob,
): Promise<{ published: Record<string, string>; state: Awaited<ReturnType<typeof stateOf>> }> {
  return { published: await publishedOf(store, job), state: await stateOf(store, job) };
}
