/** What the first batch of a process costs, with more state than memory, in round trips and bytes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ALWAYS_LIVE, PartitionRunner } from '../../lib/batch/partition-runner.ts';
import { encodeManifest } from '../../lib/manifest/codec.ts';
import { type Manifest, type SstRef, sstsOf } from '../../lib/manifest/manifest.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import { type BlockCache, LmdbBlockCache } from '../../lib/state/block-cache.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import { SstReads } from '../../lib/state/sst-reads.ts';
import { FastClock, gather, type OpenEngine, openEngine, physical } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { inRounds, roundsOf } from '../helpers/rounds.ts';
import type { LoggedCall } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-cold-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PATH = 's0/p0';
const LEVEL_SSTS = 38;
const SST_ROWS = 40_000;
const KEYS = LEVEL_SSTS * SST_ROWS;
const job = physical(JOBS.running(), {
  partitions: 1,
  noDataBatches: false,
  preload: 'off',
  state: { ttlMs: undefined, cacheBytes: 200_000 },
});

const keyOf = (i: number): string => `key-${String(i % KEYS).padStart(9, '0')}`;
const rows = (n: number, count: number) => ({
  events: Array.from({ length: count }, (_, r) => ({ t: n * 1000, k: keyOf(n * 31 + r * 104_729), v: r * 7919.25 })),
});

/** Puts all keys into many SSTs of one level, with rows as those of the one SST that is there. */
async function fill(store: MemoryStore, { env }: OpenEngine): Promise<void> {
  const name = env.names.manifest(PATH);
  const { manifest, etag } = await loadManifest(store, name);
  const reads = new SstReads({ store, names: env.names, path: PATH, cache: undefined });
  reads.pin(manifest);
  const entries = await reads.scanAll('', undefined, noCost());
  const some = entries[0]!.key;
  const at = some.indexOf('key-');
  const level: SstRef[] = [];
  for (let from = 0; from < KEYS; from += SST_ROWS) {
    const builder = new SstBuilder({ id: `level1-${from}` });
    for (let i = from; i < from + SST_ROWS; i++) {
      const { value } = entries[(i * 31) % entries.length]!;
      builder.add(some.slice(0, at) + keyOf(i) + some.slice(at + keyOf(i).length), value);
    }
    const { info, body } = builder.finish();
    await store.create(env.names.sst(PATH, info.id), body);
    level.push({ ...info, from: 1, to: manifest.through });
  }
  const changed: Manifest = { ...manifest, version: manifest.version + 1, l0: [], levels: [level] };
  await store.compareAndSet(name, encodeManifest(changed), etag);
}

/** A partition with SSTs of one level, two newer ones above it, and two log entries that are not folded. */
async function grown() {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  let n = 0;
  const batch = async ({ engine }: OpenEngine, count: number): Promise<void> => {
    await engine.batch(gather(job, rows(n, count), `rows-${n++}`, true));
  };
  const first = await openEngine({ job, store, clock, commits: 'asked' });
  await batch(first, 2000);
  await first.committer.loop.foldNow(PATH);
  await first.committer.close({ drain: true });
  await fill(store, first);
  const second = await openEngine({ job, store, clock, commits: 'asked' });
  for (let i = 0; i < 2; i++) {
    await batch(second, 400);
    await second.committer.loop.foldNow(PATH);
  }
  for (let i = 0; i < 2; i++) await batch(second, 50);
  const planned = await second.engine.plan(gather(job, rows(n, 20), `rows-${n}`, true));
  await planned.durable;
  const { manifest } = await loadManifest(store, second.env.names.manifest(PATH));
  return { store, env: second.env, planned, manifest };
}
const state = grown();

/** The first batch of a process that knows nothing; what it asked for until its log entry. */
async function firstBatch(cache?: BlockCache) {
  const { env, planned, store: inner } = await state;
  const store = inRounds(inner);
  const { n } = planned.stored.plan;
  const source = { plan: async () => planned.stored, input: async () => planned.inputs[0]! };
  const runner = new PartitionRunner({ ...env, store, cache }, source, { stage: 0, partition: 0 });
  const done = await runner.run(n, { plan: planned.stored, input: planned.inputs[0]! }, ALWAYS_LIVE);
  await done.published;
  const logAt = store.calls.findIndex((call) => call.op === 'create' && call.name.includes('/log/'));
  const before = store.calls.slice(0, logAt);
  const ofSsts = before.filter((call) => call.name.includes('/sst/'));
  const bytes = ofSsts.reduce((sum, call) => sum + (call.result as { body: Uint8Array }).body.length, 0);
  // So that another one can run it again.
  await inner.delete([env.names.log(PATH, n)]);
  const ssts = sstsOf((await state).manifest);
  // Large filters of the deepest level come behind the blocks, and nobody waits for them.
  const isLater = ({ name, range }: LoggedCall): boolean =>
    ssts.some(
      ({ id, metaOffset, indexOffset }) =>
        name.endsWith(id) && range?.offset === metaOffset && range.length === indexOffset - metaOffset,
    );
  return { rounds: roundsOf(before.filter((call) => !isLater(call))), ofSsts, bytes, report: store.report() };
}

it('of 40 SSTs: three round trips (manifest; log and indexes; blocks), and few bytes of the state', async () => {
  const ssts = sstsOf((await state).manifest);
  expect(ssts).toHaveLength(LEVEL_SSTS + 2);
  const { rounds, bytes, report } = await firstBatch();
  expect(rounds.length, report).toBe(3);
  const all = ssts.reduce((sum, sst) => sum + sst.size, 0);
  expect(bytes / all).toBeLessThan(0.05);
});

it('with a block cache that another process has left: two round trips, and nothing of any SST', async () => {
  const directory = path.join(root, 'cache');
  const left = LmdbBlockCache.open(directory, 16 << 20);
  const cold = await firstBatch(left);
  expect(cold.ofSsts.length).toBeGreaterThan(LEVEL_SSTS);
  await left.close();
  const found = LmdbBlockCache.open(directory, 16 << 20);
  const { rounds, ofSsts, report } = await firstBatch(found);
  expect(ofSsts, report).toEqual([]);
  expect(rounds.length, report).toBe(2);
  await found.close();
});
