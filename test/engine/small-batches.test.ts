/**
 * What a batch costs does not grow with the number of batches before it: 5,000 small ones over the same keys, with requests
 * and bytes counted early and late.
 */
import { expect, it } from 'vitest';
import { count, job, source, sum, tumbling } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { gatheredFrom } from '../../lib/plan/gathered.ts';
import { SegmentBuilder } from '../../lib/plan/segment-builder.ts';
import { FastClock, openEngine, physical } from '../helpers/engine.ts';
import { countingStore } from '../helpers/stores.ts';

const BATCHES = 5000;
const ROWS = 30;
const KEYS = 200;
/** Batches that are counted together. */
const PART = 1000;

interface Event {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

const events = source<Event>('events', { eventTime: (e) => e.t, delay: '1 minute' });
const byKey = events.keyBy((e) => e.k);
const columns = { n: count<Event>(), s: sum((e: Event) => e.v) };
const JOBS = {
  'windows that stay open': physical(
    job('small', byKey.window(tumbling('100 days')).aggregate(columns), { outputMode: 'append' }),
    { partitions: 1, noDataBatches: false },
  ),
  'results in every batch': physical(job('small', byKey.aggregate(columns), { outputMode: 'update' }), {
    partitions: 1,
    noDataBatches: false,
  }),
};

interface Cost {
  requests: number;
  bytes: number;
  /** Objects that were made. */
  created: number;
}

/** @returns what each part of the run cost a batch, and the largest manifest */
async function run(job: (typeof JOBS)[keyof typeof JOBS], retentionMs: number, everyMs: number) {
  const clock = new FastClock();
  const store = countingStore(new MemoryStore({ clock }));
  const { engine, committer } = await openEngine({ job, store, clock, retentionMs, foldEvery: 4 });
  const parts: Cost[] = [];
  let largest = 0;
  for (let i = 0; i < BATCHES; i++) {
    if (i % PART === 0) parts.push({ requests: 0, bytes: 0, created: 0 });
    const cost = parts.at(-1)!;
    const builder = new SegmentBuilder(job);
    builder.open({ source: 0, name: 'file' });
    for (let r = 0; r < ROWS; r++) builder.add({ t: i * 1000, k: `key-${(i * 7 + r * 13) % KEYS}`, v: r }, r + 1);
    // One file, read on and on.
    const piece = { source: 'events', name: 'file', version: '1', from: i * ROWS, to: (i + 1) * ROWS, done: false };
    const done = await engine.batch(gatheredFrom(builder, [piece], true));
    await done.published;
    // Folds and compactions that are due are made behind this batch, and counted with it.
    for (const path of ['planner', 's0/p0']) await committer.loop.compactAll(path);
    clock.advance(everyMs);
    for (const { op, name, bytes } of store.calls) {
      if (op === 'create') cost.created++;
      if (op === 'compareAndSet' && name.endsWith('/manifest')) largest = Math.max(largest, bytes);
    }
    const { sent, received } = store.bytes();
    cost.requests += store.calls.length;
    cost.bytes += sent + received;
    store.reset();
  }
  await committer.close({ drain: true });
  expect(committer.errors).toEqual([]);
  const perBatch = parts.map(({ requests, bytes, created }) => ({
    requests: requests / PART,
    bytes: bytes / PART,
    created: created / PART,
  }));
  return { early: perBatch[1]!, late: perBatch.at(-1)!, largest };
}

function expectFlat({ early, late, largest }: Awaited<ReturnType<typeof run>>): void {
  const shown = JSON.stringify({ early, late, largest });
  for (const what of ['requests', 'bytes', 'created'] as const) {
    expect(late[what], `${what}: ${shown}`).toBeLessThan(early[what] * 1.05);
  }
  expect(largest, shown).toBeLessThan(16 << 10);
}

it('a late batch costs what an early one does while nothing is old enough to be deleted', async () => {
  const cost = await run(JOBS['windows that stay open'], 3_600_000, 10);
  expectFlat(cost);
  // ⚑ absent-is-empty: the plan, the log entry, and now and then an SST; no results, and no quarantine.
  expect(cost.late.created).toBeLessThan(3);
});

it('a late batch costs what an early one does while as much is deleted as is made', async () => {
  expectFlat(await run(JOBS['results in every batch'], 30_000, 100));
});
