/** The commit side in its own thread: trouble there is told here, and what passes by itself is tried again. */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { COMMIT_TROUBLE } from '../../lib/embedded/committers.ts';
import { workerCommitter } from '../../lib/embedded/worker-committer.ts';
import { openJobFile } from '../../lib/job/job-file.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { openStore } from '../../lib/object-store/store-spec.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import type { Trace } from '../../lib/util/trace.ts';
import { gather, openEngine, physical } from '../helpers/engine.ts';
import { JOBS, sampleScript } from '../helpers/engine-jobs.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-commit-worker-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

it('trouble in the commit thread is told, and when it has passed all is folded', { timeout: 120_000 }, async () => {
  const job = physical(JOBS.running(), { partitions: 1, noDataBatches: false });
  const store = await openStore({ kind: 'directory', path: root }, { clock: systemClock, random: systemRandom });
  const { file } = await openJobFile(store, job, systemRandom);
  const { engine, committer: first } = await openEngine({ job, store, clock: systemClock, commits: 'asked' });
  for (const [i, batch] of sampleScript('running', 4).entries()) await engine.batch(gather(job, batch, `rows-${i}`));
  await engine.settled();
  await first.relieve('s0/p0');
  await engine.batch(gather(job, sampleScript('running', 5)[4]!, 'rows-4'));
  await engine.settled();
  const manifest = names(job.name, file.epoch).manifest('s0/p0');

  // A version of the manifest that is gone whenever it is read, as if others replaced it all the time.
  const inTheWay = path.join(root, `${manifest}~`, '999999999999');
  symlinkSync('nowhere', inTheWay);
  let tell!: (what: string) => void;
  const told = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const errors: unknown[] = [];
  const trace: Trace = {
    span() {},
    trouble: (what, error) => {
      errors.push(error);
      tell(what);
    },
  };
  const committer = workerCommitter({ kind: 'directory', path: root }, { file, retentionMs: 1e12, trace });
  try {
    committer.committed('s0/p0', 8);
    expect(await told).toBe(COMMIT_TROUBLE);
    expect(errors[0]).toMatchObject({
      code: 'STORE_BUSY',
      retryable: true,
      message: expect.stringContaining('manifest'),
    });
    await expect(committer.relieve('s0/p0')).rejects.toMatchObject({ code: 'STORE_BUSY', retryable: true });
    committer.check();
    rmSync(inTheWay);
    await committer.close({ drain: true });
  } finally {
    await committer.close({ drain: false });
  }
  expect((await loadManifest(store, manifest)).manifest.through).toBe(5);
});
