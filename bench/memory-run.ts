/**
 * A job that ends with many keys in its state, run as `misa run` does, with default budgets: for the memory it takes. Its events were
 * written by another process, whose memory is not the job's.
 */
import path from 'node:path';
import { runEmbedded } from '../lib/embedded/embedded.ts';
import { expandInputs } from '../lib/source/index.ts';
import { spendingJob } from './batch-run.ts';

export interface MemoryArgs {
  /** Has `events.ndjson`; the store is made here. */
  readonly directory: string;
  /** Budget of rows in memory; `null`: the default. */
  readonly rowBytes: number | null;
}

export async function measureMemory({ directory, rowBytes }: MemoryArgs): Promise<{ batches: number; heapMb: number }> {
  const job = spendingJob('update', { rows: 20_000 });
  const end = await runEmbedded(
    { ...job, state: { ...job.state, cacheBytes: rowBytes ?? 256 << 20 } },
    {
      store: { kind: 'directory', path: path.join(directory, 'store') },
      inputs: new Map([['events', await expandInputs([path.join(directory, 'events.ndjson')])]]),
    },
  );
  return { batches: end.totals.batches, heapMb: process.memoryUsage().heapUsed / 1e6 };
}
