/** State with an end: it goes, nothing else goes, and what went never comes back, whatever the order of folds and compactions. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import type { CommitPartition } from '../../lib/commit/partition.ts';
import type { Expiry } from '../../lib/log/expiry.ts';
import { sstEntries } from '../../lib/sst/verify.ts';
import { hookedStore, sleepAt } from '../helpers/stores.ts';
import { type Changes, NAMES, PATH, World } from './helpers.ts';

const KEEP_MS = 1000;
const SMALL = { l0Trigger: 2, baseBytes: 400, ratio: 2, sstBytes: 250 };

/** A value is when it was written, or no number: then it has no end. */
const expiry: Expiry = (_, value) => {
  const writtenMs = Number(Buffer.from(value).toString());
  return Number.isNaN(writtenMs) ? undefined : writtenMs + KEEP_MS;
};

/** A partition whose log entries have a time, and whose values are the time of their entry. */
class TimedWorld extends World {
  readonly #times: number[] = [];

  get nowMs(): number {
    return this.#times.at(-1) ?? 0;
  }

  override partition(...args: Parameters<World['partition']>): CommitPartition {
    const partition = super.partition(...args);
    const read: CommitPartition['log']['read'] = async (n, options) => {
      const answer = await partition.log.read(n, options);
      return answer.found ? { ...answer, entry: { ...answer.entry, timeMs: this.#times[n - 1] } } : answer;
    };
    return { ...partition, log: { read }, expiry };
  }

  /** Commits the next batch so much later. */
  async write(laterMs: number, written: readonly string[], more: Changes = {}): Promise<void> {
    const nowMs = this.nowMs + laterMs;
    this.#times.push(nowMs);
    await this.append({ ...Object.fromEntries(written.map((key) => [key, String(nowMs)])), ...more });
  }

  async foldAll(): Promise<void> {
    while ((await fold(this.partition())).outcome !== 'nothing');
  }

  async compactAll(options = SMALL): Promise<void> {
    while ((await compact(this.partition(), options)).outcome !== 'nothing');
  }

  /** Entries of each SST below L0, and how many of them have ended. */
  async settled(): Promise<{ readonly entries: number; readonly ended: number }[]> {
    const { levels, timeMs = 0 } = await this.manifest();
    return Promise.all(
      levels.flat().map(async (sst) => {
        const answer = await this.memory.get(NAMES.sst(PATH, sst.id));
        const entries = [...sstEntries(sst, answer.found ? answer.body : new Uint8Array(0))].flat();
        const ended = entries.filter(({ key, value }) => value !== null && (expiry(key, value) ?? Infinity) <= timeMs);
        return { entries: entries.length, ended: ended.length };
      }),
    );
  }
}

const key = fc.integer({ min: 0, max: 25 }).map((n) => String.fromCharCode(97 + n));
const keys = fc.uniqueArray(key, { maxLength: 8 });
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      laterMs: fc.constantFrom(0, 100, 300, KEEP_MS, 5 * KEEP_MS),
      written: keys,
      deleted: fc.uniqueArray(key, { maxLength: 2 }),
      /** Capital letters: those without an end. */
      kept: keys,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('fold' as const), maxEntries: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('compact' as const), bounded: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('race' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('slow' as const), at: fc.nat(8) }) },
);

describe('state with an end', () => {
  it('goes, and only it, and does not come back, whatever the order of folds and compactions', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = new TimedWorld();
        const slow: { wake: () => void; work: Promise<unknown> }[] = [];
        const check = async (): Promise<void> => {
          const state = await world.state();
          for (const [name, value] of Object.entries(state)) {
            const end = expiry(name, Buffer.from(value)) ?? Infinity;
            // What is left of the past, for now, is known to have ended.
            if (end > world.nowMs) expect(world.expected.get(name), name).toBe(value);
          }
          for (const [name, value] of world.expected) {
            const end = expiry(name, Buffer.from(value)) ?? Infinity;
            if (end > world.nowMs) expect(state[name], name).toBe(value);
          }
        };
        for (const one of steps) {
          if (one.do === 'write') {
            const deleted = one.deleted.map((name) => [name, null] as const);
            const kept = one.kept.map((name) => [name.toUpperCase(), 'for ever'] as const);
            await world.write(one.laterMs, one.written, Object.fromEntries([...deleted, ...kept]));
          } else if (one.do === 'fold') await fold(world.partition(), one);
          else if (one.do === 'compact') {
            await compact(world.partition(), one.bounded ? { ...SMALL, boundBytes: 300 } : SMALL);
          } else if (one.do === 'race') {
            await Promise.all([fold(world.partition()), compact(world.partition(), SMALL), world.compactAll()]);
          } else {
            // It sleeps at one of its requests while others go on.
            const { hooks, wake } = sleepAt((call) => call.index === one.at, 'before');
            slow.push({ wake, work: compact(world.partition(hookedStore(world.memory, hooks)), SMALL) });
          }
          if (slow.length > 2 || one.do === 'race') {
            const first = slow.shift();
            first?.wake();
            await first?.work;
          }
          await check();
        }
        for (const { wake, work } of slow) {
          wake();
          await work;
        }
        await world.foldAll();
        await world.compactAll();
        await check();
        for (const { entries, ended } of await world.settled()) expect(ended).toBeLessThan(Math.max(1, entries / 2));
      }),
      { numRuns: Number(process.env.MISA_RUNS ?? 150) },
    );
  });

  it('does not bring back what it hid, when it goes from above', async () => {
    const world = new TimedWorld();
    await world.write(0, ['a', 'b']);
    await world.foldAll();
    await world.compactAll({ ...SMALL, l0Trigger: 1 });
    await world.write(KEEP_MS, ['a', 'c']);
    await world.foldAll();
    await world.write(KEEP_MS, ['d', 'e']);
    await world.foldAll();
    // L0 alone.
    await compact(world.partition(), { boundBytes: 1 });
    const { a, b, ...rest } = await world.state();
    expect([a, b]).toEqual(['0', '0']);
    expect(Object.keys(rest)).toEqual(['d', 'e']);
    await world.compactAll();
    expect(Object.keys(await world.state())).toEqual(['d', 'e']);
  });

  it('⚑ log-time: ends by the time of the last folded entry, whatever the clock of the store and of who compacts says', async () => {
    const world = new TimedWorld();
    await world.write(0, ['a', 'c']);
    await world.foldAll();
    await world.write(0, ['b']);
    await world.foldAll();
    world.clock.advance(100 * KEEP_MS);
    expect(await compact(world.partition(), SMALL)).toMatchObject({
      compaction: { inputs: { length: 2 }, move: false },
    });
    expect(Object.keys(await world.state())).toEqual(['a', 'b', 'c']);
    // An entry that is not folded: another may follow it that was made at the same time.
    await world.write(KEEP_MS, ['d']);
    await world.compactAll();
    expect(Object.keys(await world.state())).toEqual(['a', 'b', 'c', 'd']);
    await world.foldAll();
    await world.compactAll();
    expect(Object.keys(await world.state())).toEqual(['d']);
  });

  it('goes from a level that nothing else touches', async () => {
    const world = new TimedWorld();
    await world.write(0, ['m', 'n', 'o', 'p']);
    await world.write(500, ['q'], { r: 'for ever' });
    await world.foldAll();
    await world.compactAll({ ...SMALL, l0Trigger: 1 });
    await world.write(400, ['a']);
    await world.foldAll();
    expect(await compact(world.partition())).toMatchObject({ outcome: 'nothing' });
    await world.write(100, ['a']);
    await world.foldAll();
    expect(await compact(world.partition())).toMatchObject({
      outcome: 'compacted',
      compaction: { level: 1, inputs: [{ entries: 6, halfExpiredMs: KEEP_MS }] },
      outputs: [{ entries: 2, halfExpiredMs: KEEP_MS + 500 }],
    });
    expect(await compact(world.partition())).toMatchObject({ outcome: 'nothing' });
    await world.write(500, ['a']);
    await world.foldAll();
    expect(await compact(world.partition())).toMatchObject({ outputs: [{ entries: 1 }] });
    expect((await world.manifest()).levels[0]![0]!.halfExpiredMs).toBeUndefined();
    expect(await compact(world.partition())).toMatchObject({ outcome: 'nothing' });
    expect(await world.state()).toMatchObject({ r: 'for ever', a: '1500' });
  });
});
