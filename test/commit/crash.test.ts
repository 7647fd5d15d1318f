import { describe, expect, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { collect } from '../../lib/commit/gc.ts';
import type { CommitPartition } from '../../lib/commit/partition.ts';
import { sstsOf } from '../../lib/manifest/manifest.ts';
import { countingStore, crashAfter, hookedStore, listAll, timeOut } from '../helpers/stores.ts';
import { NAMES, PATH, R, World } from './helpers.ts';

const work: Record<string, (partition: CommitPartition) => Promise<unknown>> = {
  fold: (partition) => fold(partition, { expected: 8 }),
  'compact (L0 into L1)': (partition) => compact(partition, { sstBytes: 300 }),
  'compact (bounded)': (partition) => compact(partition, { boundBytes: 1 }),
  collect: (partition) => collect(partition, { keepLogsAfter: Number.POSITIVE_INFINITY }),
};

/** Something to do for all of them: L1, replaced SSTs and logs past their retention, orphans, L0, unfolded log entries. */
async function makeWorld(): Promise<World> {
  const world = new World();
  const batch = async (n: number): Promise<void> => {
    await world.append({ a: String(n), [`k${n}`]: `value ${n}`, [`k${n - 3}`]: null, m: n % 2 === 0 ? null : 'm' });
  };
  for (let n = 1; n <= 4; n++) {
    await batch(n);
    await fold(world.partition());
  }
  await compact(world.partition());
  for (let n = 5; n <= 8; n++) {
    await batch(n);
    await fold(world.partition());
  }
  await world.memory.create(NAMES.sst(PATH, 'orphan'), new Uint8Array(1));
  await world.memory.put(NAMES.warm(PATH, 3, 1), new Uint8Array(1));
  await collect(world.partition(), { keepLogsAfter: 0 });
  world.clock.advance(R);
  await collect(world.partition(), { keepLogsAfter: 0 });
  await world.memory.create(NAMES.sst(PATH, 'second'), new Uint8Array(1));
  world.clock.advance(R + 1);
  for (let n = 9; n <= 11; n++) await batch(n);
  return world;
}

/** All that is left is needed, after some retentions. */
async function expectNoLeak(world: World): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await collect(world.partition(), { keepLogsAfter: Number.POSITIVE_INFINITY });
    world.clock.advance(R + 1);
  }
  const manifest = await world.manifest();
  expect(await world.stored()).toEqual(
    sstsOf(manifest)
      .map((sst) => sst.id)
      .sort(),
  );
  expect(manifest).toMatchObject({ folds: [], collectedThrough: manifest.through });
  expect(await listAll(world.memory, NAMES.unnamed(PATH))).toEqual([]);
  expect(await world.logs()).toEqual(
    Array.from({ length: world.head - manifest.through }, (_, i) => manifest.through + 1 + i),
  );
}

describe.each(Object.entries(work))('invariants 5 and 6: %s', (_name, run) => {
  it('killed before or after any request, then run again: the same state, and nothing is leaked for ever', async () => {
    const clean = await makeWorld();
    const counting = countingStore(clean.memory);
    await run(clean.partition(counting));
    const after = await clean.manifest();
    expect(counting.count()).toBeGreaterThan(4);
    for (let i = 0; i < counting.count(); i++) {
      for (const when of ['before', 'after effect'] as const) {
        const world = await makeWorld();
        await expect(run(world.partition(hookedStore(world.memory, crashAfter(i, when))))).rejects.toThrow(/crashed/);
        expect(await world.state()).toEqual(world.expectedState());
        await run(world.partition());
        expect(await world.state()).toEqual(world.expectedState());
        const manifest = await world.manifest();
        expect(manifest.through).toBe(after.through);
        if (manifest.through > 8) expect(await world.published()).toHaveLength(11);
        await expectNoLeak(world);
        expect(await world.state()).toEqual(world.expectedState());
      }
    }
  });

  it('with any one request timing out, before or after its effect: done, or said so; the same state', async () => {
    const clean = await makeWorld();
    const counting = countingStore(clean.memory);
    await run(clean.partition(counting));
    for (let i = 0; i < counting.count(); i++) {
      for (const when of ['before', 'after effect'] as const) {
        const world = await makeWorld();
        const store = hookedStore(
          world.memory,
          timeOut((call) => call.index === i, when),
        );
        const writes = ['create', 'compareAndSet'].includes(counting.calls[i]!.op);
        const outcome = await run(world.partition(store)).catch((error: unknown) => error);
        if (writes) expect(outcome).not.toBeInstanceOf(Error);
        expect(await world.state()).toEqual(world.expectedState());
        await run(world.partition());
        expect(await world.state()).toEqual(world.expectedState());
        await expectNoLeak(world);
      }
    }
  });
});
