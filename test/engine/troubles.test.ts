/** What fails and costs time only: it is told, once, and the results are the same. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ALWAYS_LIVE, PartitionRunner } from '../../lib/batch/partition-runner.ts';
import { Warnings } from '../../lib/embedded/warnings.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { StoredSource } from '../../lib/plan/stored-source.ts';
import { LmdbBlockCache } from '../../lib/state/block-cache.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import type { Trace } from '../../lib/util/trace.ts';
import { FastClock, gather, openEngine, outcomeOf, physical, runScript } from '../helpers/engine.ts';
import { JOBS, sampleScript } from '../helpers/engine-jobs.ts';
import { hookedStore } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-troubles-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const job = (changes: Partial<PhysicalJob> = {}): PhysicalJob =>
  physical(JOBS.running(), { partitions: 1, noDataBatches: false, ...changes });
const script = sampleScript('running', 6);

function listening() {
  const told: string[] = [];
  const trace: Trace = { span() {}, trouble: (what) => void told.push(what) };
  return { told, trace };
}

/** What a run without any trouble leaves behind. */
async function undisturbed() {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  await runScript({ job: job(), store, clock, script });
  return outcomeOf(store, job());
}

/** A store with an SST and four batches. */
async function written() {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const { engine, committer, env } = await openEngine({ job: job(), store, clock, commits: 'asked' });
  for (let i = 0; i < 4; i++) {
    await engine.batch(gather(job(), script[i]!, `rows-${i}`));
    if (i === 1) for (const p of ['planner', 's0/p0']) await committer.loop.foldNow(p);
  }
  return { store, clock, env };
}

it('invariant 7: a cache that cannot be written', async () => {
  const { told, trace } = listening();
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const cache = LmdbBlockCache.open(path.join(root, 'unwritable'), 1 << 20, trace.trouble);
  // No head of a value has room for that number.
  const part = { sst: cache.sst('x'), part: 2 ** 33, bytes: new Uint8Array(10) };
  await runScript({
    job: job({ state: { ttlMs: undefined, cacheBytes: 1 } }),
    store,
    clock,
    script,
    cache,
    trace,
    between: () => cache.put([part]),
  });
  await cache.close();
  expect(told).toEqual(['the local cache cannot be used: state is read from the object store']);
  expect(await outcomeOf(store, job())).toEqual(await undisturbed());
});

it('a warm pack that is damaged', async () => {
  const { told, trace } = listening();
  const { store, env } = await written();
  const { engine } = await openEngine({ job: job(), store, clock: env.clock, commits: 'asked' });
  const gathered = gather(job(), script[4]!, 'rows-4');
  const { stored, durable } = await engine.plan(gathered);
  await durable;
  const { state } = engine.stages[0]![0]!;
  await store.put(env.names.warm('s0/p0', 5, state.manifest.version), Buffer.from('no warm pack'));
  const source = new StoredSource({ store, names: env.names, partitions: 1 });
  const cold = new PartitionRunner({ ...engine.context, trace, warmPacks: true }, source, { stage: 0, partition: 0 });
  await (await cold.run(5, { plan: stored }, ALWAYS_LIVE)).published;
  expect(told).toEqual(['a warm pack could not be used']);
  await runScript({ job: job(), store, clock: env.clock, script });
  expect(await outcomeOf(store, job())).toEqual(await undisturbed());
});

describe('state that is read into memory ahead', () => {
  it('fails: told, and tried again', async () => {
    const { told, trace } = listening();
    const { store, clock } = await written();
    let broken = true;
    const failing = hookedStore(store, {
      before({ op, name }) {
        if (broken && op === 'get' && name.includes('/sst/')) throw new Error('no such luck');
      },
    });
    const { engine } = await openEngine({ job: job(), store: failing, clock, trace, commits: 'asked' });
    const { rows } = engine.stages[0]![0]!.state;
    engine.fillMemory();
    await engine.settled();
    expect(told).toEqual(['state was not read into memory ahead']);
    expect(rows.complete).toBe(false);
    broken = false;
    engine.fillMemory();
    await engine.settled();
    expect(rows.complete).toBe(true);
    expect(told).toHaveLength(1);
    await runScript({ job: job(), store, clock, script });
    expect(await outcomeOf(store, job())).toEqual(await undisturbed());
  });

  it('is overtaken by a newer manifest: nothing to tell, and tried again', async () => {
    const { told, trace } = listening();
    const { store, clock } = await written();
    let fold: (() => Promise<void>) | undefined;
    const folding = hookedStore(store, {
      async after({ op, name }) {
        if (op !== 'get' || !name.includes('/sst/')) return;
        const once = fold;
        fold = undefined;
        await once?.();
      },
    });
    const { engine, committer } = await openEngine({ job: job(), store: folding, clock, trace, commits: 'asked' });
    const { state } = engine.stages[0]![0]!;
    const { version } = state.manifest;
    fold = () => committer.loop.foldNow('s0/p0');
    engine.fillMemory();
    await engine.settled();
    expect(state.manifest.version).toBeGreaterThan(version);
    expect(state.rows.complete).toBe(false);
    engine.fillMemory();
    await engine.settled();
    expect(state.rows.complete).toBe(true);
    expect(told).toEqual([]);
    await runScript({ job: job(), store, clock, script });
    expect(await outcomeOf(store, job())).toEqual(await undisturbed());
  });
});

it('a run tells each kind once, and between batches', () => {
  const told: string[] = [];
  const warnings = new Warnings(({ message }) => void told.push(message));
  for (let batch = 1; batch <= 3; batch++) warnings.note('a warm pack could not be used', new Error(`batch ${batch}`));
  expect(told).toEqual([]);
  warnings.tell();
  warnings.note('a warm pack could not be used', new Error('batch 4'));
  warnings.note('another', 'text');
  warnings.tellLast();
  expect(told).toEqual(['a warm pack could not be used: batch 1', 'another: text']);
});

it('whoever is told at the end of a run may throw: the run is over', () => {
  const warnings = new Warnings(() => {
    throw new Error('do not tell me');
  });
  warnings.note('something', 'text');
  expect(() => warnings.tellLast()).not.toThrow();
  warnings.note('something else', 'text');
  expect(() => warnings.tell()).toThrow('do not tell me');
});
