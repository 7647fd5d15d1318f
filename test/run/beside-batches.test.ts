/**
 * What runs beside a batch (the next rows are gathered, planned and brought near, SSTs are opened, folds) changes no result: rows that come in pieces
 * at any time, from a store whose answers come in any order, with next to nothing in memory and kills in between, against the same rows with all in memory.
 */
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { runJob } from '../../lib/embedded/run-job.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { physical, publishedOf, testCommitter } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { crashAfter, hookedStore } from '../helpers/stores.ts';

const BATCH = 24;
/** Jobs of one source, whose batches are the same whenever rows come. */
const KINDS = ['running', 'tumbling', 'twoStages', 'firstAndLatest', 'sessions'] as const;

interface Given {
  readonly job: PhysicalJob;
  readonly lines: readonly string[];
  readonly next: () => number;
}

/** Pieces of any length, now and then with a pause. */
async function* pieces({ lines, next }: Given): AsyncGenerator<Buffer> {
  for (let from = 0; from < lines.length; ) {
    const to = from + 1 + Math.floor(next() * BATCH);
    yield Buffer.from(lines.slice(from, to).join(''));
    from = to;
    for (let turns = next() < 0.5 ? 0 : next() * 30; turns > 0; turns--) await turn();
  }
}

/** @returns rows that were brought near */
async function life(given: Given, store: ObjectStore, seed: number): Promise<number> {
  const { job } = given;
  const { totals } = await runJob(job, {
    ...{ store, clock: systemClock, random: seededRandom(seed), trace: NO_TRACE, retentionMs: 1e12, cache: undefined },
    committer: (context) => testCommitter(context, { job, store, foldEvery: 1 + (seed % 3) }),
    inputs: new Map(),
    streams: new Map([['events', { name: 'the rows', from: pieces(given), format: 'ndjson', compression: 'none' }]]),
    flush: true,
  });
  return totals.reads.preloaded?.rows ?? 0;
}

/** Answers take some turns of the event loop, and now and then many: in some runs mostly those of reads, in others those of all else. */
function slowly(store: ObjectStore, next: () => number): ObjectStore {
  const [reads, others] = next() < 0.5 ? [40, 10] : [10, 40];
  const wait = async (op: string): Promise<void> => {
    const most = (op === 'get' ? reads : others) * (next() < 0.1 ? 10 : 1);
    for (let turns = next() * next() * most; turns >= 1; turns--) await turn();
  };
  return hookedStore(store, { before: ({ op }) => wait(op), after: ({ op }) => wait(op) });
}

it('results are those of a run that has all in memory and reads nothing ahead', { timeout: 120_000 }, async () => {
  let ahead = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...KINDS), fc.integer({ min: 1, max: 1e9 }), async (kind, seed) => {
      const random = seededRandom(seed);
      const next = (): number => random.next();
      const keys = 10 + Math.floor(next() * 400);
      const lines = Array.from({ length: 1 + Math.floor(next() * 30 * BATCH) }, (_, i) => {
        const event = {
          t: i * 400 - Math.floor(next() * 15_000),
          k: `key-${Math.floor(next() * next() * keys)}`,
          v: Math.floor(next() * 9),
        };
        return `${JSON.stringify(event)}\n`;
      });
      const changes = { noDataBatches: false, trigger: { maxRows: BATCH, maxBytes: 1 << 20, maxWaitMs: 1e6 } };
      const plain = physical(JOBS[kind](), { ...changes, preload: 'off' });
      const memory = new MemoryStore({ clock: systemClock });
      await life({ job: plain, lines, next }, memory, 1);

      const job = physical(JOBS[kind](), {
        ...changes,
        preload: 'keys',
        state: { ttlMs: undefined, cacheBytes: 1000 + (seed % 6000) },
      });
      const hard = new MemoryStore({ clock: systemClock });
      const lives = Math.floor(next() * 4);
      for (let i = 0; i <= lives; i++) {
        const when = next() < 0.5 ? 'before' : 'after effect';
        const slow = slowly(hard, next);
        const store = i === lives ? slow : hookedStore(slow, crashAfter(5 + Math.floor(next() * 150), when));
        ahead += await life({ job, lines, next }, store, seed + i).catch((error: unknown) => {
          // What reads the input says so in words of its own.
          if (i === lives || !String(error).includes('crashed')) throw error;
          return 0;
        });
      }
      expect(await publishedOf(hard, job)).toEqual(await publishedOf(memory, plain));
    }),
    { numRuns: 80 },
  );

  expect(ahead).toBeGreaterThan(0);
});
