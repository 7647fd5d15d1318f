/**
 * Commit work against a sorted map: random sequences of batches, folds, compactions, collections, crashes, races, and of
 * workers that fall asleep at some request and wake much later.
 */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { collect } from '../../lib/commit/gc.ts';
import type { CommitPartition } from '../../lib/commit/partition.ts';
import { namedBy, sstsOf } from '../../lib/manifest/manifest.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { forgottenKeys } from '../../lib/state/floors.ts';
import { crashAfter, hookedStore, listAll } from '../helpers/stores.ts';
import { NAMES, PATH, R, World } from './helpers.ts';

const SMALL = { l0Trigger: 2, baseBytes: 400, ratio: 2, sstBytes: 250 };
/** The table that forgets; beside it, keys of none. */
const TIMED = 7;
const letter = fc.integer({ min: 0, max: 25 }).map((n) => String.fromCharCode(97 + n));
const time = fc.integer({ min: -2, max: 6 });
const timedKey = fc.tuple(time, letter).map(([t, l]) => addressPrefix(TIMED, 'timed', t) + l);
const key = fc.oneof(letter, timedKey);
const changes = fc.dictionary(key, fc.option(fc.string({ maxLength: 20, unit: 'grapheme-ascii' }), { freq: 2 }), {
  maxKeys: 8,
});

const job = fc.oneof(
  fc.record({ job: fc.constant('fold' as const), maxEntries: fc.integer({ min: 1, max: 5 }), expected: fc.nat(30) }),
  fc.record({ job: fc.constant('compact' as const), bounded: fc.boolean() }),
  fc.record({ job: fc.constant('collect' as const) }),
);
type Job = typeof job extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('append' as const), changes, upTo: fc.option(time, { freq: 3 }) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('run' as const), job }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('race' as const), jobs: fc.array(job, { minLength: 2, maxLength: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('crash' as const), job, at: fc.nat(12), after: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sleep' as const), job, at: fc.nat(12), after: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wake' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(R / 10, R / 3, R + 1, 3 * R) }),
  },
);

async function perform(partition: CommitPartition, one: Job): Promise<void> {
  if (one.job === 'fold') await fold(partition, one);
  else if (one.job === 'collect') await collect(partition, { keepLogsAfter: Number.POSITIVE_INFINITY });
  else await compact(partition, one.bounded ? { ...SMALL, boundBytes: 500 } : SMALL);
}

/** Who sleeps may find that it is too late: it says so and has changed nothing. */
async function tolerant(work: Promise<void>): Promise<void> {
  await work.catch((error: { code?: unknown }) => {
    if (error.code !== 'TOO_SLOW') throw error;
  });
}

it('invariant 5: fold, compaction and gc do not change State(n), whoever crashes, races or sleeps', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const world = new World();
      const sleepers: { wake: () => void; work: Promise<void> }[] = [];
      const read: { atMs: number; ids: string[] }[] = [];
      let floor = Number.MIN_SAFE_INTEGER;
      let last = { version: 0, through: 0, collectedThrough: 0 };
      const check = async (): Promise<void> => {
        expect(await world.state()).toEqual(world.expectedState());
        const manifest = await world.manifest();
        expect(manifest.version).toBeGreaterThanOrEqual(last.version);
        expect(manifest.through).toBeGreaterThanOrEqual(last.through);
        expect(manifest.collectedThrough).toBeGreaterThanOrEqual(last.collectedThrough);
        expect(await world.folded(manifest)).toEqual(world.history[manifest.through]);
        last = manifest;
        // Invariant 6: whoever has read a manifest has a retention to read its SSTs.
        const nowMs = world.clock.now();
        read.push({ atMs: nowMs, ids: [...namedBy(manifest)] });
        const stored = new Set(await world.stored());
        const needed = read.filter(({ atMs }) => nowMs - atMs <= R).flatMap(({ ids }) => ids);
        expect(needed.filter((id) => !stored.has(id))).toEqual([]);
      };
      const asleepAt = (one: Job, at: number, after: boolean): void => {
        let wake = (): void => {};
        const woken = new Promise<void>((resolve) => (wake = resolve));
        const hook = (call: { index: number }): Promise<void> | void => (call.index === at ? woken : undefined);
        const store = hookedStore(world.memory, after ? { after: hook } : { before: hook });
        sleepers.push({ wake, work: tolerant(perform(world.partition(store), one)) });
      };
      const wakeOne = async (): Promise<void> => {
        const sleeper = sleepers.shift();
        sleeper?.wake();
        await sleeper?.work;
      };

      for (const one of steps) {
        if (one.do === 'append') {
          floor = Math.max(floor, one.upTo ?? floor);
          // An entry never has changes at or below what it or one before it has forgotten.
          const gone = forgottenKeys([[TIMED, floor]]);
          const above = Object.entries(one.changes).filter(([k]) => !gone.has(k));
          const forgotten = one.upTo === null ? undefined : ([[TIMED, floor]] as const);
          await world.append(Object.fromEntries(above), { forgotten });
        } else if (one.do === 'run') await perform(world.partition(), one.job);
        else if (one.do === 'race') await Promise.all(one.jobs.map((each) => perform(world.partition(), each)));
        else if (one.do === 'advance') world.clock.advance(one.ms);
        else if (one.do === 'wake') await wakeOne();
        else if (one.do === 'sleep') {
          asleepAt(one.job, one.at, one.after);
          await new Promise((resolve) => setImmediate(resolve));
        } else {
          const crashing = hookedStore(world.memory, crashAfter(one.at, one.after ? 'after effect' : 'before'));
          await perform(world.partition(crashing), one.job).catch(() => {});
        }
        await check();
      }
      while (sleepers.length > 0) await wakeOne();
      await check();

      while ((await fold(world.partition())).outcome !== 'nothing');
      for (let i = 0; i < 5; i++) {
        await perform(world.partition(), { job: 'collect' });
        world.clock.advance(R + 1);
      }
      await check();
      const manifest = await world.manifest();
      expect(manifest).toMatchObject({ through: world.head, folds: [] });
      expect(await listAll(world.memory, NAMES.unnamed(PATH))).toEqual([]);
      expect(await world.stored()).toEqual(
        sstsOf(manifest)
          .map((sst) => sst.id)
          .sort(),
      );
      expect(await world.logs()).toEqual([]);
      const published = (await world.published()).map((text) => Number(text.slice(4)));
      expect(published).toEqual(Array.from({ length: world.head }, (_, i) => i + 1));
    }),
    { numRuns: Number(process.env.MISA_RUNS ?? 150) },
  );
});
