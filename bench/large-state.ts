/** `large-state`: state larger than memory: what reads below memory cost, and what preloading is worth. */
import { BASE, byTurns, type CellRuns, MB, type Summary, summary } from './large-state-cells.ts';
import type { LargeArgs } from './large-state-run.ts';
import type { BenchOptions } from './options.ts';
import type { Budget, Finding, Table } from './report.ts';

/** Shares of what preloading off can carry at which both are compared. */
const LOADS = [0.5, 0.7, 0.9] as const;
const PRELOADS = ['off', 'keys'] as const;

type Named = readonly [name: string, CellRuns];

export async function benchLargeState({ quick }: BenchOptions): Promise<Finding> {
  const rounds = quick ? 1 : 3;
  const tenth = await preloadCells(quick ? { ...BASE, seconds: 4 } : BASE, rounds, quick ? [0.7] : LOADS);
  const memory = await byTurns(
    {
      memory: { ...BASE, rows: 20_000, preload: 'keys', rowBytes: 2000 * MB, blockBytes: 1000 * MB, warmTo: 'memory' },
      lmdb: { ...BASE, rows: 20_000, blockBytes: 1000 * MB, warmBlocks: true },
    },
    rounds,
  );
  const large = await byTurns(
    { 'large state': { ...BASE, stateBytes: 1000 * MB, rowBytes: 32 * MB, blockBytes: 32 * MB } },
    1,
  );
  return {
    name: 'large-state',
    tables: [
      cellsTable('1 M keys, rows and blocks of a tenth of the state', tenth),
      cellsTable('Batches of 20,000: all rows in memory; all blocks on the disk', Object.entries(memory)),
      cellsTable('1 GB of state, 64 MB for rows and blocks', Object.entries(large)),
    ],
    budgets: [...preloadBudgets(tenth), lmdbBudget(memory), residentBudget(large['large state'])],
    plots: {},
    data: [...tenth, ...Object.entries(memory), ...Object.entries(large)],
  };
}

/** Preloading off and on, as fast as it goes, and at shares of what off can carry. */
async function preloadCells(base: LargeArgs, rounds: number, loads: readonly number[]): Promise<Named[]> {
  const pair = (intervalMs: number) => ({
    off: { ...base, intervalMs, preload: 'off' as const },
    keys: { ...base, intervalMs, preload: 'keys' as const },
  });
  const closed = await byTurns(pair(0), rounds);
  const capacity = summary(closed.off).batchesPerSecond;
  const found: Named[] = PRELOADS.map((p) => [`${p}, as fast as it goes`, closed[p]]);
  for (const load of loads) {
    const open = await byTurns(pair(1000 / (capacity * load)), rounds);
    found.push(...PRELOADS.map((p): Named => [`${p}, ${load * 100} %`, open[p]]));
  }
  return found;
}

const COLUMNS: readonly (readonly [string, (s: Summary) => number])[] = [
  ['batches/s', (s) => s.batchesPerSecond],
  ['p50 ms', (s) => s.p50],
  ['p99 ms', (s) => s.p99],
  ['most', (s) => s.most],
  ['cpu ms: main', (s) => s.mainCpuMs],
  ['all', (s) => s.cpuMs],
  ['memory %', (s) => s.memory * 100],
  ['LMDB %', (s) => s.lmdb * 100],
  ['store %', (s) => s.store * 100],
  ['requests', (s) => s.batchRequests],
  ['GETs', (s) => s.gets],
  ['read B/row', (s) => s.bytesReadPerRow],
  ['MB resident', (s) => s.residentMb],
  ['lag', (s) => s.lag],
];

function cellsTable(title: string, cells: readonly Named[]): Table {
  return {
    title,
    columns: ['', ...COLUMNS.map(([name]) => name)],
    rows: cells.map(([name, runs]) => {
      const s = summary(runs);
      return [name, ...COLUMNS.map(([, get]) => get(s))];
    }),
  };
}

function preloadBudgets(cells: readonly Named[]): Budget[] {
  const budgets: Budget[] = [];
  for (let i = 0; i < cells.length; i += 2) {
    const [[, off], [name, keys]] = [cells[i]!, cells[i + 1]!];
    const ratio = summary(keys).p99 / summary(off).p99;
    const most = i === 0 ? 1.05 : 0.5;
    budgets.push({
      what: `p99 preloaded / off: ${name.slice(6)}`,
      aim: `≤ ${most}`,
      found: ratio.toFixed(2),
      met: ratio <= most,
    });
  }
  return budgets;
}

function lmdbBudget({ memory, lmdb }: { readonly memory: CellRuns; readonly lmdb: CellRuns }): Budget {
  const ratio = summary(lmdb).mainCpuMs / summary(memory).mainCpuMs;
  return {
    what: 'batch with all blocks on the disk / all in memory, processor time',
    aim: '≤ 2.5',
    found: ratio.toFixed(2),
    met: ratio <= 2.5,
  };
}

function residentBudget(runs: CellRuns): Budget {
  const { residentMb } = summary(runs);
  return {
    what: '1 GB of state, 64 MB budget: resident',
    aim: '≤ 350 MB',
    found: `${residentMb.toFixed(0)} MB`,
    met: residentMb <= 350,
  };
}
