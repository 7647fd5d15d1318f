/** One query of `examples/nexmark` over files of events, as `misa run` does it; results stay in the store, where they are durable. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { importJob } from '../cli/load-job.ts';
import { run } from '../lib/index.ts';
import { compileJob } from '../lib/stream/compile/compile.ts';
import { systemClock as clock } from '../lib/util/clock.ts';

export interface NexmarkArgs {
  readonly query: string;
  /** Has a file for each source. */
  readonly events: string;
}

export interface NexmarkResult {
  readonly mode: string;
  /** Events that the query reads, and rows that it gives. */
  readonly rows: number;
  readonly emitted: number;
  readonly late: number;
  /** From the call until all is read, closed and durable. */
  readonly ms: number;
  /** Of the process on processors, all threads, in that time. */
  readonly cpuMs: number;
}

export async function measureNexmark({ query, events }: NexmarkArgs): Promise<NexmarkResult> {
  const job = await importJob(`examples/nexmark/${query}.ts`);
  const { sources, mode } = compileJob(job);
  const store = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    const inputs = Object.fromEntries(sources.map(({ name }) => [name, path.join(events, `${name}.ndjson`)]));
    const startMs = clock.monotonic();
    const startCpu = process.cpuUsage();
    const { rows, emitted, late } = await run(job, { inputs, store, flush: true }).done;
    const ms = clock.monotonic() - startMs;
    const { user, system } = process.cpuUsage(startCpu);
    return { mode, rows, emitted, late, ms, cpuMs: (user + system) / 1000 };
  } finally {
    rmSync(store, { recursive: true, force: true });
  }
}
