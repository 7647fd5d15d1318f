/** Rows are brought near beside the batches: in time, as they come, and never in the way of a batch. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { StoreTimeoutError } from '../../lib/errors.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { Gathered } from '../../lib/plan/gathered.ts';
import { LmdbBlockCache } from '../../lib/state/block-cache.ts';
import type { Span } from '../../lib/util/trace.ts';
import { FastClock, gather, openEngine, physical, type ScriptBatch } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { countingStore, hookedStore, type StoreHooks } from '../helpers/stores.ts';

const KEYS = 400;

const rows = (keys: readonly number[]): ScriptBatch => ({
  events: keys.map((k) => ({ t: 1000, k: `key-${k}`, v: k })),
});
const some = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

/** A job with all its state in SSTs, little of it in memory, opened anew. */
async function opened(hooks: StoreHooks = {}, { cacheBytes = 60_000, keys = KEYS } = {}) {
  const clock = new FastClock();
  const memory = new MemoryStore({ clock });
  const job = physical(JOBS.running(), {
    ...{ partitions: 1, noDataBatches: false },
    state: { ttlMs: undefined, cacheBytes },
  });
  const first = await openEngine({ job, store: memory, clock, commits: 'asked' });
  await first.engine.batch(gather(job, rows(some(0, keys)), 'rows-0', true));
  await first.committer.close({ drain: true });
  const store = countingStore(hookedStore(memory, hooks));
  const spans: Span[] = [];
  const trace = { span: (span: Span) => void spans.push(span) };
  const { engine } = await openEngine({ job, store, clock, commits: 'asked', trace });
  const gathered = (keys: readonly number[]): Gathered => gather(job, rows(keys), 'rows-1', true);
  return { engine, store, spans, gathered };
}

describe('preloading', () => {
  it('brings the rows that the batch asks for, and tells so', async () => {
    const { engine, store, spans, gathered } = await opened();
    const batch = gathered(some(100, 50));
    await engine.preload(batch);
    expect(store.count('get', '/sst/')).toBeGreaterThan(0);
    store.reset();
    const { reads } = await engine.batch(batch);
    expect(store.count('get', '/sst/')).toBe(0);
    expect(reads).toMatchObject({ memory: 50, store: 0, requests: 0, bytes: 0 });
    expect(reads.preloaded).toMatchObject({ rows: 50, used: 50, wastedBytes: 0 });
    const told = spans.filter(({ lane }) => lane === 'preload');
    expect(told).toMatchObject([{ n: 2, path: 's0/p0', detail: { rows: 50, used: 50, dropped: 0 } }]);
  });

  it('counts what the batch did not ask for as wasted', async () => {
    const { engine, gathered } = await opened();
    await engine.preload(gathered(some(0, 30)));
    const { reads } = await engine.batch(gathered(some(20, 20)));
    expect(reads.preloaded).toMatchObject({ rows: 30, used: 10 });
    expect(reads.preloaded!.wastedBytes).toBeGreaterThan(20 * 8);
    expect(reads.memory + reads.store + reads.lmdb).toBe(20);
  });

  it('waits until no more rows are to come than have come, and then brings these, each once', async () => {
    const { engine, store, gathered } = await opened();
    const keys = some(0, 60);
    const come = (count: number): Gathered => gathered(keys.slice(0, count));
    /** @returns requests for SSTs that are made when so many of the 60 have come */
    const asks = async (count: number): Promise<number> => {
      const before = store.count('get', '/sst/');
      engine.preloadSome(come(count).inputs, (60 - count) / count);
      await turns();
      return store.count('get', '/sst/') - before;
    };
    // Indexes and filters.
    await asks(20);
    expect(await asks(29)).toBe(0);
    expect(await asks(30)).toBeGreaterThan(0);
    expect(await asks(44)).toBe(0);
    expect(await asks(45)).toBeGreaterThan(0);
    await engine.preload(come(60));
    const done = await engine.batch(come(60));
    expect(done.reads.preloaded).toMatchObject({ rows: 60, used: 60 });
    expect(done.reads.store).toBe(0);
  });

  it('lets rows wait while those before them are not all asked for', async () => {
    let owes = false;
    const owed: (() => void)[] = [];
    const answer = (): void => {
      owes = false;
      for (const go of owed.splice(0)) go();
    };
    const { engine, store, gathered } = await opened(
      {
        async before({ op, name }) {
          if (owes && op === 'get' && name.includes('/sst/')) await new Promise<void>((go) => owed.push(go));
        },
      },
      { cacheBytes: 1_000_000, keys: 8000 },
    );
    await engine.batch(gathered([0]));
    owes = true;
    // More than may be under way at once.
    const keys = some(0, 6000);
    engine.preloadSome(gathered(keys.slice(0, 4000)).inputs, 0.5);
    await turns();
    const first = store.count('get', '/sst/');
    expect(first).toBeGreaterThan(0);
    engine.preloadSome(gathered(keys.slice(0, 5900)).inputs, 0.01);
    await turns();
    expect(store.count('get', '/sst/')).toBe(first);
    answer();
    const batch = { ...gathered(keys), pieces: [] };
    await engine.preload(batch);
    const done = await engine.batch(batch);
    // The first batch has brought one.
    expect(done.reads).toMatchObject({ memory: 6000, store: 0, preloaded: { rows: 5999, used: 5999 } });
  });

  it('is not waited for: a batch runs while the store owes what was asked ahead', async () => {
    let owed = 0;
    let owes = false;
    const { engine, spans, gathered } = await opened({
      async before({ op, name }) {
        if (!owes || op !== 'get' || !name.includes('/sst/')) return;
        owed++;
        await new Promise(() => {});
      },
    });
    // Indexes and filters are open.
    await engine.batch(gathered([399]));
    owes = true;
    const next = (keys: readonly number[]): Gathered => ({ ...gathered(keys), pieces: [] });
    void engine.preload(next(some(0, 30)));
    await turns();
    expect(owed).toBeGreaterThan(0);
    const done = await engine.batch(next([399]));
    expect(done.reads).toMatchObject({ memory: 1, store: 0 });
    expect(spans.filter(({ lane, n }) => lane === 'preload' && n === done.n)).toMatchObject([{ detail: { used: 0 } }]);
  });

  it('a batch waits for its rows that are on their way, and asks for none of them', async () => {
    for (const fails of [false, true]) {
      const owed: (() => void)[] = [];
      let owes = false;
      const { engine, store, gathered } = await opened({
        async before({ op, name }) {
          if (!owes || op !== 'get' || !name.includes('/sst/')) return;
          await new Promise<void>((go) => owed.push(go));
          if (fails) throw new StoreTimeoutError('as the test wants it');
        },
      });
      await engine.batch(gathered([399]));
      owes = true;
      const batch = { ...gathered(some(0, 30)), pieces: [] };
      void engine.preload(batch);
      await turns();
      const asked = store.count('get', '/sst/');
      const running = engine.batch(batch);
      await turns();
      expect(store.count('get', '/sst/')).toBe(asked);
      owes = false;
      for (const go of owed) go();
      const { reads } = await running;
      // What has not come is read by the batch.
      if (fails) expect(reads).toMatchObject({ store: 30, memory: 0 });
      else expect(reads).toMatchObject({ store: 0, memory: 30, requests: 0, preloaded: { rows: 30, used: 30 } });
    }
  });

  it('brings the blocks of windows that close into the local tier', async () => {
    const clock = new FastClock();
    const memory = new MemoryStore({ clock });
    const job = physical(JOBS.tumbling(), { partitions: 1, state: { ttlMs: undefined, cacheBytes: 1 } });
    const first = await openEngine({ job, store: memory, clock, commits: 'asked' });
    const at = (t: number, count: number, name: string): Gathered =>
      gather(job, { events: some(0, count).map((k) => ({ t, k: `key-${k}`, v: 1 })) }, name, true);
    await first.engine.batch(at(1000, 300, 'rows-0'));
    await first.engine.batch(at(60_000, 1, 'rows-1'));
    await first.committer.close({ drain: true });
    const directory = mkdtempSync(path.join(tmpdir(), 'misa-preloader-'));
    const cache = LmdbBlockCache.open(directory, 1 << 20);
    const store = countingStore(memory);
    const { engine } = await openEngine({ job, store, clock, commits: 'asked', cache });
    const closing = at(61_000, 1, 'rows-2');
    await engine.preload(closing);
    store.reset();
    const done = await engine.batch(closing);
    expect(done.counts.emitted).toBe(300);
    expect(store.count('get', '/sst/')).toBe(0);
    await cache.close();
    rmSync(directory, { recursive: true });
  });

  it('keeps to half of the budget of memory', async () => {
    const { engine, gathered } = await opened({}, { cacheBytes: 20_000 });
    const batch = gathered(some(0, KEYS));
    await engine.preload(batch);
    const { size: near, bytes } = engine.stages[0]![0]!.state.rows;
    expect(near).toBeGreaterThan(10);
    expect(bytes).toBeLessThanOrEqual(1.3 * 10_000);
    expect((await engine.batch(batch)).reads.preloaded).toMatchObject({ rows: near, used: near });
  });
});

async function turns(): Promise<void> {
  for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
}
