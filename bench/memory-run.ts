/** A job that ends with many keys in its state, run as `misa run` does, with default budgets: for the memory it takes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runEmbedded } from '../lib/embedded/embedded.ts';
import { expandInputs } from '../lib/source/index.ts';
import { spendingJob } from './batch-run.ts';
import { writeEvents } from './events.ts';

export interface MemoryArgs {
  readonly keys: number;
  /** Budget of rows in memory; `null`: the default. */
  readonly rowBytes: number | null;
}

export async function measureMemory({ keys, rowBytes }: MemoryArgs): Promise<{ batches: number; heapMb: number }> {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    const file = path.join(directory, 'events.ndjson');
    writeEvents({ path: file, rows: keys, seed: 1, keys, order: 'each' });
    const job = spendingJob('update', { rows: 20_000 });
    const end = await runEmbedded(
      { ...job, state: { ...job.state, cacheBytes: rowBytes ?? 256 << 20 } },
      {
        store: { kind: 'directory', path: path.join(directory, 'store') },
        inputs: new Map([['events', await expandInputs([file])]]),
      },
    );
    return { batches: end.totals.batches, heapMb: process.memoryUsage().heapUsed / 1e6 };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
