import { describe, expect, it } from 'vitest';
import { type CompactOptions, compact as compactBy } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { collect } from '../../lib/commit/gc.ts';
import type { CommitPartition } from '../../lib/commit/partition.ts';
import { manifestOf } from '../../lib/commit/partition.ts';
import { sstsOf } from '../../lib/manifest/manifest.ts';
import { countingStore, hookedStore, sleepAt } from '../helpers/stores.ts';
import { NAMES, PATH, R, World } from './helpers.ts';

/** A world with `folds` L0 SSTs, one a batch, each of the given changes. */
async function folded(...batches: Record<string, string | null>[]): Promise<World> {
  const world = new World();
  for (const changes of batches) {
    await world.append(changes);
    await fold(world.partition());
  }
  return world;
}

const four = (): Promise<World> => folded({ a: '1', b: '1' }, { b: '2', c: '2' }, { a: null }, { d: '4' });

/** Four SSTs of L0 are enough here. */
const compact = (partition: CommitPartition, options: CompactOptions = {}) =>
  compactBy(partition, { l0Trigger: 4, ...options });

describe('compact', () => {
  it('merges L0 into L1 and leaves the state as it is (invariant 5)', async () => {
    const world = await four();
    const before = await world.manifest();
    expect(await compact(world.partition())).toMatchObject({
      outcome: 'compacted',
      outputs: [{ entries: 3, tombstones: 0 }],
    });
    const manifest = await world.manifest();
    expect(manifest.l0).toEqual([]);
    expect(manifest.levels).toMatchObject([[{ minKey: 'b', maxKey: 'd', from: 1, to: 4 }]]);
    const named = sstsOf(manifest).map(({ id }) => id);
    expect(before.l0.filter(({ id }) => named.includes(id))).toEqual([]);
    expect(await world.state()).toEqual({ b: '2', c: '2', d: '4' });
    expect(await compact(world.partition())).toMatchObject({ outcome: 'nothing' });
  });

  it('keeps a tombstone as long as something older may hold its key (⚑ tombstones)', async () => {
    const world = await four();
    await compact(world.partition());
    // L1 has b..d; a tombstone of b in L0 only must stay when L0 alone is merged.
    for (const changes of [{ b: null }, { a: null, x: '5' }]) {
      await world.append(changes);
      await fold(world.partition());
    }
    const bounded = await compact(world.partition(), { boundBytes: 1 });
    expect(bounded).toMatchObject({ outcome: 'compacted', compaction: { level: 0 }, outputs: [{ tombstones: 1 }] });
    expect(await world.state()).toEqual({ c: '2', d: '4', x: '5' });
    await compact(world.partition(), { l0Trigger: 1 });
    expect((await world.manifest()).levels[0]).toMatchObject([{ entries: 3, tombstones: 0 }]);
    expect(await world.state()).toEqual({ c: '2', d: '4', x: '5' });
  });

  it('splits its outputs at the target size, sorted and disjoint, and gives others their turn', async () => {
    const world = new World();
    for (let n = 0; n < 4; n++) {
      const changes: Record<string, string> = {};
      for (let i = 0; i < 3000; i++) changes[`key${String(i * 4 + n).padStart(6, '0')}`] = `value ${i * 7919} of ${n}`;
      await world.append(changes);
      await fold(world.partition());
    }
    let turns = 0;
    const yieldNow = async (): Promise<void> => {
      turns++;
    };
    const result = await compact(world.partition(), { sstBytes: 50_000, yieldNow });
    if (result.outcome !== 'compacted') throw new Error(result.outcome);
    expect(result.outputs.length).toBeGreaterThan(2);
    expect(Math.max(...result.outputs.map((sst) => sst.size))).toBeLessThan(80_000);
    expect(turns).toBeGreaterThan(2);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('moves large SSTs that overlap nothing without reading them', async () => {
    const world = await folded({ a: '1' }, { c: '1' }, { b: '1' }, { d: '1' });
    const store = countingStore(world.memory);
    expect(await compact(world.partition(store), { sstBytes: 10 })).toMatchObject({ compaction: { move: true } });
    expect(store.count(undefined, '/sst/')).toBe(0);
    const manifest = await world.manifest();
    expect(manifest.levels[0]!.map((sst) => sst.minKey)).toEqual(['a', 'b', 'c', 'd']);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('never waits: a fold that comes in between is kept as the newest', async () => {
    const world = await four();
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'create', 'before');
    const compacting = compact(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    await world.append({ b: null, e: '5' });
    expect(await fold(world.partition())).toMatchObject({ outcome: 'folded' });
    wake();
    expect(await compacting).toMatchObject({ outcome: 'compacted' });
    expect((await world.manifest()).l0).toMatchObject([{ from: 5, tombstones: 1 }]);
    expect(await world.state()).toEqual({ c: '2', d: '4', e: '5' });
  });

  it('is valid only if all inputs are still there: of two at once one counts', async () => {
    const world = await four();
    const results = await Promise.all([compact(world.partition()), compact(world.partition())]);
    expect(results.map((result) => result.outcome).sort()).toEqual(['compacted', 'overtaken']);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('gives way when its inputs were replaced and deleted while it slept', async () => {
    const world = await four();
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'get' && call.name.includes('/sst/'), 'before');
    const compacting = compact(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    await compact(world.partition());
    for (let i = 0; i < 3; i++) {
      world.clock.advance(R);
      await collect(world.partition(), { keepLogsAfter: 0 });
    }
    expect(await world.stored()).toHaveLength(1);
    wake();
    expect(await compacting).toMatchObject({ outcome: 'overtaken' });
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('says which SST is missing when the manifest still names it', async () => {
    const world = await four();
    const { l0 } = await world.manifest();
    await world.memory.delete([NAMES.sst(PATH, l0[1]!.id)]);
    await expect(compact(world.partition())).rejects.toThrow(`sst/${l0[1]!.id} is corrupted: it is missing`);
  });

  it('does not name outputs that may be condemned, deleted and forgotten: it slept too long (⚑ may-name)', async () => {
    const world = await four();
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'create', 'after effect');
    const compacting = compact(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    for (let i = 0; i < 4; i++) {
      world.clock.advance(R + 1);
      await collect(world.partition(), { keepLogsAfter: 0 });
    }
    expect(await world.stored()).toHaveLength(4);
    wake();
    expect(await compacting).toMatchObject({ outcome: 'overtaken' });
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('counts however long it took, if nobody has changed the manifest meanwhile', async () => {
    const world = await four();
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'create', 'after effect');
    const compacting = compact(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    world.clock.advance(10 * R);
    wake();
    expect(await compacting).toMatchObject({ outcome: 'compacted' });
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('does not name outputs that are condemned', async () => {
    const world = await four();
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'create', 'after effect');
    const compacting = compact(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    world.clock.advance(R / 4);
    await collect(world.partition(world.memory, R / 8), { keepLogsAfter: 0 });
    // Not deleted yet; but it may be, at any time.
    expect(await world.stored()).toHaveLength(5);
    wake();
    expect(await compacting).toMatchObject({ outcome: 'overtaken' });
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('starts from a manifest in hand without reading it', async () => {
    const world = await folded({ a: '1' });
    const from = await manifestOf(world.partition());
    const store = countingStore(world.memory);
    expect(await compact(world.partition(store), { from })).toMatchObject({ outcome: 'nothing' });
    expect(store.count()).toBe(0);
  });
});
