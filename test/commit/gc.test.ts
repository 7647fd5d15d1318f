import { describe, expect, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { collect, collectEpoch, collectJob, keepLogsAfter } from '../../lib/commit/gc.ts';
import { type CommitPartition, manifestOf } from '../../lib/commit/partition.ts';
import { settledThrough } from '../../lib/commit/plan-collect.ts';
import { loadUnnamed, saveUnnamed } from '../../lib/commit/unnamed.ts';
import { StoreError } from '../../lib/errors.ts';
import type { Edit } from '../../lib/manifest/edit.ts';
import { editManifest } from '../../lib/manifest/manifest-store.ts';
import { names, PLANNER } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { countingStore, hookedStore, listAll, sleepAt } from '../helpers/stores.ts';
import { NAMES, PATH, R, World } from './helpers.ts';

const noReaders = { keepLogsAfter: Number.POSITIVE_INFINITY };

async function edit(world: World, change: Edit): Promise<void> {
  const result = await editManifest(world.memory, NAMES.manifest(PATH), () => change, { nonce: world.random.id() });
  expect(result.outcome).toBe('done');
}

/** Batches, each folded. */
async function folded(count: number): Promise<World> {
  const world = new World();
  for (let n = 1; n <= count; n++) {
    await world.append({ a: String(n), [`k${n}`]: 'v' });
    await fold(world.partition());
  }
  return world;
}

describe('log entries', () => {
  it('stay a retention after the compare-and-set that folded them, and not after their creation (⚑ late-stamps)', async () => {
    const world = await folded(1);
    await world.append({ a: '2' });
    world.clock.advance(10 * R);
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const folding = fold(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    world.clock.advance(10 * R); // the folder sleeps between its GET and its compare-and-set
    wake();
    await folding;
    expect(await world.manifest()).toMatchObject({ through: 2, folds: [{ through: 1 }, { through: 2, atMs: null }] });
    await collect(world.partition(), noReaders);
    expect(await world.logs()).toEqual([2]);
    world.clock.advance(R);
    await collect(world.partition(), noReaders);
    expect(await world.logs()).toEqual([2]);
    world.clock.advance(1);
    await collect(world.partition(), noReaders);
    expect(await world.logs()).toEqual([]);
    expect(await world.manifest()).toMatchObject({ collectedThrough: 2, folds: [] });
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('stay until the next stage has read them', async () => {
    const world = await folded(3);
    await collect(world.partition(), { keepLogsAfter: 2 });
    world.clock.advance(R + 1);
    await collect(world.partition(), { keepLogsAfter: 2 });
    expect(await world.logs()).toEqual([3]);
    await collect(world.partition(), { keepLogsAfter: 3 });
    expect(await world.logs()).toEqual([]);
  });

  it('stay until their outputs are published', async () => {
    const world = await folded(1);
    await world.append({ a: '2' });
    const { manifest } = await manifestOf(world.partition());
    const log = world.partition().log;
    const read = await log.read(2);
    if (!read.found) throw new Error('absent');
    const unpublished: Edit = {
      type: 'fold',
      after: 1,
      through: 2,
      logHash: read.entry.hash,
      sst: null,
      writtenAfterMs: 0,
      publishedThrough: 1,
    };
    expect(manifest.through).toBe(1);
    await edit(world, unpublished);
    await collect(world.partition(), noReaders);
    world.clock.advance(R + 1);
    await collect(world.partition(), noReaders);
    expect(await world.logs()).toEqual([2]);
    await edit(world, { type: 'published', through: 2 });
    await collect(world.partition(), noReaders);
    expect(await world.logs()).toEqual([]);
  });

  it('that a zombie creates again under a collected number go the next time', async () => {
    const world = await folded(2);
    const answer = await world.memory.get(NAMES.log(PATH, 1));
    await collect(world.partition(), noReaders);
    world.clock.advance(R + 1);
    await collect(world.partition(), noReaders);
    if (answer.found) await world.memory.create(NAMES.log(PATH, 1), answer.body);
    expect(await world.logs()).toEqual([1]);
    await collect(world.partition(), noReaders);
    expect(await world.logs()).toEqual([]);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('settle as far as the readers have folded more than a retention ago (⚑ stage-logs)', async () => {
    const world = await folded(1);
    await world.append({ a: '2' });
    world.clock.advance(R);
    await fold(world.partition());
    await collect(world.partition(), { keepLogsAfter: 0 });
    const settled = async (): Promise<number> => settledThrough(await manifestOf(world.partition()), R);
    expect(await settled()).toBe(0);
    // Folded it is; but one who read the manifest before is still at it.
    expect(await world.manifest()).toMatchObject({ through: 2 });
    expect(keepLogsAfter([await manifestOf(world.partition())], R)).toBe(0);
    world.clock.advance(1);
    await collect(world.partition(), { keepLogsAfter: 0 });
    expect(await settled()).toBe(0);
    world.clock.advance(R + 1);
    expect(await settled()).toBe(2);
    expect(keepLogsAfter([await manifestOf(world.partition())], R)).toBe(2);
    expect(keepLogsAfter([], R)).toBe(Number.POSITIVE_INFINITY);
  });
});

/** Four SSTs of L0 are enough here. */
const AT_FOUR = { l0Trigger: 4 };

/** An SST of this age is condemned where the manifest does not name it. */
const CONDEMNED = R / 2 + R / 8;

describe('SSTs (invariant 6)', () => {
  /** What waits to be deleted, by when it was found. */
  async function waiting(world: World): Promise<[string, number][]> {
    return [...(await loadUnnamed(world.memory, NAMES, PATH))];
  }

  it('that were replaced stay a retention after they were found to be, and nothing is left of them', async () => {
    const world = await folded(4);
    const replaced = (await world.manifest()).l0.map(({ id }) => id).sort();
    // However old they are by then.
    world.clock.advance(10 * R);
    await collect(world.partition(), noReaders);
    await compact(world.partition(), AT_FOUR);
    await collect(world.partition(), noReaders);
    expect(await waiting(world)).toEqual(replaced.map((id) => [id, world.clock.now()]));
    world.clock.advance(R);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toHaveLength(5);
    world.clock.advance(1);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toEqual((await world.manifest()).levels[0]!.map(({ id }) => id));
    expect(await listAll(world.memory, NAMES.unnamed(PATH))).toEqual([]);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('stay a retention after the compare-and-set that replaced them, however long the compaction slept before (⚑ late-stamps)', async () => {
    const world = await folded(4);
    world.clock.advance(10 * R);
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const compacting = compact(world.partition(hookedStore(world.memory, hooks)), AT_FOUR);
    await asleep;
    await collect(world.partition(), noReaders);
    world.clock.advance(R / 4);
    wake();
    expect(await compacting).toMatchObject({ outcome: 'compacted' });
    for (let i = 0; i < 4; i++) {
      await collect(world.partition(), noReaders);
      expect(await world.stored()).toHaveLength(5);
      world.clock.advance(R / 4);
    }
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toHaveLength(5);
    world.clock.advance(1);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toHaveLength(1);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('that were named once more after a collection saw them not are counted from their end (⚑ late-stamps)', async () => {
    const world = await folded(3);
    await world.append({ a: '4' });
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const folding = fold(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    // Its SST is in the store, and no manifest names it.
    world.clock.advance(R / 4);
    await collect(world.partition(), noReaders);
    expect(await waiting(world)).toEqual([]);
    wake();
    expect(await folding).toMatchObject({ outcome: 'folded' });
    world.clock.advance(2 * R);
    await compact(world.partition(), AT_FOUR);
    await collect(world.partition(), noReaders);
    expect((await waiting(world)).map(([, atMs]) => atMs)).toEqual([1, 2, 3, 4].map(() => world.clock.now()));
    expect(await world.stored()).toHaveLength(5);
  });

  it('that no manifest names are condemned before they are deleted, a retention later (⚑ condemn-first)', async () => {
    const world = await folded(1);
    const orphan = NAMES.sst(PATH, 'orphan');
    await world.memory.create(orphan, new Uint8Array(1));
    world.clock.advance(CONDEMNED);
    await collect(world.partition(), noReaders);
    expect(await world.manifest()).toMatchObject({ condemnedMs: 0 });
    world.clock.advance(1);
    await collect(world.partition(), noReaders);
    expect(await world.manifest()).toMatchObject({ condemnedMs: world.clock.now() - R / 2 });
    expect(await waiting(world)).toEqual([['orphan', world.clock.now()]]);
    world.clock.advance(R);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toContain('orphan');
    world.clock.advance(1);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).not.toContain('orphan');
  });

  it('are not noted before the edit that condemns them, nor are they where it is lost (⚑ condemn-first)', async () => {
    const world = await folded(1);
    await world.memory.create(NAMES.sst(PATH, 'orphan'), new Uint8Array(1));
    world.clock.advance(CONDEMNED + 1);
    const store = countingStore(world.memory);
    await collect(world.partition(store), noReaders);
    const edits = store.calls.filter((call) => call.op === 'compareAndSet');
    const noted = store.calls.find((call) => call.op === 'put')!;
    expect(edits).toHaveLength(1);
    expect(edits[0]!.index).toBeLessThan(noted.index);

    await world.memory.delete([NAMES.unnamed(PATH)]);
    await world.memory.create(NAMES.sst(PATH, 'second'), new Uint8Array(1));
    world.clock.advance(CONDEMNED + 1);
    const lost = hookedStore(world.memory, {
      before: (call) => {
        if (call.op === 'compareAndSet') throw new StoreError('DOWN', 'it is down');
      },
    });
    await expect(collect(world.partition(lost), noReaders)).rejects.toThrow('it is down');
    expect(await waiting(world)).toEqual([]);
  });

  it('wait a retention longer where the note of them is lost or damaged', async () => {
    const world = await folded(1);
    await world.memory.create(NAMES.sst(PATH, 'orphan'), new Uint8Array(1));
    world.clock.advance(CONDEMNED + 1);
    await collect(world.partition(), noReaders);
    await world.memory.put(NAMES.unnamed(PATH), Buffer.from('no envelope'));
    world.clock.advance(R + 1);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toContain('orphan');
    expect(await waiting(world)).toEqual([['orphan', world.clock.now()]]);
    world.clock.advance(R + 1);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).not.toContain('orphan');
  });

  it('a note that is older than they are, or of SSTs that are gone, does no harm', async () => {
    const world = await folded(1);
    const [live] = await world.stored();
    await saveUnnamed(
      world.memory,
      NAMES,
      PATH,
      new Map([
        ['gone', 1],
        [live!, 1],
      ]),
    );
    await world.memory.create(NAMES.sst(PATH, 'orphan'), new Uint8Array(1));
    world.clock.advance(CONDEMNED + 1);
    await collect(world.partition(), noReaders);
    expect(await waiting(world)).toEqual([['orphan', world.clock.now()]]);
    expect(await world.stored()).toEqual([live, 'orphan'].sort());
  });

  it('of which there are more than there is time for wait for the next turn', async () => {
    const world = await folded(1);
    for (let i = 0; i < 2500; i++) await world.memory.create(NAMES.sst(PATH, `orphan${i}`), new Uint8Array(1));
    world.clock.advance(CONDEMNED + 1);
    await collect(world.partition(), noReaders);
    world.clock.advance(R + 1);
    expect(await collect(world.partition(), { ...noReaders, most: 1000 })).toMatchObject({ left: true });
    expect(await world.stored()).toHaveLength(1501);
    expect(await waiting(world)).toHaveLength(1500);
    expect(await collect(world.partition(), noReaders)).toMatchObject({ left: false });
    expect(await world.stored()).toHaveLength(1);
    expect(await waiting(world)).toEqual([]);
  });

  it('however many wait, the manifest is as large as before', async () => {
    const world = await folded(1);
    const sizeOf = async (): Promise<number> => {
      const answer = await world.memory.get(NAMES.manifest(PATH));
      return answer.found ? answer.size : 0;
    };
    await collect(world.partition(), noReaders);
    const before = await sizeOf();
    for (let i = 0; i < 2500; i++) await world.memory.create(NAMES.sst(PATH, `orphan${i}`), new Uint8Array(1));
    world.clock.advance(CONDEMNED + 1);
    await collect(world.partition(), noReaders);
    expect(await waiting(world)).toHaveLength(2500);
    expect(await sizeOf()).toBeLessThan(before + 100);
  });

  it('are not deleted when the edit that condemns them is lost to one that names them (⚑ condemn-first)', async () => {
    const world = await folded(1);
    await world.append({ a: '2' });
    const folder = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const folding = fold(world.partition(hookedStore(world.memory, folder.hooks)));
    await folder.asleep;
    const collector = sleepAt((call) => call.op === 'compareAndSet', 'before');
    world.clock.advance(R + 1);
    const collecting = collect(world.partition(hookedStore(world.memory, collector.hooks)), noReaders);
    await collector.asleep;
    folder.wake();
    expect(await folding).toMatchObject({ outcome: 'folded' });
    collector.wake();
    await collecting;
    expect(await waiting(world)).toEqual([]);
    world.clock.advance(R + 1);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toHaveLength(2);
    expect(await world.state()).toEqual({ a: '2', k1: 'v' });
  });

  it('that a root needs stay, and get a retention when it is removed', async () => {
    const world = await folded(4);
    const kept = (await world.manifest()).l0[1]!.id;
    await edit(world, { type: 'setRoot', name: 'checkpoint', ssts: [kept] });
    await compact(world.partition(), AT_FOUR);
    for (let i = 0; i < 3; i++) {
      await collect(world.partition(), noReaders);
      world.clock.advance(R + 1);
    }
    expect(await world.stored()).toHaveLength(2);
    expect(await world.stored()).toContain(kept);
    await edit(world, { type: 'removeRoot', name: 'checkpoint' });
    await collect(world.partition(), noReaders);
    world.clock.advance(R);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toContain(kept);
    world.clock.advance(1);
    await collect(world.partition(), noReaders);
    expect(await world.stored()).toHaveLength(1);
  });

  it('stay, all of them, when the manifest cannot be read or is not there', async () => {
    const world = await folded(2);
    const before = await listAll(world.memory, '');
    world.clock.advance(10 * R);
    const damaged: ObjectStore = {
      ...hookedStore(world.memory, {}),
      async get(name, options) {
        const answer = await world.memory.get(name, options);
        if (answer.found && name.endsWith('manifest')) answer.body[20]! ^= 1;
        return answer;
      },
    };
    await expect(collect(world.partition(damaged), noReaders)).rejects.toThrow(/manifest is corrupted/);
    await world.memory.delete([NAMES.manifest(PATH)]);
    expect(await collect(world.partition(), noReaders)).toMatchObject({ deleted: 0 });
    expect(await listAll(world.memory, '')).toHaveLength(before.length - 1);
  });

  it('an idle partition comes to rest: nothing to do, no edit', async () => {
    const world = await folded(6);
    await compact(world.partition(), AT_FOUR);
    for (let i = 0; i < 5; i++) {
      world.clock.advance(R + 1);
      await collect(world.partition(), noReaders);
    }
    const store = countingStore(world.memory);
    expect(await collect(world.partition(store), noReaders)).toMatchObject({ deleted: 0 });
    expect(store.report().replaceAll('job/e0/s0/p0/', '')).toBe('get manifest\nlist sst/\nlist log/\nlist warm/');
    const { nonces: _, ...rest } = await world.manifest();
    expect(rest).toMatchObject({ folds: [], collectedThrough: 6 });
  });
});

it('warm packs go when their batch is folded or a retention has passed', async () => {
  const world = await folded(2);
  for (const n of [1, 2, 3, 4]) await world.memory.put(NAMES.warm(PATH, n, 1), new Uint8Array(1));
  await collect(world.partition(), noReaders);
  const left = async (): Promise<number> => (await listAll(world.memory, NAMES.warmPrefix(PATH))).length;
  expect(await left()).toBe(2);
  world.clock.advance(R + 1);
  await world.memory.put(NAMES.warm(PATH, 5, 1), new Uint8Array(1));
  await collect(world.partition(), noReaders);
  expect(await left()).toBe(1);
});

it('plans and segments go when every partition of every stage has folded them for a retention', async () => {
  const world = await folded(3);
  const data = world.partition();
  // The planner's log here: entries of the same form under the plans' names.
  for (const n of [1, 2, 3, 4]) {
    const entry = await world.memory.get(NAMES.log(PATH, n));
    if (entry.found) await world.memory.create(NAMES.log(PLANNER, n), entry.body);
    await world.memory.create(NAMES.segment(n, 'abc'), new Uint8Array(1));
    await world.memory.create(NAMES.segment(n, 'fff'), new Uint8Array(1));
  }
  const planner: CommitPartition = {
    ...data,
    path: PLANNER,
    log: { read: async () => ({ found: false, dateMs: world.clock.now() }) },
  };
  const change: Edit = {
    type: 'fold',
    after: 0,
    through: 3,
    logHash: '',
    sst: null,
    writtenAfterMs: 0,
    publishedThrough: 3,
  };
  await editManifest(world.memory, NAMES.manifest(PLANNER), () => change, { nonce: 'n' });
  const left = async (): Promise<[number, number]> => [
    (await listAll(world.memory, NAMES.logPrefix(PLANNER))).length,
    (await listAll(world.memory, NAMES.segmentPrefix())).length,
  ];
  const second: CommitPartition = { ...data, path: 's0/p1', partition: 1 };
  await collectJob(planner, [[data, second]]);
  world.clock.advance(R + 1);
  await collectJob(planner, [[data, second]]);
  expect(await left()).toEqual([3, 8]); // s0/p1 has folded nothing
  await collectJob(planner, [[data]]);
  expect(await left()).toEqual([0, 2]);
  expect(await world.logs()).toEqual([]);
});

describe('a dead epoch', () => {
  it('goes whole, but for what roots keep, and not while it is young', async () => {
    const world = await folded(2);
    const other = names('job', 1);
    await world.memory.create(other.log(PATH, 1), new Uint8Array(1));
    expect(await collectEpoch(world.memory, NAMES, [PLANNER, PATH], R)).toEqual({ outcome: 'young' });
    const kept = (await world.manifest()).l0[0]!.id;
    await edit(world, { type: 'setRoot', name: 'e1', ssts: [kept] });
    world.clock.advance(R + 1);
    expect(await collectEpoch(world.memory, NAMES, [PLANNER, PATH], R)).toMatchObject({ outcome: 'collected' });
    const left = await listAll(world.memory, '');
    expect(left.map((object) => object.name)).toEqual([
      NAMES.manifest(PATH),
      NAMES.sst(PATH, kept),
      other.log(PATH, 1),
    ]);
    await edit(world, { type: 'removeRoot', name: 'e1' });
    world.clock.advance(R + 1);
    await collectEpoch(world.memory, NAMES, [PLANNER, PATH], R);
    expect(await listAll(world.memory, NAMES.epochPrefix())).toEqual([]);
  });
});
