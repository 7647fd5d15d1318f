/** `sst`: sorted files, and what the commit side does with them. */
import { inChild } from './child.ts';
import type { BenchOptions } from './options.ts';
import type { Finding, Table } from './report.ts';

const AIM_PER_SECOND = 800_000;

export async function benchFiles({ quick }: BenchOptions): Promise<Finding> {
  const sst = (await inChild<Record<string, number>>('sst', null)).value;
  const compaction = quick ? {} : (await inChild<Record<string, number>>('compaction', null)).value;
  const table = (title: string, values: Record<string, number>): Table => ({
    title,
    columns: ['what', 'value'],
    rows: Object.entries(values),
  });
  const budget = (what: string, rate: number) => ({
    what,
    aim: '≥ 0.8 M entries/s',
    found: `${(rate / 1e6).toFixed(2)} M entries/s`,
    met: rate >= AIM_PER_SECOND,
  });
  return {
    name: 'sst',
    tables: [
      table('SST: a million entries, one core', sst),
      ...(quick ? [] : [table('Folds and compactions: 160 × 20,000 changes of a million keys', compaction)]),
    ],
    budgets: [
      budget('SST build', sst['build, entries/s']!),
      budget('SST merge', sst['merge 4 runs and build, entries/s']!),
    ],
    plots: {},
    data: { sst, compaction },
  };
}
