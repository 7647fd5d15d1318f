/** `large-state`: state larger than memory: what reads below memory cost, what preloading is worth, and how soon a job with much state starts. */
import { inChild } from './child.ts';
import { BASE, byTurns, type CellRuns, type Column, heavy, MB, PACE, summary } from './large-state-cells.ts';
import type { Price, PriceArgs, PricedTier } from './large-state-prices.ts';
import { TIERS } from './large-state-prices.ts';
import { ENDS, measureRestart, type Restart } from './large-state-restart.ts';
import type { LargeArgs } from './large-state-run.ts';
import type { BenchOptions } from './options.ts';
import { stackedBars } from './plot.ts';
import type { Budget, Finding, Table } from './report.ts';

/** Shares of what preloading off can carry at which both are compared. */
const LOADS = [0.5, 0.7, 0.9] as const;
const LARGE: LargeArgs = { ...BASE, stateBytes: 1000 * MB, rowBytes: 32 * MB, blockBytes: 32 * MB };

/** Preloading off and on with one state, budget, batch size and latency. */
interface Pairs {
  readonly title: string;
  /** By share of what off can carry; 0: as fast as it goes. */
  readonly loads: readonly { readonly load: number; readonly off: CellRuns; readonly keys: CellRuns }[];
}

interface Setting {
  readonly title: string;
  readonly args: LargeArgs;
  readonly loads: readonly number[];
}

export async function benchLargeState({ quick }: BenchOptions): Promise<Finding> {
  const rounds = quick ? 1 : 2;
  const pairs: Pairs[] = [];
  // The first is what the others are compared with.
  for (const [i, setting] of (quick ? [quickSetting] : settings).entries())
    pairs.push(await preloadPairs(setting, i === 0 ? rounds : 1));
  const tiers = quick ? undefined : await byTurns(TIER_CELLS, rounds);
  const sizes = quick ? undefined : await bySize(pairs[0]!, rounds);
  const prices = await pricesOf(quick ? [] : TIERS);
  const restarts: Restart[] = [];
  for (const end of quick ? [] : ENDS)
    restarts.push(await measureRestart({ ...LARGE, seconds: 0, warmUp: 5, batches: 5 }, end));
  return {
    name: 'large-state',
    tables: [
      ...pairs.map(pairsTable),
      ...(tiers === undefined ? [] : [cellsTable('Batches of 20,000: rows in memory; blocks on the disk', tiers)]),
      ...(sizes === undefined ? [] : [cellsTable('The same rate, keys preloaded, by the size of the state', sizes)]),
      ...(prices.length === 0 ? [] : [pricesTable(prices)]),
      ...(restarts.length === 0 ? [] : [restartsTable(restarts)]),
    ],
    budgets: [
      ...pairs.flatMap(pairBudgets),
      ...(tiers === undefined ? [] : [lmdbBudget(tiers)]),
      ...(sizes === undefined ? [] : sizeBudgets(sizes)),
      ...priceBudgets(prices),
      ...(restarts.length === 0 ? [] : restartBudgets(restarts)),
    ],
    plots: { 'large-state-reads.svg': readsPlot(pairs[0]!) },
    data: { pairs, tiers, sizes, prices, restarts },
  };
}

const settings: readonly Setting[] = [
  { title: '1 M keys, uniform; rows and blocks a tenth of the state; 20 ms', args: BASE, loads: LOADS },
  {
    title: '1 M keys, Zipf; rows and blocks a tenth; lognormal latency',
    args: { ...BASE, order: 'zipf', latency: heavy },
    loads: [0.7],
  },
  {
    title: '1 M keys, uniform; all blocks local, rows a tenth; batches of 20,000; 20 ms',
    args: { ...BASE, rows: 20_000, blockBytes: 1000 * MB, warmBlocks: true },
    loads: [0.7],
  },
  {
    title: '1 M keys, uniform; rows a twentieth, blocks a tenth; batches of 20,000; lognormal latency',
    args: { ...BASE, rows: 20_000, rowBytes: 3 * MB, latency: heavy },
    loads: [0.9],
  },
];
const quickSetting: Setting = { ...settings[0]!, args: { ...BASE, seconds: 4, batches: 10, warmUp: 10 }, loads: [0.7] };

const TIER_CELLS: Readonly<Record<'memory' | 'blocks', LargeArgs>> = {
  memory: { ...BASE, rows: 20_000, preload: 'keys', rowBytes: 2000 * MB, blockBytes: 0, warmTo: 'memory' },
  blocks: { ...BASE, rows: 20_000, blockBytes: 1000 * MB, warmBlocks: true },
};

async function preloadPairs({ title, args, loads }: Setting, rounds: number): Promise<Pairs> {
  const pair = (intervalMs: number): Readonly<Record<'off' | 'keys', LargeArgs>> => ({
    off: { ...args, intervalMs, preload: 'off' },
    keys: { ...args, intervalMs, preload: 'keys' },
  });
  const closed = await byTurns(pair(0), rounds);
  const capacity = summary(closed.off).batchesPerSecond;
  const found = [{ load: 0, ...closed }];
  for (const load of loads) found.push({ load, ...(await byTurns(pair(1000 / (capacity * load)), rounds)) });
  return { title, loads: found };
}

/** Small and large state at a rate that preloading off can carry with a tenth of a million keys in memory. */
function bySize({ loads }: Pairs, rounds: number): Promise<Record<'20 MB' | '1 GB', CellRuns>> {
  const { intervalMs } = loads.find(({ load }) => load === 0.7)!.keys.args;
  const small: LargeArgs = { ...BASE, stateBytes: 20 * MB, rowBytes: 2 * MB, blockBytes: 2 * MB };
  return byTurns(
    {
      '20 MB': { ...small, preload: 'keys', intervalMs },
      '1 GB': { ...LARGE, preload: 'keys', intervalMs },
    },
    rounds,
  );
}

async function pricesOf(tiers: readonly PricedTier[]): Promise<[PricedTier, Price][]> {
  const found: [PricedTier, Price][] = [];
  for (const tier of tiers) {
    const args: PriceArgs = { tier, stateBytes: BASE.stateBytes, rows: 5000, batches: 40 };
    const { value } = await inChild<Price>('price', args);
    const heap = await inChild<Price>('price', args, ['--expose-gc', '--max-semi-space-size=256']);
    found.push([tier, { ...value, garbageBytes: heap.value.garbageBytes }]);
  }
  return found;
}

const COLUMNS: readonly Column[] = [
  ...PACE,
  ['memory %', (s) => s.memory * 100],
  ['LMDB %', (s) => s.lmdb * 100],
  ['store %', (s) => s.store * 100],
  ['requests', (s) => s.batchRequests],
  ['GETs', (s) => s.gets],
  ['read B/row', (s) => s.bytesReadPerRow],
  ['MB resident', (s) => s.residentMb],
  ['lag', (s) => s.lag],
];

function pairsTable({ title, loads }: Pairs): Table {
  const cells: [string, CellRuns][] = loads.flatMap(({ load, off, keys }) => [
    [`off, ${nameOf(load)}`, off],
    [`keys, ${nameOf(load)}`, keys],
  ]);
  return cellsTable(title, Object.fromEntries(cells));
}

function nameOf(load: number): string {
  return load === 0 ? 'as fast as it goes' : `${Math.round(load * 100)} %`;
}

function cellsTable(title: string, cells: Readonly<Record<string, CellRuns>>): Table {
  return {
    title,
    columns: ['', ...COLUMNS.map(([name]) => name)],
    rows: Object.entries(cells).map(([name, runs]) => {
      const s = summary(runs);
      return [name, ...COLUMNS.map(([, get]) => get(s))];
    }),
  };
}

function pricesTable(prices: readonly (readonly [PricedTier, Price])[]): Table {
  return {
    title: 'What a row costs, by where it is answered (5,000 uniform rows of a million)',
    columns: ['', 'µs of the thread', 'µs of all', 'B of garbage', 'B from the store'],
    rows: prices.map(([tier, p]) => [tier, p.mainCpuUs, p.cpuUs, p.garbageBytes, p.storeBytes]),
  };
}

function restartsTable(restarts: readonly Restart[]): Table {
  return {
    title: '1 GB of state: from opening the job to the first batch’s results (5,000 uniform rows, 20 ms)',
    columns: ['the process before', 'ms', 'reads one after the other', 'GETs', 'MB read', 'LMDB rows', 'store rows'],
    rows: restarts.map(({ end, first: { ms, requests, reads } }) => [
      end,
      ms,
      requests.readTrips,
      requests.gets,
      requests.bytesRead / MB,
      reads.lmdb,
      reads.store,
    ]),
  };
}

function readsPlot({ title, loads }: Pairs): string {
  const bars = loads.flatMap(({ load, off, keys }) =>
    Object.entries({ off, keys }).map(([name, runs]) => {
      const { memory, lmdb, store, p99 } = summary(runs);
      const parts = { memory: memory * 100, LMDB: lmdb * 100, store: store * 100 };
      return { name: `${name}, ${nameOf(load)}`, parts, note: `p99 ${p99.toFixed(0)} ms` };
    }),
  );
  return stackedBars(`Where rows were answered, %: ${title}`, '', bars);
}

function atMost(what: string, found: number, most: number, unit = ''): Budget {
  const shown = found >= 100 ? found.toFixed(0) : found.toFixed(2);
  return { what, aim: `≤ ${most}${unit}`, found: `${shown}${unit}`, met: found <= most };
}

/** Only where blocks do not fit is preloading to halve the latency; it is to lengthen none anywhere. */
function pairBudgets({ title, loads }: Pairs): Budget[] {
  return loads.flatMap(({ load, off, keys }) => {
    const [without, ahead] = [summary(off), summary(keys)];
    const most = load > 0 && !off.args.warmBlocks ? 0.5 : 1.05;
    const what = `${title}, ${nameOf(load)}`;
    const p99 = atMost(`p99 of keys / off: ${what}`, ahead.p99 / without.p99, most);
    const near = (1 - ahead.store) * 100;
    const own = {
      what: `rows without a request of their own: ${what}`,
      aim: '≥ 95 %',
      found: `${near.toFixed(0)} %`,
      met: near >= 95,
    };
    if (load > 0) return off.args.warmBlocks ? [p99] : [p99, own];
    return [
      p99,
      atMost(`time a batch of keys / off: ${what}`, without.batchesPerSecond / ahead.batchesPerSecond, 1.05),
    ];
  });
}

function lmdbBudget({ memory, blocks }: Readonly<Record<'memory' | 'blocks', CellRuns>>): Budget {
  const ratio = summary(blocks).mainCpuMs / summary(memory).mainCpuMs;
  return atMost('20,000 rows from local blocks / all in memory, processor time', ratio, 2.5);
}

function sizeBudgets(sizes: Readonly<Record<'20 MB' | '1 GB', CellRuns>>): Budget[] {
  const [small, large] = [summary(sizes['20 MB']), summary(sizes['1 GB'])];
  return [
    atMost('p99 with 1 GB of state / 20 MB', large.p99 / small.p99, 1.3),
    atMost('1 GB of state, 64 MB for rows and blocks: resident', large.residentMb, 350, ' MB'),
  ];
}

function priceBudgets(prices: readonly (readonly [PricedTier, Price])[]): Budget[] {
  const most: Partial<Record<PricedTier, number>> = { memory: 0.4, 'local block': 4 };
  return prices.flatMap(([tier, { mainCpuUs }]) => {
    const aim = most[tier];
    return aim === undefined ? [] : [atMost(`a row: ${tier}`, mainCpuUs, aim, ' µs')];
  });
}

function restartBudgets(restarts: readonly Restart[]): Budget[] {
  const { first, storedBytes } = restarts.find(({ end }) => end === 'no cache')!;
  const { requests } = first;
  return [
    atMost('first batch at 1 GB, no cache: reads one after the other', requests.readTrips, 3),
    atMost('the same: share of the state read', (requests.bytesRead / storedBytes) * 100, 5, ' %'),
  ];
}
