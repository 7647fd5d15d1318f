/**
 * One job on a store that takes its time: batch by batch as `runJob` does it (the next batch is decoded, preloaded and
 * planned while the present one is written), but with batches that arrive by a timetable, so that a batch which waits
 * because its predecessor was slow counts as slow too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Engine, type PlannedBatch } from '../lib/embedded/engine.ts';
import { Inputs } from '../lib/embedded/inputs.ts';
import { workerCommitter } from '../lib/embedded/worker-committer.ts';
import { openJob } from '../lib/job/job-context.ts';
import { addReads, NO_READS } from '../lib/log/read-counts.ts';
import { constantLatency, type LatencyModel } from '../lib/object-store/latency-store.ts';
import { openStore } from '../lib/object-store/store-spec.ts';
import { expandInputs } from '../lib/source/index.ts';
import { LmdbBlockCache } from '../lib/state/block-cache.ts';
import { systemClock as clock } from '../lib/util/clock.ts';
import { systemRandom as random } from '../lib/util/random.ts';
import type { Span } from '../lib/util/trace.ts';
import { spendingJob } from './batch-run.ts';
import { writeEvents } from './events.ts';

export interface CommitArgs {
  readonly mode: 'async' | 'sync';
  /** Keys in the state before the measurement begins. */
  readonly keys: number;
  readonly rows: number;
  readonly batches: number;
  /** Batches before those that count. */
  readonly warmUp: number;
  /** A batch arrives every so many ms; 0: the next one is there when the one before is computed. */
  readonly intervalMs: number;
  /** Of each request to the store. */
  readonly requestMs: number;
  /** Share of requests that take five times as long. */
  readonly tail?: number;
  readonly preload: 'off' | 'metadata' | 'keys';
  /** Budget of rows in memory, and of blocks on the disk (0: none). */
  readonly rowBytes: number;
  readonly blockBytes: number;
}

export interface CommitRun {
  /** By batch: ms from arrival to published. */
  readonly latencyMs: number[];
  /** By batch: batches that no manifest has folded when it ends. */
  readonly lag: number[];
  readonly reads: { memory: number; lmdb: number; warm: number; store: number; requests: number };
  /** From the arrival of the first batch that counts to the end of the last. */
  readonly wallMs: number;
  readonly folds: number;
  readonly compactions: number;
  readonly compactMs: number;
  /** Spans of some seconds in the middle, for a picture. */
  readonly spans: Span[];
}

const NO_LATENCY: LatencyModel | undefined = undefined;
const RETENTION_MS = 60_000;
/** Length of the piece of the run that is drawn. */
const DRAWN_MS = 2500;

export async function measureCommit(args: CommitArgs): Promise<CommitRun> {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    const first = path.join(directory, '0.ndjson');
    const rest = path.join(directory, '1.ndjson');
    const counted = (args.batches + args.warmUp) * args.rows;
    writeEvents({ path: first, rows: args.keys, seed: 1, keys: args.keys, order: 'each' });
    writeEvents({ path: rest, rows: counted, seed: 2, keys: args.keys, order: 'uniform' });
    const loading = await open({ ...args, rows: 20_000, rowBytes: 1 << 30 }, directory, [first], NO_LATENCY, () => {});
    await runBatches(loading, { intervalMs: 0, warmUp: 0, onDone: () => {} });
    await loading.close();
    return await measure(args, directory, [first, rest]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(args: CommitArgs, directory: string, files: readonly string[]): Promise<CommitRun> {
  const { requestMs, tail = 0, warmUp, intervalMs } = args;
  const constant = constantLatency(requestMs);
  const slow = { ...constant.get, tailProbability: tail, tailFactor: 5 };
  const spans: Span[] = [];
  const job = await open(args, directory, files, { ...constant, get: slow, put: slow, list: slow }, (s) =>
    spans.push(s),
  );
  const latencyMs: number[] = [];
  const lag: number[] = [];
  let reads = NO_READS;
  let fromMs = 0;
  let toMs = 0;
  await runBatches(job, {
    intervalMs,
    warmUp,
    onDone: (i, arrivedMs, done) => {
      if (i < warmUp) return;
      if (i === warmUp) fromMs = arrivedMs;
      toMs = clock.monotonic();
      latencyMs.push(toMs - arrivedMs);
      lag.push(job.engine.commitLag);
      reads = addReads(reads, done.reads);
    },
  });
  await job.close();
  const within = spans.filter((s) => s.startMs >= fromMs && s.startMs <= toMs);
  const compacting = within.filter((s) => s.lane === 'compact' && s.path !== 'planner');
  const middle = fromMs + (toMs - fromMs) * 0.4;
  return {
    latencyMs,
    lag,
    reads,
    wallMs: toMs - fromMs,
    folds: within.filter((s) => s.lane === 'fold' && s.path !== 'planner').length,
    compactions: compacting.length,
    compactMs: compacting.reduce((sum, s) => sum + s.endMs - s.startMs, 0),
    spans: spans
      .filter((s) => s.path !== 'planner' && s.endMs > middle && s.startMs < middle + DRAWN_MS)
      .map((s) => ({ ...s, startMs: s.startMs - middle, endMs: s.endMs - middle })),
  };
}

interface OpenJob {
  readonly engine: Engine;
  readonly inputs: Inputs;
  close(): Promise<void>;
}

async function open(
  args: Pick<CommitArgs, 'mode' | 'rows' | 'preload' | 'rowBytes' | 'blockBytes'>,
  directory: string,
  files: readonly string[],
  latency: LatencyModel | undefined,
  onSpan: (span: Span) => void,
): Promise<OpenJob> {
  const { mode, rows, preload, rowBytes, blockBytes } = args;
  const plain = spendingJob('update', { rows, mode });
  const job = { ...plain, preload, state: { ...plain.state, cacheBytes: rowBytes } };
  const spec = { kind: 'directory', path: path.join(directory, 'store'), latency } as const;
  const store = await openStore(spec, { clock, random });
  const trace = { span: onSpan };
  // Loading leaves no blocks behind: what is measured begins cold.
  const cached = blockBytes > 0 && latency !== undefined;
  const cache = cached ? LmdbBlockCache.open(path.join(directory, 'blocks'), blockBytes) : undefined;
  const context = await openJob(job, { store, clock, random, trace, cache, retentionMs: RETENTION_MS });
  const committer = workerCommitter(spec, context);
  const engine = await Engine.open({ ...context, committer });
  const inputs = new Inputs(job, engine.planner, {
    files: new Map([['events', await expandInputs(files)]]),
    clock,
  });
  return {
    engine,
    inputs,
    async close() {
      await inputs.close();
      await committer.close({ drain: latency === undefined });
      await cache?.close();
    },
  };
}

interface Timetable {
  readonly intervalMs: number;
  readonly warmUp: number;
  /** Called when batch i (from 0) is published. */
  readonly onDone: (i: number, arrivedMs: number, done: Awaited<ReturnType<Engine['run']>>) => void;
}

async function runBatches({ engine, inputs }: OpenJob, { intervalMs, warmUp, onDone }: Timetable): Promise<void> {
  /** When the timetable's first batch arrived. */
  let beganMs = 0;
  let count = 0;
  const prepare = async (): Promise<{ i: number; arrivedMs: number; planned: PlannedBatch } | undefined> => {
    const i = count++;
    const nowMs = clock.monotonic();
    if (i === warmUp) beganMs = nowMs;
    // No timetable while all is cold, so that nobody begins with a queue that he only has from then.
    const arrivedMs = intervalMs === 0 || i < warmUp ? nowMs : beganMs + (i - warmUp) * intervalMs;
    const early = arrivedMs - clock.monotonic();
    if (early > 0) await clock.sleep(early);
    const gathered = await inputs.gather();
    if (gathered === undefined) return undefined;
    void engine.preload(gathered);
    return { i, arrivedMs, planned: await engine.plan(gathered) };
  };
  let ahead: ReturnType<typeof prepare> | undefined;
  let reported: Promise<void> = Promise.resolve();
  for (;;) {
    const next = await (ahead ?? prepare());
    ahead = undefined;
    if (next === undefined) break;
    const done = await engine.run(next.planned, () => {
      ahead = prepare();
      ahead.catch(() => {});
    });
    engine.fillMemory();
    await reported;
    reported = done.published.then(() => onDone(next.i, next.arrivedMs, done));
    reported.catch(() => {});
  }
  await reported;
}
