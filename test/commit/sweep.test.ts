import { expect, it } from 'vitest';
import { type SweepOptions, sweep } from '../../lib/commit/sweep.ts';
import { editManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names, PLANNER, partitionPath } from '../../lib/object-store/names.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { hookedStore, sleepAt } from '../helpers/stores.ts';
import { R } from './helpers.ts';

const NAMES = names('job', 0);

function world(stages: number, partitions: number) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  let edits = 0;
  return {
    clock,
    store,
    options: { store, names: NAMES, stages, partitions, retentionMs: R } satisfies SweepOptions,
    /** Creates log entries from..to. */
    async log(path: string, from: number, to: number) {
      for (let n = from; n <= to; n++) await store.create(NAMES.log(path, n), new Uint8Array(1));
    },
    async fold(path: string, after: number, through: number) {
      const edit = {
        type: 'fold',
        after,
        through,
        logHash: '',
        sst: null,
        writtenAfterMs: 0,
        publishedThrough: through,
      } as const;
      await editManifest(store, NAMES.manifest(path), () => edit, { nonce: String(edits++) });
      for (let n = after + 1; n <= through; n++) await store.delete([NAMES.log(path, n)]);
    },
    async halt(path: string, n: number) {
      const edit = { type: 'halt', halt: { n, code: 'BAD', reason: 'test' } } as const;
      await editManifest(store, NAMES.manifest(path), () => edit, { nonce: String(edits++) });
    },
  };
}

it('finds the first missing batch of each partition, folded ones aside', async () => {
  const { log, fold, options } = world(1, 3);
  await log(PLANNER, 1, 5);
  await log('s0/p0', 1, 5);
  await log('s0/p1', 1, 3);
  await fold('s0/p1', 0, 2);
  await log('s0/p1', 5, 5);
  const { missing, unfolded, planned, backlog } = await sweep(options);
  expect({ planned, backlog }).toEqual({ planned: 5, backlog: 5 });
  expect(missing).toEqual([
    { path: 's0/p1', stage: 0, partition: 1, n: 4, upTo: 5 },
    { path: 's0/p2', stage: 0, partition: 2, n: 1, upTo: 5 },
  ]);
  expect(unfolded).toEqual([
    { path: PLANNER, through: 0, head: 5 },
    { path: 's0/p0', through: 0, head: 5 },
    { path: 's0/p1', through: 2, head: 3 },
  ]);
});

it('triggers a later stage only where all of the stage before have the batch (⚑ siblings)', async () => {
  const { log, fold, options } = world(2, 2);
  await log(PLANNER, 1, 5);
  await log('s0/p0', 1, 5);
  await log('s0/p1', 1, 4);
  await fold('s0/p1', 0, 3);
  await log('s1/p0', 1, 4);
  await log('s1/p1', 1, 1);
  expect((await sweep(options)).missing).toEqual([
    { path: 's0/p1', stage: 0, partition: 1, n: 5, upTo: 5 },
    { path: 's1/p1', stage: 1, partition: 1, n: 2, upTo: 4 },
  ]);
});

it('leaves halted partitions and what is not planned alone, and is bounded (⚑ halt-stops)', async () => {
  const { log, halt, options } = world(1, 4);
  await log(PLANNER, 1, 2);
  await halt('s0/p0', 1);
  await log('s0/p1', 1, 2);
  expect((await sweep(options)).missing).toMatchObject([{ path: 's0/p2' }, { path: 's0/p3' }]);
  expect((await sweep({ ...options, maxMissing: 1 })).missing).toMatchObject([{ path: 's0/p2' }]);
  // What it did not look at it does not call missing.
  expect((await sweep({ ...options, maxAhead: 1 })).missing).toMatchObject([{ path: 's0/p2' }, { path: 's0/p3' }]);
});

it('takes an absent log entry for missing only under a fresh manifest (⚑ fresh-manifest)', async () => {
  const { log, fold, clock, store, options } = world(1, 1);
  const path = partitionPath(0, 0);
  await log(PLANNER, 1, 2);
  await log(path, 1, 2);
  const { hooks, asleep, wake } = sleepAt((call) => call.op === 'get' && call.name === NAMES.log(path, 1), 'before');
  const sweeping = sweep({ ...options, store: hookedStore(store, hooks) });
  await asleep;
  await fold(path, 0, 2);
  clock.advance(R);
  wake();
  expect((await sweeping).missing).toEqual([]);
});
