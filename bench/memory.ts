/** `memory`: the most that a process ever held resident. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inChild } from './child.ts';
import { writeEvents } from './events.ts';
import type { BenchOptions } from './options.ts';
import { stackedBars } from './plot.ts';
import type { Finding } from './report.ts';

const DEMO_MB = 400;
const KEYS_MB = 250;
/** Runs in the demo's own process before anything else; tells at its end, over descriptor 3, what it held. */
const AT_EXIT = `
  import { writeSync } from 'node:fs';
  import { isMainThread } from 'node:worker_threads';
  import { peakMb } from '${new URL(`./measure${path.extname(import.meta.url)}`, import.meta.url).href}';
  if (isMainThread) process.on('exit', () => writeSync(3, String(peakMb())));
`;

export async function benchMemory({ quick }: BenchOptions): Promise<Finding> {
  const keys = quick ? 100_000 : 1_000_000;
  const count = keys.toLocaleString('en');
  const demoMb = await demoPeakMb();
  const start = await jobPeakMb({ rows: 1000, keys: 1000, rowBytes: null });
  const few = await jobPeakMb({ rows: keys, keys: 1000, rowBytes: null });
  const all = await jobPeakMb({ rows: keys, keys, rowBytes: 1 << 30 });
  const budgeted = await jobPeakMb({ rows: keys, keys, rowBytes: null });
  const found: Record<string, number> = {
    'departures demo': demoMb,
    'a job of 1,000 events': start,
    [`${count} events over 1,000 keys`]: few,
    [`${count} keys, budget of 256 MiB`]: budgeted,
    [`${count} keys, all in memory`]: all,
  };
  const bars = Object.entries(found).map(([name, mb]) => ({ name, parts: { 'peak resident memory': mb } }));
  return {
    name: 'memory',
    tables: [{ title: 'Peak resident memory', columns: ['job', 'MB'], rows: Object.entries(found) }],
    budgets: [
      {
        what: 'demo, peak resident memory',
        aim: `≤ ${DEMO_MB} MB`,
        found: `${demoMb.toFixed(0)} MB`,
        met: demoMb <= DEMO_MB,
      },
      {
        what: `${count} keys of count, sum, max, peak resident memory`,
        aim: `≤ ${KEYS_MB} MB`,
        found: `${Math.max(all, budgeted).toFixed(0)} MB`,
        met: Math.max(all, budgeted) <= KEYS_MB,
      },
    ],
    plots: { 'memory.svg': stackedBars('Peak resident memory', 'MB', bars) },
    data: found,
  };
}

/** @param rowBytes budget of rows in memory; `null`: the default */
async function jobPeakMb({ rows, keys, rowBytes }: { rows: number; keys: number; rowBytes: number | null }) {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    writeEvents({ path: path.join(directory, 'events.ndjson'), rows, seed: 1, keys, order: 'each' });
    return (await inChild('memory', { directory, rowBytes })).peakMb;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The demo's command, as `npm run demo` gives it, without its tables at the end. */
function demoPeakMb(): Promise<number> {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  const preload = path.join('dist', 'cli', 'main.js');
  const run = [
    'run',
    'examples/departures/job.ts',
    '--input',
    'flights=examples/departures/data/*.ndjson.gz',
    '--flush',
  ];
  const places = [
    '--store',
    path.join(directory, 'store'),
    '--output',
    path.join(directory, 'out'),
    '--batch-rows',
    '5000',
  ];
  const hook = `--import=data:text/javascript,${encodeURIComponent(AT_EXIT)}`;
  return new Promise<number>((resolve, reject) => {
    const child = spawn(process.execPath, [hook, preload, ...run, ...places], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    let peak = '';
    child.stdio[3]!.on('data', (bytes: Buffer) => {
      peak += bytes.toString();
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(Number(peak)) : reject(new Error(`the demo failed (code ${code})`)),
    );
  }).finally(() => rmSync(directory, { recursive: true, force: true }));
}
