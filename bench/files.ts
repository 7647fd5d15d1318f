/** `sst`: sorted files, and what the commit side does with them. */
import { inChild } from './child.ts';
import type { BenchOptions } from './options.ts';
import type { Finding, Table } from './report.ts';
import { matrixTable } from './sst-matrix.ts';

/** Entries a second of processor time. */
const AIMS = { build: 2_500_000, merge: 2_000_000, fold: 2_500_000, compaction: 3_000_000 } as const;

export async function benchFiles({ quick }: BenchOptions): Promise<Finding> {
  const sst = (await inChild<Record<string, number>>('sst', null)).value;
  const compaction = quick ? {} : (await inChild<Record<string, number>>('compaction', null)).value;
  const matrix = quick ? [] : (await inChild<(string | number)[][]>('sstMatrix', null)).value;
  const table = (title: string, values: Record<string, number>): Table => ({
    title,
    columns: ['what', 'value'],
    rows: Object.entries(values),
  });
  const budget = (what: string, rate: number, aim: number) => ({
    what,
    aim: `≥ ${aim / 1e6} M entries/s`,
    found: `${(rate / 1e6).toFixed(2)} M entries/s`,
    met: rate >= aim,
  });
  return {
    name: 'sst',
    tables: [
      table('SST: a million entries, one core', sst),
      ...(quick ? [] : [table('Folds and compactions: 160 × 20,000 changes of a million keys', compaction)]),
      ...(quick ? [] : [matrixTable(matrix)]),
    ],
    budgets: [
      budget('SST build', sst['build, entries/s']!, AIMS.build),
      budget('SST merge', sst['merge 4 runs and build, entries/s']!, AIMS.merge),
      ...(quick ? [] : [budget('fold', compaction['fold entries/s']!, AIMS.fold)]),
      ...(quick ? [] : [budget('compaction', compaction['compaction entries/s']!, AIMS.compaction)]),
    ],
    plots: {},
    data: { sst, compaction, matrix },
  };
}
