/**
 * `nexmark`: the queries of `examples/nexmark` over events of the published configuration, each in a process of its own: how many events a second, and what
 * they cost. All queries run once before any runs again, so that a busy minute is not one query's.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inChild, type Measured } from './child.ts';
import { median } from './measure.ts';
import type { NexmarkResult } from './nexmark-run.ts';
import type { BenchOptions } from './options.ts';
import type { Finding } from './report.ts';

const EXAMPLE = 'examples/nexmark';

export async function benchNexmark({ quick, events = quick ? 100_000 : 1_000_000 }: BenchOptions): Promise<Finding> {
  const queries = readdirSync(EXAMPLE)
    .flatMap((file) => /^q(\d+)\.ts$/.exec(file)?.[1] ?? [])
    .sort((a, b) => Number(a) - Number(b))
    .map((number) => `q${number}`);
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-nexmark-'));
  const runs = new Map(queries.map((query) => [query, [] as Measured<NexmarkResult>[]]));
  try {
    const generate = ['--import', 'tsx', path.join(EXAMPLE, 'generate.ts'), '--events', String(events)];
    execFileSync(process.execPath, [...generate, '--out', directory]);
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const query of queries) runs.get(query)!.push(await inChild('nexmark', { query, events: directory }));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return {
    name: 'nexmark',
    tables: [
      {
        title: `NEXMark, ${events.toLocaleString('en')} events; medians`,
        columns: ['query', 'mode', 'events read', 'rows given', 'events/s', 'processor s', 'µs an event', 'peak MB'],
        rows: [...runs].map(([query, measured]) => rowOf(query, measured)),
      },
    ],
    budgets: [],
    plots: {},
    data: Object.fromEntries(runs),
  };
}

function rowOf(query: string, measured: readonly Measured<NexmarkResult>[]): (string | number)[] {
  const { mode, rows, emitted } = measured[0]!.value;
  const ms = median(measured.map(({ value }) => value.ms));
  const cpuMs = median(measured.map(({ value }) => value.cpuMs));
  const peakMb = median(measured.map((one) => one.peakMb));
  return [query, mode, rows, emitted, rows / (ms / 1000), cpuMs / 1000, (cpuMs * 1000) / rows, peakMb];
}
