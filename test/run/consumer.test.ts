/**
 * Results given to a function of the user, killed at every request to the store and at every call: in order, the same rows
 * under the same numbers each time, none lost, so that a sink that keeps the numbers has each row once.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadResultsMark } from '../../lib/commit/results-mark.ts';
import { type Consume, type ConsumedRows, ResultConsumer } from '../../lib/embedded/result-consumer.ts';
import { runJob } from '../../lib/embedded/run-job.ts';
import { ConsumerCursor, consumedThrough } from '../../lib/job/consumer-cursor.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { FastClock, physical, testCommitter } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { CrashError, crashAfter, hookedStore, type StoreHooks, timeOut } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-consumer-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const input = path.join(root, 'events.ndjson');
const lines = Array.from({ length: 24 }, (_, i) => JSON.stringify({ t: i * 100, k: `k${i % 5}`, v: i }));
// One row is bad, so that the quarantine has something to give.
writeFileSync(input, `${lines.slice(0, 9).join('\n')}\n{"t":\n${lines.slice(9).join('\n')}\n`);

const job: PhysicalJob = physical(JOBS.running(), { trigger: { maxRows: 5, maxBytes: 1 << 20, maxWaitMs: 0 } });
/** Folded logs are kept for so short that they are gone during the run: results then come from where they were published. */
const RETENTION_MS = 50;
let lives = 1;

async function run(
  store: ObjectStore,
  clock: FastClock,
  consume: Consume,
  consumer = 'sink',
  keepResultsMs?: number,
): Promise<void> {
  const random = seededRandom(lives++);
  let results: ResultConsumer | undefined;
  let committer: ReturnType<typeof testCommitter> | undefined;
  /** Everything is old, each time. */
  const collect = async (): Promise<void> => {
    if (keepResultsMs === undefined) return;
    clock.advance(RETENTION_MS + 1);
    await committer!.loop.collect();
  };
  await runJob(job, {
    store,
    clock,
    random,
    trace: NO_TRACE,
    cache: undefined,
    retentionMs: RETENTION_MS,
    committer(context) {
      committer = testCommitter({ ...context, retentionMs: RETENTION_MS, keepResultsMs }, { job, store });
      return committer;
    },
    inputs: new Map([['events', [await fileRef(input)]]]),
    async onOpen({ position }) {
      const { outputs, partitions } = job;
      await collect();
      const shared = { store, clock, random, names: names(job.name, 1), consumer, consume };
      results = await ResultConsumer.open({ ...shared, outputs, partitions });
      await results.catchUp(position, undefined);
    },
    async onBatch(done) {
      await collect();
      await results!.deliver(done.n, (output, partition) => {
        const entry = done.committed.flatMap((stage) => stage[partition]?.entry ?? []);
        const found = entry.find((e) => e.header.outputs.includes(output));
        return found?.output(found.header.outputs.indexOf(output));
      });
    },
  });
  await results!.close();
}

const keyOf = ({ batch, output, partition }: ConsumedRows): string =>
  `${String(batch).padStart(3)} ${output} ${partition}`;

/** A sink in a transactional store: what it was given, by its numbers. */
class Sink {
  readonly rows = new Map<string, string>();
  #calls: string[] = [];

  life(): void {
    this.#calls = [];
  }

  take(results: ConsumedRows, where = ''): void {
    const key = keyOf(results);
    const rows = JSON.stringify(results.rows);
    // In order within a life, and the same again as the first time.
    const before = this.#calls.at(-1);
    if (before !== undefined && order(before) >= order(key)) throw new Error(`${where}: ${key} after ${before}`);
    this.#calls.push(key);
    expect(this.rows.get(key) ?? rows, `${where}: ${key}`).toBe(rows);
    this.rows.set(key, rows);
  }
}

/** Outputs come in the job's order, the quarantine last. */
const order = (key: string): string => key.replace('_quarantine', '~quarantine');

async function faultFree(): Promise<Map<string, string>> {
  const clock = new FastClock();
  const sink = new Sink();
  await run(new MemoryStore({ clock }), clock, (results) => sink.take(results));
  return sink.rows;
}

/** Dies by the hooks or in the sink, then lives on without. */
async function killed(
  hooks: StoreHooks,
  sinkDiesAt = Number.POSITIVE_INFINITY,
  when = 'before',
  where = '',
  keepResultsMs?: number,
) {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const sink = new Sink();
  let calls = 0;
  let failure: unknown;
  try {
    const take = async (results: ConsumedRows): Promise<void> => {
      await Promise.resolve();
      if (calls === sinkDiesAt && when === 'before') throw new CrashError('dead in the sink');
      sink.take(results, where);
      if (calls++ === sinkDiesAt) throw new CrashError('dead in the sink');
    };
    await run(hookedStore(store, hooks), clock, take, 'sink', keepResultsMs);
  } catch (error) {
    failure = error;
  }
  sink.life();
  if (failure !== undefined) await run(store, clock, (results) => sink.take(results, where), 'sink', keepResultsMs);
  return { failure, rows: sink.rows, store, clock };
}

describe('results given to a function', () => {
  it('come in order, each output and partition of a batch by itself, without those that are empty', async () => {
    const rows = await faultFree();
    expect(rows.size).toBeGreaterThan(6);
    expect([...rows.keys()].filter((key) => key.includes('_quarantine'))).toHaveLength(1);
    expect([...rows.values()].every((text) => text !== '[]')).toBe(true);
  });

  it('killed before or after each request to the store, each is given at least once, the same again, and none is lost', async () => {
    const expected = await faultFree();
    for (const when of ['before', 'after effect'] as const) {
      for (let n = 0; ; n++) {
        const where = `killed ${when} request ${n}`;
        const { failure, rows } = await killed(crashAfter(n, when), undefined, undefined, where);
        expect(rows, where).toEqual(expected);
        if (failure === undefined) break;
      }
    }
  });

  it('and none is lost where they are deleted as soon as may be', async () => {
    const expected = await faultFree();
    let deleted = 0;
    for (const [i, when] of (['before', 'after effect'] as const).entries()) {
      for (let n = i; ; n += 3) {
        const where = `killed ${when} request ${n}`;
        const { failure, rows, store } = await killed(crashAfter(n, when), undefined, undefined, where, 1);
        expect(rows, where).toEqual(expected);
        deleted += (await loadResultsMark(store, names(job.name, 1))).through;
        if (failure === undefined) break;
      }
    }
    expect(deleted).toBeGreaterThan(0);
  });

  it('killed in each call, before or after it did its work, the call comes again', async () => {
    const expected = await faultFree();
    for (const when of ['before', 'after']) {
      for (let call = 0; call < expected.size; call++) {
        const where = `killed ${when} call ${call}`;
        const { failure, rows } = await killed({}, call, when, where);
        expect(failure, where).toMatchObject({ code: 'ON_BATCH', cause: expect.any(CrashError) });
        expect(rows, where).toEqual(expected);
      }
    }
  });

  it('a write of the cursor whose answer is lost costs time only', async () => {
    const expected = await faultFree();
    for (const when of ['before', 'after effect'] as const) {
      const { failure, rows } = await killed(
        timeOut(({ op, name }) => op === 'compareAndSet' && name.includes('/consumer/'), when, 4),
      );
      expect(failure).toBeUndefined();
      expect(rows).toEqual(expected);
    }
  });

  it('what was given out is not given again by the next run, also when nothing came', async () => {
    const { store, clock } = await killed({});
    const again: string[] = [];
    await run(store, clock, (results) => void again.push(keyOf(results)));
    expect(again).toEqual([]);
  });

  it('a consumer with a new name has all that the store has; results that nobody needs may be deleted', async () => {
    const expected = await faultFree();
    const { store, clock } = await killed({});
    const jobNames = names(job.name, 1);
    const sink = new Sink();
    await run(store, clock, (results) => sink.take(results), 'another');
    expect(sink.rows).toEqual(expected);
    const through = await consumedThrough(store, jobNames);
    expect(through).toBeGreaterThanOrEqual(5);

    // One that stays behind keeps them: it is known before it is given anything.
    await expect(run(store, clock, () => Promise.reject(new Error('not now')), 'slow')).rejects.toMatchObject({
      code: 'ON_BATCH',
    });
    expect(await consumedThrough(store, jobNames)).toBe(0);

    // Whoever needs what somebody has deleted by hand is told, and not given less.
    for (let n = 1; n <= 2; n++) {
      for (const [output, partitions] of [
        ['out', [0, 1, 2]],
        ['_quarantine', [0]],
      ] as const) {
        await store.delete(partitions.map((p) => jobNames.out(output, p, n)));
      }
      await store.delete(Array.from({ length: job.partitions }, (_, p) => jobNames.log(`s0/p${p}`, n)));
    }
    for (const name of ['late', 'slow']) {
      await expect(run(store, clock, () => {}, name)).rejects.toMatchObject({ code: 'CORRUPT' });
    }
  });

  it('two processes under one name: the one that comes second is stopped', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    const options = { store, names: names('j', 1), consumer: 'sink', clock };
    const open = (seed: number) => ConsumerCursor.open({ ...options, random: seededRandom(seed) }, async () => 0);
    const [first, second] = [await open(1), await open(2)];
    await second.advance(1);
    await expect(first.advance(1)).rejects.toMatchObject({ code: 'FENCED' });
    expect((await open(3)).through).toBe(1);
    await expect(
      ConsumerCursor.open({ ...options, consumer: '../x', random: seededRandom(4) }, async () => 0),
    ).rejects.toMatchObject({ code: 'BAD_NAME' });
  });
});
