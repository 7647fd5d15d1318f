/**
 * `sync`: where asynchronous commit pays: beside synchronous commit, which waits for the manifest and for every compaction that is due, with
 * state of several sizes, as fast as both go and at shares of what sync can carry.
 */
import { BASE, byTurns, type CellRuns, type Column, heavy, MB, PACE, steady, summary } from './large-state-cells.ts';
import type { LargeArgs } from './large-state-run.ts';
import type { BenchOptions } from './options.ts';
import { lines } from './plot.ts';
import type { Budget, Finding, Table } from './report.ts';

const MODES = ['sync', 'async'] as const;
type Mode = (typeof MODES)[number];
const LATENCIES = { steady, heavy } as const;
const LOADS = [0.5, 0.7, 0.9, 1.1] as const;
/** What the work that Misa builds on reports, at its best. */
const PAPER = { throughput: 10.4, p99: 13.4 } as const;

/** Both modes at one state, batch size and latency. */
interface Comparison {
  readonly stateMb: number;
  readonly rows: number;
  readonly latency: keyof typeof LATENCIES;
  /** By share of sync's capacity; 0: as fast as it goes. */
  readonly loads: readonly { readonly load: number; readonly cells: Record<Mode, CellRuns> }[];
}

export async function benchSync({ quick }: BenchOptions): Promise<Finding> {
  const found: Comparison[] = [];
  for (const point of quick ? QUICK : POINTS) found.push(await compare({ ...point, quick }));
  return {
    name: 'sync',
    tables: [...found.map(comparisonTable), ratiosTable(found)],
    budgets: budgetsOf(found),
    plots: plotsOf(found),
    data: found,
  };
}

type Point = Pick<Comparison, 'stateMb' | 'rows' | 'latency'> & { readonly loads: readonly number[] };

/** What changes from one to the next: the latency, the size of the state, the size of batches. */
const POINTS: readonly Point[] = [
  { stateMb: 200, rows: 5000, latency: 'heavy', loads: LOADS },
  { stateMb: 200, rows: 5000, latency: 'steady', loads: [0.9] },
  { stateMb: 20, rows: 5000, latency: 'heavy', loads: [0.9] },
  { stateMb: 1000, rows: 5000, latency: 'heavy', loads: [0.9] },
  { stateMb: 200, rows: 1000, latency: 'heavy', loads: [0.9] },
  { stateMb: 200, rows: 20_000, latency: 'heavy', loads: [0.9] },
];
const QUICK: readonly Point[] = [{ stateMb: 20, rows: 5000, latency: 'heavy', loads: [0.9] }];

async function compare(at: Point & { readonly quick: boolean }): Promise<Comparison> {
  const { stateMb, rows, latency, loads, quick } = at;
  const stateBytes = stateMb * MB;
  const base: LargeArgs = {
    ...BASE,
    stateBytes,
    rows,
    latency: LATENCIES[latency],
    rowBytes: Math.min(stateBytes / 5, 128 * MB),
    blockBytes: 256 * MB,
    warmBlocks: true,
    preload: 'keys',
    seconds: quick ? 4 : 10,
    batches: 36,
  };
  const pair = (intervalMs: number): Record<Mode, LargeArgs> => ({
    sync: { ...base, mode: 'sync', intervalMs },
    async: { ...base, mode: 'async', intervalMs },
  });
  const closed = await byTurns(pair(0), 1);
  const capacity = summary(closed.sync).batchesPerSecond;
  const found = [{ load: 0, cells: closed }];
  for (const load of loads) found.push({ load, cells: await byTurns(pair(1000 / (capacity * load)), 1) });
  return { stateMb, rows, latency, loads: found };
}

const COLUMNS: readonly Column[] = [
  ...PACE,
  ['lag', (s) => s.lag],
  ['folds', (s) => s.folds],
  ['compactions', (s) => s.compactions],
  ['of ms each', (s) => s.compactionMs],
  ['MB read for them', (s) => s.compactedMb],
  ['L0 at the end', (s) => s.l0],
];

function comparisonTable({ stateMb, rows, latency, loads }: Comparison): Table {
  return {
    title: `${stateMb} MB of state, batches of ${rows}, ${latency === 'heavy' ? 'lognormal latency' : '20 ms'}`,
    columns: ['', ...COLUMNS.map(([name]) => name)],
    rows: loads.flatMap(({ load, cells }) =>
      MODES.map((mode) => {
        const s = summary(cells[mode]);
        const at = load === 0 ? 'as fast as it goes' : `${Math.round(load * 100)} %`;
        return [`${mode}, ${at}`, ...COLUMNS.map(([, get]) => get(s))];
      }),
    ),
  };
}

/** Throughput as fast as both go; p99 of sync over that of async at 90 % of sync's capacity. */
function ratiosOf({ loads }: Comparison): { throughput: number; p99: number } {
  const closed = loads[0]!.cells;
  const open = loads.find(({ load }) => load === 0.9)!.cells;
  return {
    throughput: summary(closed.async).batchesPerSecond / summary(closed.sync).batchesPerSecond,
    p99: summary(open.sync).p99 / summary(open.async).p99,
  };
}

function ratiosTable(found: readonly Comparison[]): Table {
  return {
    title: `Ratios: what async gains (the work that Misa builds on, at most: throughput ${PAPER.throughput}, p99 ${PAPER.p99})`,
    columns: ['state, batch, latency', 'throughput', 'p99 at 90 % of sync’s capacity'],
    rows: found.map((one) => {
      const { throughput, p99 } = ratiosOf(one);
      return [`${one.stateMb} MB, ${one.rows}, ${one.latency}`, throughput, p99];
    }),
  };
}

function budgetsOf(found: readonly Comparison[]): Budget[] {
  const main = found.find((c) => c.stateMb === 200 && c.rows === BASE.rows && c.latency === 'heavy');
  if (main === undefined) return [];
  const { throughput, p99 } = ratiosOf(main);
  return [
    { what: 'async / sync, 200 MB, capacity', aim: '≥ 4', found: throughput.toFixed(1), met: throughput >= 4 },
    { what: 'sync / async, 200 MB, p99 at 90 %', aim: '≥ 5', found: p99.toFixed(1), met: p99 >= 5 },
  ];
}

function plotsOf(found: readonly Comparison[]): Finding['plots'] {
  const series = (what: 'throughput' | 'p99', latency: Comparison['latency']) => ({
    name: `${what === 'p99' ? 'p99 at 90 %' : 'throughput'}, ${latency === 'heavy' ? 'lognormal' : '20 ms'}`,
    points: found
      .filter((c) => c.rows === BASE.rows && c.latency === latency)
      .map((c) => [c.stateMb, ratiosOf(c)[what]] as const),
  });
  const all = [
    series('throughput', 'steady'),
    series('p99', 'steady'),
    series('throughput', 'heavy'),
    series('p99', 'heavy'),
  ];
  return {
    'sync-state.svg': lines(
      'What asynchronous commit gains over synchronous, by the size of the state',
      all.filter(({ points }) => points.length > 0),
      { x: 'MB of state', y: 'times', logX: true, limit: { at: PAPER.throughput, name: 'reported: 10.4 (p99: 13.4)' } },
    ),
  };
}
