/**
 * `eviction`: what policies of eviction find in memory, on the recorded reads of five jobs, against the best there can be. The choice:
 * `docs/decisions/0056-eviction.md`.
 */
import { recordings } from './eviction-jobs.ts';
import { belady, byTime, clock, generations, lru, type MakePolicy, random, tinyLfu } from './eviction-policies.ts';
import { type RecordedJob, record } from './eviction-record.ts';
import { type Simulated, simulate } from './eviction-simulate.ts';
import type { BenchOptions } from './options.ts';
import type { Budget, Finding, Table } from './report.ts';

const SHARES = [5, 10, 20, 50];

interface Contender {
  readonly name: string;
  readonly make: MakePolicy;
  /** Rows that were put without being asked for leave when an SST has them. */
  readonly dropsUnread?: boolean;
}

const NOW: Contender = { name: 'second chance, unasked rows leave (now)', make: clock(1), dropsUnread: true };
const BEFORE: Contender = { name: 'two generations (before)', make: generations };
const BEST: Contender = { name: 'the best possible (Bélády)', make: belady };
const CONTENDERS: readonly Contender[] = [
  BEFORE,
  { name: 'anybody', make: random },
  { name: 'least recently used', make: lru },
  { name: 'second chance', make: clock(1) },
  { name: 'three chances', make: clock(3) },
  { name: 'W-TinyLFU', make: tinyLfu },
  { name: 'what closes last leaves first', make: byTime('closes last') },
  { name: 'what closes first leaves first', make: byTime('closes first') },
  NOW,
  BEST,
];

interface Result extends Simulated {
  readonly job: string;
  readonly policy: string;
  readonly share: number;
}

export async function benchEviction({ quick }: BenchOptions): Promise<Finding> {
  const tables: Table[] = [];
  const results: Result[] = [];
  for (const recording of recordings(quick)) {
    const job = await record(recording);
    const found = CONTENDERS.flatMap((contender) => SHARES.map((share) => run(job, contender, share)));
    results.push(...found);
    tables.push(tableOf(job, found));
  }
  return { name: 'eviction', tables, budgets: budgets(results), plots: {}, data: results };
}

function run(job: RecordedJob, { name, make, dropsUnread }: Contender, share: number): Result {
  const found = simulate(job, make, (job.peakBytes * share) / 100, dropsUnread);
  return { job: job.name, policy: name, share, ...found };
}

function tableOf({ name, peakBytes }: RecordedJob, results: readonly Result[]): Table {
  const rows = CONTENDERS.map(({ name: policy }) => {
    const own = results.filter((result) => result.policy === policy);
    return [
      policy,
      ...own.map(({ hits, reads }) => (100 * hits) / reads),
      ...own.map(({ fetchedBytes }) => fetchedBytes / 1e6),
      ...own.map(({ blocks }) => blocks),
    ];
  });
  const columns = (what: string): string[] => SHARES.map((share) => `${what} ${share} %`);
  return {
    title: `Eviction: ${name}; ${(peakBytes / 1e6).toFixed(1)} MB of rows, memory for so much of it`,
    columns: ['who leaves', ...columns('hits, %'), ...columns('MB read'), ...columns('blocks')],
    rows,
  };
}

function budgets(results: readonly Result[]): Budget[] {
  const blocks = (of: Contender): number =>
    results.reduce((sum, result) => sum + (result.policy === of.name && result.share >= 10 ? result.blocks : 0), 0);
  const saved = 1 - blocks(NOW) / blocks(BEFORE);
  return [
    {
      what: 'blocks read from below memory, all jobs at 10 to 50 %, against two generations',
      aim: 'fewer',
      found: `${(100 * saved).toFixed(0)} % fewer`,
      met: saved > 0,
    },
  ];
}
