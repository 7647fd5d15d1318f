/** A job of very many small batches, run as `misa run` does: what grows with the number of batches shows here. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { commitPaths } from '../lib/commit/commit-work.ts';
import { runEmbedded } from '../lib/embedded/embedded.ts';
import { names } from '../lib/object-store/names.ts';
import { openStore, type StoreSpec } from '../lib/object-store/store-spec.ts';
import { expandInputs } from '../lib/source/index.ts';
import { systemClock as clock } from '../lib/util/clock.ts';
import { systemRandom as random } from '../lib/util/random.ts';
import { spendingJob } from './batch-run.ts';
import { writeEvents } from './events.ts';

export interface SmallArgs {
  readonly batches: number;
  /** Of a batch. */
  readonly rows: number;
  readonly keys: number;
}

export interface SmallResult {
  /** From one batch that is done to the next, ms. */
  readonly batchMs: number[];
  /** The same, time of the process on processors, all threads: other programs cannot stretch it. */
  readonly cpuMs: number[];
  /** The largest that was seen, bytes: looked at after every hundred batches. */
  readonly largestManifest: number;
  /** What is in the store when it ends. */
  readonly objects: number;
  readonly bytes: number;
}

const LOOK_EVERY = 100;

export async function measureSmall({ batches, rows, keys }: SmallArgs): Promise<SmallResult> {
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  try {
    const file = path.join(directory, 'events.ndjson');
    writeEvents({ path: file, rows: batches * rows, seed: 1, keys, order: 'uniform' });
    const spec: StoreSpec = { kind: 'directory', path: path.join(directory, 'store') };
    const store = await openStore(spec, { clock, random });
    const batchMs: number[] = [];
    const cpuMs: number[] = [];
    const looks: Promise<number>[] = [];
    let manifests: string[] = [];
    let lastMs = clock.monotonic();
    let lastCpu = process.cpuUsage();
    const job = spendingJob('append', { rows });
    const sizeOf = async (name: string): Promise<number> => {
      const answer = await store.get(name, { range: { offset: 0, length: 1 } });
      return answer.found ? answer.size : 0;
    };
    await runEmbedded(job, {
      store: spec,
      inputs: new Map([['events', await expandInputs([file])]]),
      onOpen: ({ file: jobFile }) => {
        const jobNames = names(jobFile.name, jobFile.epoch);
        manifests = commitPaths(jobFile).map((p) => jobNames.manifest(p));
        lastMs = clock.monotonic();
        lastCpu = process.cpuUsage();
      },
      onBatch: () => {
        const nowMs = clock.monotonic();
        batchMs.push(nowMs - lastMs);
        lastMs = nowMs;
        const { user, system } = process.cpuUsage(lastCpu);
        cpuMs.push((user + system) / 1000);
        lastCpu = process.cpuUsage();
        if (batchMs.length % LOOK_EVERY === 0) looks.push(...manifests.map(sizeOf));
      },
    });
    let [objects, bytes] = [0, 0];
    for await (const { size } of store.list('')) {
      objects++;
      bytes += size;
    }
    return { batchMs, cpuMs, largestManifest: Math.max(...(await Promise.all(looks))), objects, bytes };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
