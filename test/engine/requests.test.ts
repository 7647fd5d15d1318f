/** What a batch costs in requests and round trips, asserted with a counting store. */
import { describe, expect, it } from 'vitest';
import { ALWAYS_LIVE, PartitionRunner } from '../../lib/batch/partition-runner.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { writeWarmPack } from '../../lib/preload/write-warm-pack.ts';
import { FastClock, gather, openEngine, physical, stateOf } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { inRounds, roundsOf } from '../helpers/rounds.ts';

const rows = (i: number, count = 40) => ({
  events: Array.from({ length: count }, (_, r) => ({ t: i * 1000, k: `key-${(i * 7 + r * 13) % 500}`, v: r })),
});

describe('requests of a warm batch', () => {
  for (const partitions of [1, 4]) {
    it(`${partitions} partition(s): 2 serial requests until it is durable (plan, log), 3 until it is published`, async () => {
      const clock = new FastClock();
      const job = physical(JOBS.running(), { partitions, noDataBatches: false });
      const store = inRounds(new MemoryStore({ clock }));
      const { engine } = await openEngine({ job, store, clock, commits: 'asked' });
      // So few that nothing is known yet of how long creates take, and none is sent again: on this clock all of them are late.
      await engine.batch(gather(job, rows(0), 'rows-0', true));
      store.reset();
      const done = await engine.run(await engine.plan(gather(job, rows(1), 'rows-1', true)));
      const durable = store.calls.filter((call) => call.outcome === 'answered').map((call) => call.name);
      expect(durable.filter((name) => name.includes('/plan/'))).toHaveLength(1);
      expect(durable.filter((name) => name.includes('/log/'))).toHaveLength(partitions);
      await done.published;
      // One for the plan, one a partition for the log, one a partition for the results; the quarantine has no rows.
      expect([store.count('create', '/plan/'), store.count('create', '/log/'), store.count('create', '/out/')]).toEqual(
        [1, partitions, partitions],
      );
      if (partitions === 1) expect(roundsOf(store.calls)).toEqual([1, 1, 1]);
      expect(store.count('get')).toBe(0);
    });
  }

  it('what preloading reads is not on the way of the batch', async () => {
    const clock = new FastClock();
    const memory = new MemoryStore({ clock });
    const job = physical(JOBS.running(), {
      partitions: 1,
      noDataBatches: false,
      state: { ttlMs: undefined, cacheBytes: 30_000 },
    });
    const first = await openEngine({ job, store: memory, clock, commits: 'asked' });
    for (let i = 0; i < 6; i++) await first.engine.batch(gather(job, rows(i, 200), `rows-${i}`, true));
    await first.committer.loop.foldNow('s0/p0');
    await first.committer.close({ drain: true });
    const store = inRounds(memory);
    const { engine } = await openEngine({ job, store, clock, commits: 'asked' });
    const gathered = gather(job, rows(6), 'rows-6', true);
    store.reset();
    await engine.preload(gathered);
    expect(store.count('get', '/sst/')).toBeGreaterThan(0);
    store.reset();
    const done = await engine.batch(gathered);
    expect(done.reads.requests).toBe(0);
    expect(done.reads.store).toBe(0);
    expect(roundsOf(store.calls)).toHaveLength(3);
  });
});

describe('requests of a cold environment', () => {
  it('with a warm pack: manifest, then log and pack side by side, then the log entry: 3 round trips, few bytes', async () => {
    const clock = new FastClock();
    const memory = new MemoryStore({ clock });
    const job = physical(JOBS.running(), { partitions: 1, noDataBatches: false });
    const first = await openEngine({ job, store: memory, clock, commits: 'asked' });
    for (let i = 0; i < 60; i++) await first.engine.batch(gather(job, rows(i, 300), `rows-${i}`, true));
    await first.committer.loop.foldNow('s0/p0');
    await first.committer.loop.compactAll('s0/p0');
    await first.engine.batch(gather(job, rows(60, 5), 'rows-60', true));
    const planned = await first.engine.plan(gather(job, rows(61, 5), 'rows-61', true));
    await planned.durable;
    const { state, path } = first.engine.stages[0]![0]!;
    await writeWarmPack(
      { job, stage: 0, state, store: memory, names: first.env.names, path },
      62,
      planned.stored.plan,
      planned.inputs[0]!,
    );

    const store = inRounds(memory);
    const source = { plan: async () => planned.stored, input: async () => planned.inputs[0]! };
    const cold = new PartitionRunner({ ...first.env, store, warmPacks: true }, source, { stage: 0, partition: 0 });
    const done = await cold.run(62, { plan: planned.stored, input: planned.inputs[0]! }, ALWAYS_LIVE);
    await done.published;
    expect(store.count('get', '/sst/'), store.report()).toBe(0);
    // Reading in two, the log entry, the results; results of the batch before are published by whoever comes next.
    const rounds = roundsOf(store.calls);
    expect(rounds.length, store.report()).toBeLessThanOrEqual(6);
    const logAt = store.calls.findIndex((call) => call.op === 'create' && call.name.includes('/log/'));
    const before = store.calls.slice(0, logAt).filter((call) => call.besides === 0).length;
    expect(before, `round trips before the log entry:\n${store.report()}`).toBe(2);
    expect(Object.keys((await stateOf(memory, job))['s0/p0']!.rows).length).toBe(500);
  });
});
