import { describe, expect, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold, foldEntries, publishFold, startFold } from '../../lib/commit/fold.ts';
import { collect } from '../../lib/commit/gc.ts';
import { manifestOf } from '../../lib/commit/partition.ts';
import { StoreTimeoutError } from '../../lib/errors.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import type { FoldableEntry } from '../../lib/log/partition-log.ts';
import { countingStore, hookedStore, listAll, sleepAt, timeOut } from '../helpers/stores.ts';
import { NAMES, PATH, R, World } from './helpers.ts';

const keepAll = { keepLogsAfter: 0 };

async function entriesOf(world: World, from: number, to: number): Promise<FoldableEntry[]> {
  const log = new DataLog(world.memory, NAMES, PATH);
  const reads = await Promise.all(Array.from({ length: to - from + 1 }, (_, i) => log.read(from + i)));
  return reads.map((read) => (read.found ? read.entry : expect.fail()));
}

describe('fold', () => {
  it('puts the log into one SST and leaves the state as it is (invariant 5)', async () => {
    const world = new World();
    await world.append({ a: '1', b: '1' });
    await world.append({ b: '2', c: '2' });
    await world.append({ a: null, d: '3' });
    const result = await fold(world.partition());
    expect(result).toMatchObject({ outcome: 'folded', entries: 3, more: false });
    const manifest = await world.manifest();
    expect(manifest).toMatchObject({ version: 1, through: 3, publishedThrough: 3 });
    expect(manifest.l0).toMatchObject([{ from: 1, to: 3, entries: 3, tombstones: 0 }]);
    expect(await world.folded(manifest)).toEqual({ b: '2', c: '2', d: '3' });
    expect(await fold(world.partition())).toMatchObject({ outcome: 'nothing' });
  });

  it('refuses a log entry that changes a key twice, by its name; two entries may change one', async () => {
    const world = new World();
    await world.append({ a: '1' });
    await world.append({ a: '2', b: '2' });
    const entries = await entriesOf(world, 1, 2);
    const base = await manifestOf(world.partition());
    expect(startFold(world.partition(), base, entries).sst).toMatchObject({ entries: 2 });
    const [first, second] = entries as [FoldableEntry, FoldableEntry];
    const twice: FoldableEntry = {
      ...second,
      addChangesTo: (columns) => {
        for (const key of ['b', 'a', 'b']) columns.push(key, Buffer.from('2'));
      },
    };
    expect(() => startFold(world.partition(), base, [first, twice])).toThrow(
      expect.objectContaining({ code: 'CORRUPT', message: expect.stringContaining(NAMES.log(PATH, 2)) }),
    );
  });

  it('keeps a tombstone only where an older SST may hold its key (⚑ tombstones)', async () => {
    const world = new World();
    await world.append({ c: '1', f: '1' });
    await fold(world.partition());
    await world.append({ a: null, d: null, f: null, z: null });
    await fold(world.partition());
    expect((await world.manifest()).l0[0]).toMatchObject({ entries: 2, tombstones: 2, minKey: 'd', maxKey: 'f' });
    expect(await world.state()).toEqual({ c: '1' });
  });

  it('makes no SST of entries that change nothing', async () => {
    const world = new World();
    await world.append({});
    await world.append({ a: null });
    expect(await fold(world.partition())).toMatchObject({ outcome: 'folded', entries: 2 });
    expect(await world.manifest()).toMatchObject({ through: 2, l0: [] });
    expect(await world.stored()).toEqual([]);
  });

  it('stops at the first absent entry, and at its bounds', async () => {
    const world = new World();
    for (let n = 1; n <= 9; n++) await world.append({ [`k${n}`]: 'v' });
    expect(await fold(world.partition(), { maxEntries: 2 })).toMatchObject({ entries: 2, more: true });
    expect(await fold(world.partition(), { maxBytes: 1 })).toMatchObject({ entries: 1, more: true });
    await world.memory.delete([NAMES.log(PATH, 6)]);
    expect(await fold(world.partition())).toMatchObject({ entries: 2, more: false });
    expect((await world.manifest()).through).toBe(5);
  });

  it('needs one round trip for entries that are known to exist', async () => {
    const world = new World();
    for (let n = 1; n <= 4; n++) await world.append({ a: String(n) }, { publishedThrough: 3 });
    for (let n = 1; n <= 4; n++) await world.publish(n);
    const store = countingStore(world.memory);
    await fold(world.partition(store), { expected: 4, publishedThrough: 4, maxEntries: 4 });
    // Manifest, 4 log entries at once, SST, manifest.
    expect(store.count()).toBe(7);
    expect(store.count('get', '/log/')).toBe(4);
    expect(Math.max(...store.calls.map((call) => call.besides))).toBe(3);
  });

  it('names the log entry that does not follow the one before (⚑ chain, invariant 2)', async () => {
    const world = new World();
    await world.append({ a: '1' });
    await world.append({ a: '2' });
    const other = new World();
    await other.append({ a: 'x' });
    await other.append({ a: 'y' });
    const foreign = await other.memory.get(NAMES.log(PATH, 2));
    await world.memory.delete([NAMES.log(PATH, 2)]);
    if (foreign.found) await world.memory.create(NAMES.log(PATH, 2), foreign.body);
    await expect(fold(world.partition())).rejects.toThrow(/log\/0+2 is corrupted: .*two histories/);
    await fold(world.partition(), { maxEntries: 1 });
    await expect(fold(world.partition())).rejects.toThrow(/log\/0+2 is corrupted/);
    expect((await world.manifest()).through).toBe(1);
  });
});

describe('outputs (invariant 12)', () => {
  it('publishes what batch functions did not get to, in order (⚑ output-order)', async () => {
    const world = new World();
    const outputs = ['out', 'late'];
    for (let n = 1; n <= 3; n++) await world.append({ a: String(n) }, { outputs });
    await world.publish(1);
    const store = countingStore(world.memory);
    await fold(world.partition(store), { expected: 3 });
    expect(await world.published('out')).toEqual(['out 1\n', 'out 2\n', 'out 3\n']);
    expect(await world.published('late')).toEqual(['late 1\n', 'late 2\n', 'late 3\n']);
    for (const output of outputs) {
      const created = store.calls.filter((call) => call.op === 'create' && call.name.includes(`/out/${output}/`));
      const expected = output === 'out' ? [2, 3] : [1, 2, 3];
      expect(created.map((call) => call.name)).toEqual(expected.map((n) => NAMES.out(output, 0, n)));
    }
    const cas = store.calls.find((call) => call.op === 'compareAndSet')!;
    expect(store.calls.every((call) => !call.name.includes('/out/') || call.index < cas.index)).toBe(true);
  });

  it('publishes those that have rows, and looks for no others (⚑ absent-is-empty)', async () => {
    const world = new World();
    const hasRows = (output: string, n: number): boolean => output === 'out' && [1, 3, 6].includes(n);
    for (let n = 1; n <= 7; n++) await world.append({ a: String(n) }, { outputs: ['out', 'late'], hasRows });
    await world.publish(1);
    const store = countingStore(world.memory);
    await fold(world.partition(store), { expected: 7 });
    expect(await world.published('out')).toEqual(['out 1\n', 'out 3\n', 'out 6\n']);
    expect(await world.published('late')).toEqual([]);
    const asked = store.calls.filter((call) => call.name.includes('/out/'));
    expect(asked.map((call) => `${call.op} ${Number(call.name.slice(-12))}`)).toEqual([
      'get 6',
      'get 3',
      'get 1',
      'create 3',
      'create 6',
    ]);
    expect((await world.manifest()).publishedThrough).toBe(7);
  });

  it('does not create again those below the newest with rows that is there (⚑ absent-is-empty)', async () => {
    const world = new World();
    const hasRows = (_: string, n: number): boolean => n !== 3;
    for (let n = 1; n <= 4; n++) await world.append({ a: String(n) }, { hasRows });
    await world.publish(2);
    await fold(world.partition());
    expect(await world.published()).toEqual(['out 2\n', 'out 4\n']);
  });

  it('counts only when its results are out (⚑ fold-after-publish)', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'create' && call.name.includes('/out/'), 'before');
    const folding = fold(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(await world.manifest()).toMatchObject({ through: 0, publishedThrough: 0 });
    wake();
    expect(await folding).toMatchObject({
      outcome: 'folded',
      loaded: { manifest: { through: 1, publishedThrough: 1 } },
    });
  });

  it('does not create again what a consumer took, if the newest is there', async () => {
    const world = new World();
    for (let n = 1; n <= 3; n++) await world.append({ a: String(n) });
    await world.publish(3);
    await fold(world.partition());
    expect(await world.published()).toEqual(['out 3\n']);
    expect((await world.manifest()).publishedThrough).toBe(3);
  });

  it('publishes what a fold of mode sync had folded before it was published', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const partition = world.partition();
    await foldEntries(partition, await manifestOf(partition), await entriesOf(world, 1, 1), { publishedThrough: 0 });
    expect(await world.manifest()).toMatchObject({ through: 1, publishedThrough: 0 });
    await world.append({ a: '2' });
    await fold(partition);
    expect(await world.published()).toEqual(['out 1\n', 'out 2\n']);
    expect(await world.manifest()).toMatchObject({ through: 2, publishedThrough: 2 });
  });

  it('publishes them when there is nothing to fold, too', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const partition = world.partition();
    await foldEntries(partition, await manifestOf(partition), await entriesOf(world, 1, 1), { publishedThrough: 0 });
    expect(await fold(partition)).toMatchObject({ outcome: 'nothing', loaded: { manifest: { publishedThrough: 1 } } });
    expect(await world.published()).toEqual(['out 1\n']);
  });
});

describe('a manifest in hand', () => {
  it('is gone on from without reading it again', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const { loaded: from } = await fold(world.partition());
    await world.append({ a: '2', b: '2' });
    const store = countingStore(world.memory);
    expect(await fold(world.partition(store), { from })).toMatchObject({ outcome: 'folded', entries: 1 });
    expect(store.count('get', 'manifest')).toBe(0);
    await world.append({ c: '3' });
    expect(await fold(world.partition(), { from })).toMatchObject({ outcome: 'overtaken' });
    expect(await fold(world.partition())).toMatchObject({ outcome: 'folded', entries: 1 });
    expect(await world.state()).toEqual({ a: '2', b: '2', c: '3' });
  });

  it('is read anew when it is too old to tell what an answer means (⚑ fresh-manifest)', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const { loaded: from } = await fold(world.partition());
    await world.append({ a: '2' });
    await fold(world.partition());
    // Folded by another environment, and collected since: to whoever goes by the old manifest the log has ended.
    world.clock.advance(R);
    await world.memory.delete([NAMES.log(PATH, 2)]);
    await world.append({ a: '3' });
    const store = countingStore(world.memory);
    expect(await fold(world.partition(store), { from })).toMatchObject({ outcome: 'folded', entries: 1 });
    expect(store.count('get', 'manifest')).toBe(1);
    expect(await world.state()).toEqual({ a: '3' });
  });
});

describe('publishing late', () => {
  for (const op of ['get', 'create'] as const) {
    it(`begins again when the answer to a ${op} came half a retention after the manifest (⚑ fresh-manifest)`, async () => {
      const world = new World();
      for (let n = 1; n <= 2; n++) await world.append({ a: String(n) });
      let slow = true;
      const before = (call: { op: string; name: string }): void => {
        if (!slow || call.op !== op || call.name !== NAMES.out('out', 0, 1)) return;
        slow = false;
        world.clock.advance(R);
      };
      const store = countingStore(hookedStore(world.memory, { before }));
      expect(await fold(world.partition(store))).toMatchObject({ outcome: 'folded' });
      expect(store.count('get', 'manifest')).toBe(2);
      const created = store.calls.findIndex((call) => call.op === 'create' && call.name.includes('/out/'));
      const again = store.calls.findLastIndex((call) => call.op === 'get' && call.name.endsWith('manifest'));
      if (op === 'get') expect(created).toBeGreaterThan(again);
      expect(await world.published()).toEqual(['out 1\n', 'out 2\n']);
    });
  }
});

describe('races', () => {
  it('recognises its own edit by its nonce after a lost answer (⚑ edit-nonce)', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const store = hookedStore(
      world.memory,
      timeOut((call) => call.op === 'compareAndSet', 'after effect'),
    );
    expect(await fold(world.partition(store))).toMatchObject({ outcome: 'folded', entries: 1 });
    expect(await world.manifest()).toMatchObject({ version: 1, through: 1 });
  });

  it('recognises its own edit even if others came after it', async () => {
    const world = new World();
    for (let n = 1; n <= 2; n++) await world.append({ a: String(n) });
    let lost = false;
    const store = hookedStore(world.memory, {
      async after(call) {
        if (lost || call.op !== 'compareAndSet') return;
        lost = true;
        await fold(world.partition());
        throw new StoreTimeoutError('the answer was lost');
      },
    });
    const folding = fold(world.partition(store), { maxEntries: 1 });
    expect(await folding).toMatchObject({ outcome: 'folded' });
    expect(await world.manifest()).toMatchObject({ version: 2, through: 2 });
  });

  it('abandons when another fold went through, and leaves its SST to GC', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const folding = fold(world.partition(hookedStore(world.memory, hooks)));
    await asleep;
    await fold(world.partition());
    await world.append({ a: '2' });
    wake();
    expect(await folding).toMatchObject({ outcome: 'overtaken', loaded: { manifest: { through: 1 } } });
    expect(await world.manifest()).toMatchObject({ version: 1, through: 1 });
    expect(await world.stored()).toHaveLength(2);
    expect(await world.state()).toEqual({ a: '2' });
  });

  it('rebases without rebuilding when only levels changed', async () => {
    const world = new World();
    for (let n = 1; n <= 5; n++) {
      await world.append({ [`k${n}`]: String(n) });
      if (n < 5) await fold(world.partition());
    }
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const store = countingStore(hookedStore(world.memory, hooks));
    const folding = fold(world.partition(store));
    await asleep;
    expect(await compact(world.partition(), { l0Trigger: 4 })).toMatchObject({ outcome: 'compacted' });
    wake();
    expect(await folding).toMatchObject({ outcome: 'folded' });
    expect(store.count('create', '/sst/')).toBe(1);
    const manifest = await world.manifest();
    expect([manifest.l0.length, manifest.levels.map((level) => level.length)]).toEqual([1, [1]]);
    expect(await world.state()).toEqual(world.expectedState());
  });

  it('rebuilds when its SST was condemned while it slept', async () => {
    const world = new World();
    await world.append({ a: '1' });
    await fold(world.partition());
    await world.append({ a: '2' });
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const store = countingStore(hookedStore(world.memory, hooks));
    const folding = fold(world.partition(store));
    await asleep;
    // Another collector with a shorter retention.
    world.clock.advance(R / 4);
    await collect(world.partition(world.memory, R / 8), keepAll);
    world.clock.advance(R / 8 + 1);
    await collect(world.partition(world.memory, R / 8), keepAll);
    expect(await world.stored()).toHaveLength(1);
    wake();
    expect(await folding).toMatchObject({ outcome: 'folded' });
    expect(store.count('create', '/sst/')).toBe(2);
    expect(await world.state()).toEqual({ a: '2' });
  });

  it('rebuilds when it slept so long that its SST was condemned, deleted and forgotten (⚑ may-name)', async () => {
    const world = new World();
    await world.append({ a: '1' });
    await fold(world.partition());
    await world.append({ a: '2' });
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'compareAndSet', 'before');
    const store = countingStore(hookedStore(world.memory, hooks));
    const folding = fold(world.partition(store));
    await asleep;
    for (let i = 0; i < 4; i++) {
      world.clock.advance(R + 1);
      await collect(world.partition(), keepAll);
    }
    expect(await listAll(world.memory, NAMES.unnamed(PATH))).toEqual([]);
    expect(await world.stored()).toHaveLength(1);
    wake();
    expect(await folding).toMatchObject({ outcome: 'folded' });
    expect(store.count('create', '/sst/')).toBe(2);
    expect(await world.state()).toEqual({ a: '2' });
  });

  it('concludes nothing from log answers that came half a retention after the manifest (⚑ fresh-manifest)', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const { hooks, asleep, wake } = sleepAt((call) => call.op === 'get' && call.name.includes('/log/'), 'before');
    const store = countingStore(hookedStore(world.memory, hooks));
    const folding = fold(world.partition(store));
    await asleep;
    // Others fold and collect the entry; an attempt that slept creates another of the same number.
    await fold(world.partition());
    await world.append({ a: '2' });
    for (let i = 0; i < 3; i++) {
      world.clock.advance(R);
      await collect(world.partition(), { keepLogsAfter: Infinity });
    }
    expect(await world.logs()).toEqual([2]);
    const stray = new World();
    await stray.append({ zombie: 'x' }, { outputs: ['stray'] });
    const answer = await stray.memory.get(NAMES.log(PATH, 1));
    if (answer.found) await world.memory.create(NAMES.log(PATH, 1), answer.body);
    wake();
    expect(await folding).toMatchObject({ outcome: 'folded', entries: 1 });
    expect(store.count('get', 'manifest')).toBe(2);
    expect(await world.published('stray')).toEqual([]);
    expect(await world.manifest()).toMatchObject({ through: 2 });
    expect(await world.state()).toEqual({ a: '2' });
  });

  it('two folders at once: one of them counts, and nothing is lost', async () => {
    const world = new World();
    for (let n = 1; n <= 3; n++) await world.append({ a: String(n), [`k${n}`]: 'v' });
    const results = await Promise.all([fold(world.partition()), fold(world.partition(), { maxEntries: 2 })]);
    expect(results.map((result) => result.outcome).sort()).toEqual(['folded', 'overtaken']);
    while ((await fold(world.partition())).outcome !== 'nothing');
    expect(await world.state()).toEqual(world.expectedState());
  });
});

describe('startFold and publishFold', () => {
  it('sends the SST before the log entry is durable, and counts only when published', async () => {
    const world = new World();
    await world.append({ a: '1' });
    const partition = world.partition();
    const started = startFold(partition, await manifestOf(partition), await entriesOf(world, 1, 1));
    await started.stored;
    expect(await world.manifest()).toMatchObject({ version: 0, through: 0 });
    const store = countingStore(world.memory);
    expect(await publishFold(world.partition(store), started)).toMatchObject({ outcome: 'folded' });
    expect(store.report()).toBe('compareAndSet job/e0/s0/p0/manifest');
  });

  it('refuses entries that do not follow the manifest', async () => {
    const world = new World();
    for (let n = 1; n <= 2; n++) await world.append({ a: String(n) });
    const partition = world.partition();
    const base = await manifestOf(partition);
    const [, second] = await entriesOf(world, 1, 2);
    expect(() => startFold(partition, base, [second!])).toThrow(/does not follow/);
    expect(() => startFold(partition, base, [])).toThrow(/nothing to fold/);
  });
});
