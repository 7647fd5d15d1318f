/** `groups`: keys with very many rows: time must grow as their number does, and memory must not. */
import { inChild } from './child.ts';
import { GROUP_CELLS, type GroupResult } from './groups-run.ts';
import type { BenchOptions } from './options.ts';
import type { Finding } from './report.ts';

const SIZES = [250_000, 500_000, 1_000_000];
const QUICK_SIZES = [25_000, 50_000, 100_000];
/** Hardly any rows: what the process holds anyway. */
const IDLE_SIZE = 1000;
const MOST_GROWTH = 1.3;
const MOST_MB = 100;

export async function benchGroups({ quick }: BenchOptions): Promise<Finding> {
  const sizes = quick ? QUICK_SIZES : SIZES;
  const data: Record<string, { size: number; ms: number; cpuMs: number; mb: number; anonymousMb: number }[]> = {};
  for (const cell of Object.keys(GROUP_CELLS)) {
    const idle = await inChild<GroupResult>('group', { cell, size: IDLE_SIZE });
    data[cell] = [];
    for (const size of sizes) {
      const { value, peakMb } = await inChild<GroupResult>('group', { cell, size });
      const ms = value.ms - idle.value.ms;
      const cpuMs = value.cpuMs - idle.value.cpuMs;
      const anonymousMb = value.anonymousMb - idle.value.anonymousMb;
      data[cell].push({ size, ms, cpuMs, mb: peakMb - idle.peakMb, anonymousMb });
    }
  }
  const growth = (cell: string): number => {
    const [first, last] = [data[cell]![0]!, data[cell]!.at(-1)!];
    return last.cpuMs / last.size / (first.cpuMs / first.size);
  };
  return {
    name: 'groups',
    tables: Object.entries(GROUP_CELLS).map(([cell, { what, of }]) => ({
      title: `${cell}: ${what} (above ${IDLE_SIZE.toLocaleString('en')} of them)`,
      columns: [of, 'ms', 'on processors', 'µs each', 'MB', 'of it anonymous'],
      rows: data[cell]!.map(({ size, ms, cpuMs, mb, anonymousMb }) => [
        size,
        ms,
        cpuMs,
        (cpuMs * 1000) / size,
        mb,
        anonymousMb,
      ]),
    })),
    budgets: Object.keys(GROUP_CELLS).flatMap((cell) => {
      const { mb } = data[cell]!.at(-1)!;
      return [
        {
          what: `${cell}, time each, the most / the fewest`,
          aim: `≤ ${MOST_GROWTH}`,
          found: growth(cell).toFixed(2),
          met: growth(cell) <= MOST_GROWTH,
        },
        {
          what: `${cell}, memory above idle`,
          aim: `≤ ${MOST_MB} MB`,
          found: `${mb.toFixed(0)} MB`,
          met: mb <= MOST_MB,
        },
      ];
    }),
    plots: {},
    data,
  };
}
