/** `commit`: asynchronous against synchronous commit, and what preloading is worth, on a store of 20 ms a request. */
import { inChild } from './child.ts';
import type { CommitArgs, CommitRun } from './commit-run.ts';
import { distribution, percentile } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { type Lane, lines, stackedBars, strips } from './plot.ts';
import type { Finding, Table } from './report.ts';

const MAX_LAG = 8;
const DRAWN_MS = 2500;
const TIERS = ['memory', 'lmdb', 'store'] as const;

const MODES = ['sync', 'async'] as const;

export async function benchCommit({ quick }: BenchOptions): Promise<Finding> {
  const runs = await runAll(quick);
  const { base, intervalMs, closed, open, long, preloads } = runs;
  const half = Math.floor(long.lag.length / 2);
  const [before, after] = [mean(long.lag.slice(0, half)), mean(long.lag.slice(half))];
  const worst = Math.max(...long.lag, ...closed.async.lag);
  return {
    name: 'commit',
    tables: tablesOf(runs),
    budgets: [
      {
        what: `commit lag over ${long.lag.length} batches, most`,
        aim: `≤ ${MAX_LAG} + 1`,
        found: String(worst),
        met: worst <= MAX_LAG + 1,
      },
      {
        what: 'commit lag, mean of the halves',
        aim: 'no growth',
        found: `${before.toFixed(1)}, then ${after.toFixed(1)}`,
        met: after <= before + 1,
      },
    ],
    plots: plotsOf(runs),
    data: {
      base,
      intervalMs,
      closed: withoutSpans(closed),
      open: withoutSpans(open),
      long: { ...long, spans: [] },
      preloads: preloads.map(([p, r]) => [p, { ...r, spans: [] }]),
    },
  };
}

interface Runs {
  readonly base: CommitArgs;
  /** Between two batches of `open`. */
  readonly intervalMs: number;
  /** Each batch as soon as the one before is done. */
  readonly closed: Readonly<Record<'sync' | 'async', CommitRun>>;
  /** Batches at a fixed rate. */
  readonly open: Readonly<Record<'sync' | 'async', CommitRun>>;
  readonly long: CommitRun;
  readonly preloads: readonly (readonly [string, CommitRun])[];
}

async function runAll(quick: boolean): Promise<Runs> {
  const run = async (args: CommitArgs): Promise<CommitRun> => (await inChild<CommitRun>('commit', args)).value;
  const base: CommitArgs = {
    mode: 'async',
    keys: quick ? 50_000 : 200_000,
    rows: 2000,
    batches: quick ? 24 : 160,
    warmUp: 8,
    intervalMs: 0,
    requestMs: 20,
    preload: 'keys',
    rowBytes: 1 << 28,
    blockBytes: 1 << 28,
  };
  const closed = { sync: await run({ ...base, mode: 'sync' }), async: await run({ ...base, mode: 'async' }) };
  // A rate that the slower of the two sustains, with a third of its time to spare.
  const intervalMs = Math.round((closed.sync.wallMs / base.batches) * 1.5);
  const open = {
    sync: await run({ ...base, mode: 'sync', intervalMs, batches: quick ? 16 : 120 }),
    async: await run({ ...base, mode: 'async', intervalMs, batches: quick ? 16 : 120 }),
  };
  const long = await run({ ...base, keys: 20_000, rows: 500, requestMs: 5, batches: quick ? 200 : 1000 });
  const cold = { ...base, warmUp: 0, batches: quick ? 12 : 40, rowBytes: 4 << 20 };
  const preloads: [string, CommitRun][] = [];
  for (const preload of ['off', 'metadata', 'keys'] as const)
    preloads.push([preload, await run({ ...cold, preload, intervalMs: 250 })]);
  return { base, intervalMs, closed, open, long, preloads };
}

function tablesOf({ base, intervalMs, closed, open, preloads }: Runs): Table[] {
  const ratio = (p: number): number => percentile(open.sync.latencyMs, p) / percentile(open.async.latencyMs, p);
  return [
    runsTable(
      `As fast as it goes: ${base.keys.toLocaleString('en')} keys, batches of ${base.rows}, ${base.requestMs} ms a request`,
      MODES.map((m) => [m, closed[m]]),
    ),
    runsTable(
      `A batch every ${intervalMs} ms`,
      MODES.map((m) => [m, open[m]]),
    ),
    runsTable(
      'From a cold start, few rows in memory: a batch every 250 ms',
      preloads.map(([name, r]) => [`preload ${name}`, r]),
    ),
    {
      title: 'Ratios of this run',
      columns: ['what', 'ratio'],
      rows: [
        ['throughput, async / sync', closed.sync.wallMs / closed.async.wallMs],
        ['p50 at the same rate, sync / async', ratio(50)],
        ['p99 at the same rate, sync / async', ratio(99)],
      ],
    },
  ];
}

function plotsOf({ intervalMs, open, long, preloads }: Runs): Finding['plots'] {
  return {
    'commit-latency.svg': lines(
      `Batch latency at the same rate: a batch every ${intervalMs} ms`,
      MODES.map((m) => ({ name: m, points: distribution(open[m].latencyMs) })),
      { x: 'ms from arrival to published', y: '% of batches', logX: true },
    ),
    'commit-strip.svg': strips(
      'What happens when, at the same rate',
      MODES.flatMap((m) => lanesOf(m, open[m])),
      DRAWN_MS,
    ),
    'commit-lag.svg': lines(
      'Commit lag: log entries that no manifest has folded yet',
      [{ name: 'async, as fast as it goes', points: long.lag.map((lag, i) => [i, lag] as const) }],
      { x: 'batch', y: 'log entries', limit: { at: MAX_LAG, name: 'K = 8' } },
    ),
    'commit-reads.svg': stackedBars(
      'Thousand reads by tier from a cold start, few rows in memory',
      '',
      preloads.map(([name, { reads }]) => ({
        name: `preload ${name}`,
        parts: Object.fromEntries(TIERS.map((tier) => [tier, reads[tier] / 1000])),
        note: `${reads.requests} requests`,
      })),
    ),
  };
}

function withoutSpans(runs: Readonly<Record<'sync' | 'async', CommitRun>>): Record<string, CommitRun> {
  return { sync: { ...runs.sync, spans: [] }, async: { ...runs.async, spans: [] } };
}

function runsTable(title: string, runs: readonly (readonly [string, CommitRun])[]): Table {
  return {
    title,
    columns: [
      '',
      'batches/s',
      'first ms',
      'p50 ms',
      'p99 ms',
      'p99.9 ms',
      'lag, most',
      'folds',
      'compactions',
      'of ms each',
      ...TIERS,
      'requests',
    ],
    rows: runs.map(([name, { latencyMs, lag, wallMs, folds, compactions, compactMs, reads }]) => [
      name,
      (latencyMs.length / wallMs) * 1000,
      latencyMs[0]!,
      ...[50, 99, 99.9].map((p) => percentile(latencyMs, p)),
      Math.max(...lag),
      folds,
      compactions,
      compactMs / compactions,
      ...TIERS.map((tier) => reads[tier]),
      reads.requests,
    ]),
  };
}

const LANES = { batch: 'batch', log: 'log entry', publish: 'publish', fold: 'fold', compact: 'compaction' } as const;

/** Foreground and background of a run, as two lanes. */
function lanesOf(mode: string, { spans }: CommitRun): Lane[] {
  const lane = (name: string, lanes: readonly (keyof typeof LANES)[]): Lane => ({
    name: `${mode}: ${name}`,
    spans: lanes.flatMap((kind) =>
      spans
        .filter((s) => s.lane === kind)
        .map((s) => ({ fromMs: s.startMs, toMs: s.endMs, kind: LANES[kind], n: s.n })),
    ),
  });
  return [lane('batch', ['batch', 'log', 'publish']), lane('fold', ['fold']), lane('compaction', ['compact'])];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
