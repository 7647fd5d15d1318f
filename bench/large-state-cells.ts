/** What the benchmarks of large state are made of: cells that differ in few things, each run several times by turns with those that it is compared with. */
import type { LatencyModel, RequestLatency } from '../lib/object-store/latency-store.ts';
import { inChild } from './child.ts';
import type { LargeArgs, LargeRun } from './large-state-run.ts';
import { median, percentile } from './measure.ts';

export const MB = 1e6;

/** Each request takes 20 ms, one of twenty five times that. */
export const steady: LatencyModel = sameFor({ medianMs: 20, sigma: 0, tailProbability: 0.05, tailFactor: 5 });

/** ln of ten, over the 99th percentile of the normal distribution: p99 is ten times the median. */
const HEAVY = Math.LN10 / 2.326;

/** About an object store over a function's network: p99 ten times the median, all requests on one link. */
export const heavy: LatencyModel = {
  get: { medianMs: 15, sigma: HEAVY, tailProbability: 0, tailFactor: 1 },
  put: { medianMs: 30, sigma: HEAVY, tailProbability: 0, tailFactor: 1 },
  list: { medianMs: 30, sigma: HEAVY, tailProbability: 0, tailFactor: 1 },
  bytesPerSecond: 90 * MB,
  shared: true,
};

function sameFor(latency: RequestLatency): LatencyModel {
  return { get: latency, put: latency, list: latency, bytesPerSecond: null, shared: false };
}

/** 1 M keys; rows and blocks of a tenth of the state. */
export const BASE: LargeArgs = {
  stateBytes: 60 * MB,
  mode: 'async',
  preload: 'off',
  rowBytes: 6 * MB,
  blockBytes: 6 * MB,
  order: 'uniform',
  rows: 5000,
  intervalMs: 0,
  seconds: 12,
  batches: 50,
  // What is usual of a store's PUTs is known by then.
  warmUp: 20,
  warmTo: 'none',
  warmBlocks: false,
  latency: steady,
  seed: 1,
};

/** Several runs of one cell. */
export interface CellRuns {
  readonly args: LargeArgs;
  readonly runs: readonly LargeRun[];
}

/** Runs each cell once, then each once more, and so on: what changes on the machine meets all of them. */
export async function byTurns<Name extends string>(
  cells: Readonly<Record<Name, LargeArgs>>,
  rounds: number,
): Promise<Record<Name, CellRuns>> {
  const names = Object.keys(cells) as Name[];
  const runs = new Map<Name, LargeRun[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Every other round backwards, so that none is always the one after another.
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      const { value } = await inChild<LargeRun>('largeState', { ...cells[name], seed: round + 1 });
      runs.get(name)!.push(value);
    }
  }
  const found = names.map((name): [Name, CellRuns] => [name, { args: cells[name], runs: runs.get(name)! }]);
  return Object.fromEntries(found) as Record<Name, CellRuns>;
}

/** Medians over the runs of a cell; percentiles are of the batches of all runs. */
export function summary({ args, runs }: CellRuns) {
  const latencyMs = runs.flatMap((run) => run.latencyMs);
  const of = (get: (run: LargeRun) => number): number => median(runs.map(get));
  const count = (run: LargeRun): number => run.latencyMs.length;
  const rows = (run: LargeRun): number => count(run) * args.rows;
  const asked = ({ reads }: LargeRun): number => reads.memory + reads.lmdb + reads.warm + reads.store;
  return {
    batchesPerSecond: of((r) => (count(r) / r.wallMs) * 1000),
    p50: percentile(latencyMs, 50),
    p99: percentile(latencyMs, 99),
    most: Math.max(...latencyMs),
    /** Of a batch. */
    mainCpuMs: of((r) => r.mainCpuMs / count(r)),
    cpuMs: of((r) => r.cpuMs / count(r)),
    /** Shares of the rows that were asked for. */
    memory: of((r) => r.reads.memory / asked(r)),
    lmdb: of((r) => r.reads.lmdb / asked(r)),
    store: of((r) => r.reads.store / asked(r)),
    /** Of the batches themselves, by batch. */
    batchRequests: of((r) => r.reads.requests / count(r)),
    /** Of preloading and of batches, whichever thread makes them. */
    gets: of((r) => (r.reads.requests + (r.reads.preloaded?.requests ?? 0)) / count(r)),
    bytesReadPerRow: of((r) => ((r.reads.bytes ?? 0) + (r.reads.preloaded?.bytes ?? 0)) / rows(r)),
    residentMb: of((r) => r.residentMb),
    anonymousMb: of((r) => r.anonymousMb),
    lag: of((r) => r.lag),
    folds: of((r) => r.commit.folds),
    compactions: of((r) => r.commit.compactions),
    compactionMs: of((r) => r.commit.compactMs / r.commit.compactions),
    compactedMb: of((r) => r.commit.compactedBytes / MB),
    l0: of((r) => r.commit.l0),
  };
}

export type Summary = ReturnType<typeof summary>;

/** Of a table of cells: its name, and what stands in it. */
export type Column = readonly [string, (s: Summary) => number];

/** How fast a cell went, and what it took. */
export const PACE: readonly Column[] = [
  ['batches/s', (s) => s.batchesPerSecond],
  ['p50 ms', (s) => s.p50],
  ['p99 ms', (s) => s.p99],
  ['most', (s) => s.most],
  ['cpu ms: main', (s) => s.mainCpuMs],
  ['all', (s) => s.cpuMs],
];
