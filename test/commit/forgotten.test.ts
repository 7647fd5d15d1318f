/** What operators forget goes from the state at once, from folds and compactions by itself, and never comes back. */
import { describe, expect, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold, publishFold, startFold } from '../../lib/commit/fold.ts';
import { manifestOf } from '../../lib/commit/partition.ts';
import { pickCompaction } from '../../lib/commit/pick-compaction.ts';
import { DataLog, foldable } from '../../lib/log/data-log.ts';
import { EMPTY_MANIFEST, type Manifest, type SstRef } from '../../lib/manifest/manifest.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { forgottenKeys } from '../../lib/state/floors.ts';
import { countingStore, hookedStore, sleepAt } from '../helpers/stores.ts';
import { NAMES, PATH, World } from './helpers.ts';

/** The state key of a row of table 1, which is timed. */
const at = (time: number, key: string): string => addressPrefix(1, 'timed', time) + key;

async function folded(world: World, ...args: Parameters<World['append']>): Promise<void> {
  await world.append(...args);
  await fold(world.partition());
}

describe('what is forgotten, by state key', () => {
  it('is of one table, up to the time and no further', () => {
    const gone = forgottenKeys([[1, 20]]);
    expect([at(-5, 'a'), at(20, ''), at(20, '\x07\x06zz')].map(gone.has)).toEqual([true, true, true]);
    const others = [at(20.5, 'a'), at(21, ''), `${addressPrefix(0, 'timed', 3)}a`, `${addressPrefix(2, 'timed', 3)}a`];
    expect(others.map(gone.has)).toEqual([false, false, false, false]);
    expect(gone.hasAll(at(1, 'a'), at(20, 'b'))).toBe(true);
    expect(gone.hasAll(at(1, 'a'), at(21, 'b'))).toBe(false);
    expect(gone.hasAll('\0a', at(20, 'b'))).toBe(false);
  });
});

describe('a fold', () => {
  it('writes nothing of what its entries forget, whichever put it there, and no tombstone (⚑ floors)', async () => {
    const world = new World();
    await folded(world, { [at(10, 'a')]: 'old', [at(30, 'a')]: 'stays' });
    await world.append({ [at(10, 'b')]: 'new', [at(10, 'a')]: null, [at(40, 'b')]: 'stays' });
    await world.append({}, { forgotten: [[1, 10]] });
    await fold(world.partition());
    const manifest = await world.manifest();
    expect(manifest.forgotten).toEqual([[1, 10]]);
    expect(manifest.l0[0]).toMatchObject({ entries: 1, tombstones: 0, minKey: at(40, 'b') });
    expect(await world.state()).toEqual({ [at(30, 'a')]: 'stays', [at(40, 'b')]: 'stays' });
  });

  it('carries the floor on where its entries change nothing else', async () => {
    const world = new World();
    await folded(world, { [at(10, 'a')]: 'old' }, { forgotten: [[1, 5]] });
    await folded(world, {}, { forgotten: [[1, 10]] });
    await folded(world, { [at(11, 'a')]: 'new' });
    expect(await world.manifest()).toMatchObject({ through: 3, forgotten: [[1, 10]] });
    expect(await world.state()).toEqual({ [at(11, 'a')]: 'new' });
  });

  it('leaves out what manifests before have forgotten, too, in mode sync as well', async () => {
    const world = new World();
    await folded(world, { [at(10, 'a')]: 'old' }, { forgotten: [[1, 9]] });
    await world.append({}, { forgotten: [[1, 10]] });
    const log = new DataLog(world.memory, NAMES, PATH);
    const { entry } = await log.readEntry(2);
    const started = startFold(world.partition(), await manifestOf(world.partition()), [foldable(entry!, 1)]);
    expect(started.sst).toBeNull();
    await publishFold(world.partition(), started);
    expect(await world.manifest()).toMatchObject({ through: 2, forgotten: [[1, 10]] });
    expect(await world.state()).toEqual({});
  });
});

describe('a compaction', () => {
  it('leaves out what is forgotten, and its tombstones, whatever may lie below', async () => {
    const world = new World();
    await folded(world, { [at(10, 'a')]: '1', [at(10, 'b')]: '1', [at(20, 'a')]: '1', z: '1' });
    await compact(world.partition(), { l0Trigger: 1 });
    await folded(world, { [at(10, 'b')]: null, [at(20, 'b')]: '2' });
    await folded(world, { [at(20, 'c')]: '3' }, { forgotten: [[1, 10]] });
    const below = [at(10, 'a'), at(10, 'b')];
    const left = async (): Promise<string[]> => (await world.storedKeys()).filter((key) => below.includes(key)).sort();
    expect(await left()).toEqual([...below, at(10, 'b')]);
    await compact(world.partition(), { boundBytes: 1 });
    expect(await left()).toEqual(below);
    await compact(world.partition(), { l0Trigger: 1 });
    expect(await world.storedKeys()).toEqual([at(20, 'a'), at(20, 'b'), at(20, 'c'), 'z']);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('drops SSTs of which nothing is left without reading them, wherever they are', async () => {
    const world = new World();
    await folded(world, { [at(10, 'a')]: '1', [at(10, 'b')]: '1' });
    await compact(world.partition(), { l0Trigger: 1 });
    await folded(world, { [at(10, 'c')]: '1' });
    await folded(world, { [at(20, 'c')]: '1' }, { forgotten: [[1, 10]] });
    const store = countingStore(world.memory);
    // Not by itself: it would cost requests, and what comes down next takes it along.
    expect(await compact(world.partition(store))).toMatchObject({ outcome: 'nothing' });
    // One GET, of the one SST of three that has anything.
    const done = await compact(world.partition(store), { l0Trigger: 2 });
    expect(done).toMatchObject({ compaction: { inputs: { length: 3 } } });
    expect(store.count('get', '/sst/')).toBe(1);
    expect(await world.storedKeys()).toEqual([at(20, 'c')]);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('drops those of a level by themselves where they have become many', () => {
    const sst = (id: number): SstRef => {
      const key = at(id, 'a');
      const rest = { size: 100, metaOffset: 80, indexOffset: 90, entries: 1, tombstones: 0, from: 1, to: 1 };
      return { id: `sst${id}`, minKey: key, maxKey: key, ...rest };
    };
    const ssts = [1, 2, 3, 4, 5].map(sst);
    const manifest: Manifest = { ...EMPTY_MANIFEST, through: 1, levels: [[], ssts] };
    const many = { l0Trigger: 4 };
    expect(pickCompaction({ ...manifest, forgotten: [[1, 3]] }, many)).toBeUndefined();
    const picked = pickCompaction({ ...manifest, forgotten: [[1, 4]] }, many);
    expect(picked).toEqual({ inputs: ssts.slice(0, 4), level: 2, move: false });
  });

  it('keeps a floor that came while it ran', async () => {
    const world = new World();
    await folded(world, { [at(10, 'a')]: '1', [at(20, 'a')]: '1' });
    await folded(world, { [at(10, 'b')]: '1' });
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'create', 'before');
    const compacting = compact(world.partition(hookedStore(world.memory, hooks)), { l0Trigger: 2 });
    await asleep;
    await folded(world, {}, { forgotten: [[1, 10]] });
    wake();
    expect(await compacting).toMatchObject({ outcome: 'compacted' });
    expect(await world.manifest()).toMatchObject({ forgotten: [[1, 10]] });
    expect(await world.state()).toEqual({ [at(20, 'a')]: '1' });
  });
});
