/** `small`: 20,000 batches of 30 rows: does a batch cost more the more there were before it? */
import { inChild } from './child.ts';
import { median, percentile } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { lines } from './plot.ts';
import type { Finding } from './report.ts';
import type { SmallArgs, SmallResult } from './small-run.ts';

const MOST_GROWTH = 1.2;
const MOST_MANIFEST = 16 << 10;
/** Parts of the run that are compared. */
const PARTS = 8;

export async function benchSmall({ quick }: BenchOptions): Promise<Finding> {
  const args: SmallArgs = { batches: quick ? 4000 : 20_000, rows: 30, keys: 1000 };
  const { value } = await inChild<SmallResult>('small', args);
  const { batchMs, cpuMs, largestManifest, objects, bytes } = value;
  const size = batchMs.length / PARTS;
  const partsOf = (ms: readonly number[]): number[][] =>
    Array.from({ length: PARTS }, (_, i) => ms.slice(i * size, (i + 1) * size));
  const parts = partsOf(batchMs);
  const cpu = partsOf(cpuMs);
  const mean = (ms: readonly number[]): number => ms.reduce((sum, one) => sum + one, 0) / ms.length;
  const growth = mean(parts.at(-1)!) / mean(parts[0]!);
  const cpuGrowth = mean(cpu.at(-1)!) / mean(cpu[0]!);
  const points = parts.map((ms, i): [number, number] => [(i + 1) * size, mean(ms)]);
  const plot = lines('Time of a small batch as batches add up (mean)', [{ name: 'Misa', points }], {
    x: 'batches',
    y: 'ms',
  });
  return {
    name: 'small',
    tables: [
      {
        title: `${args.batches.toLocaleString('en')} batches of ${args.rows} rows, ${args.keys.toLocaleString('en')} keys: ms a batch`,
        columns: ['batches up to', 'mean', 'p50', 'p99', 'on processors'],
        rows: parts.map((ms, i) => [(i + 1) * size, mean(ms), median(ms), percentile(ms, 99), mean(cpu[i]!)]),
      },
      {
        title: 'What they leave',
        columns: ['what', 'found'],
        rows: [
          ['largest manifest, bytes', largestManifest],
          ['objects a batch', objects / args.batches],
          ['bytes a batch', bytes / args.batches],
        ],
      },
    ],
    budgets: [
      {
        what: 'small batches, the last eighth / the first',
        aim: `≤ ${MOST_GROWTH}`,
        found: growth.toFixed(2),
        met: growth <= MOST_GROWTH,
      },
      {
        what: 'the same on processors, all threads',
        aim: `≤ ${MOST_GROWTH}`,
        found: cpuGrowth.toFixed(2),
        met: cpuGrowth <= MOST_GROWTH,
      },
      {
        what: 'small batches, largest manifest',
        aim: `≤ ${MOST_MANIFEST / 1024} KiB`,
        found: `${(largestManifest / 1024).toFixed(1)} KiB`,
        met: largestManifest <= MOST_MANIFEST,
      },
    ],
    plots: { 'small.svg': plot },
    data: {
      args,
      largestManifest,
      objects,
      bytes,
      parts: parts.map((ms, i) => ({ mean: mean(ms), p50: median(ms), p99: percentile(ms, 99), cpu: mean(cpu[i]!) })),
    },
  };
}
