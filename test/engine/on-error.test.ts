/**
 * `onError: 'quarantine'` on the engine: what comes out is what comes out of the same rows without those that are refused,
 * in however many partitions, killed wherever; and every refused row is published once.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Job, job, sliding, source, sum, tumbling } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FastClock, outcomeOf, physical, publishedOf, rowsOf, runScript, type ScriptBatch } from '../helpers/engine.ts';
import { CrashError, crashAfter, hookedStore } from '../helpers/stores.ts';

interface Event {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

/** Refused: 13 by the head, 31 by the first stage, between the stages what sums up to 3, and by the second 2. */
const check = (bad: number, value: number): number => {
  if (value === bad) throw new Error(`${bad} is refused`);
  return value;
};
const isRefused = (e: Event): boolean => e.v === 13 || e.v === 31;

const JOBS = {
  running: (onError: 'fail' | 'quarantine'): Job<unknown> =>
    job(
      'running',
      source<Event>('events')
        .map((e) => ({ ...e, v: check(13, e.v) }))
        .keyBy((e) => e.k)
        .aggregate({ a: sum((e) => e.v), b: sum((e) => check(31, e.v)) }),
      { outputMode: 'update', onError },
    ),
  stages: (onError: 'fail' | 'quarantine'): Job<unknown> => {
    const first = source<Event>('events', { eventTime: (e) => e.t, delay: '20 s' })
      .map((e) => ({ ...e, v: check(13, e.v) }))
      .keyBy((e) => e.k)
      .window(sliding('20 s', '10 s'))
      .aggregate({ a: sum((e) => e.v), b: sum((e) => check(31, e.v)) });
    const second = first
      .filter((r) => check(3, r.a) !== null)
      .keyBy((r) => (r.a > 5 ? 'much' : 'little'))
      .window(tumbling('20 s'))
      .aggregate({ s: sum((r) => check(2, r.a)) });
    return job('stages', { first, second }, { onError });
  },
};

const anyScript = fc.array(
  fc.array(
    fc.record({
      t: fc.integer({ min: 0, max: 60 }).map((s) => s * 1000),
      k: fc.constantFrom('a', 'b', 'c', 'd'),
      v: fc.constantFrom(1, 2, 3, 13, 31),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  { minLength: 1, maxLength: 4 },
);

async function run(made: Job<unknown>, script: readonly ScriptBatch[], partitions: number) {
  const clock = new FastClock();
  const store = new MemoryStore({ clock });
  const compiled = physical(made, { partitions });
  const done = await runScript({ job: compiled, store, clock, script, flush: true });
  const outputs: Record<string, unknown> = {};
  for (const { name } of compiled.outputs) {
    const batches = await rowsOf(store, compiled, name);
    outputs[name] = batches.map((rows) => rows.map((row) => JSON.stringify(row)).sort());
  }
  const counts = { rows: 0, late: 0, skipped: 0, quarantined: 0, setAside: 0 };
  for (const batch of done) {
    counts.rows += batch.plan.plan.counts.rows;
    for (const key of ['late', 'skipped', 'quarantined', 'setAside'] as const) counts[key] += batch.counts[key] ?? 0;
  }
  const published = await publishedOf(store, compiled);
  const aside = Object.entries(published)
    .filter(([name]) => name.startsWith('_quarantine'))
    .flatMap(([, text]) => text.split('\n').filter((line) => line !== ''))
    .map((line) => JSON.parse(line) as { text: string; reason: string; operator?: string });
  return { outputs, counts, aside };
}

const toScript = (batches: readonly (readonly Event[])[]): ScriptBatch[] => batches.map((events) => ({ events }));

describe('rows that functions refuse', () => {
  it('invariant 9: leave no trace: results are those without them, and each is set aside once, in any partitioning', async () => {
    await fc.assert(
      fc.asyncProperty(anyScript, fc.constantFrom(1, 2, 3), async (batches, partitions) => {
        const without = batches.map((events) => events.filter((e) => !isRefused(e)));
        const given = await run(JOBS.running('quarantine'), toScript(batches), partitions);
        const wanted = await run(JOBS.running('fail'), toScript(without), 1);
        // A batch of refused rows alone is one all the same.
        const flat = ({ outputs }: typeof given) => (outputs['out'] as string[][]).filter((rows) => rows.length > 0);
        expect(flat(given)).toEqual(flat(wanted));
        const refused = batches.flat().filter(isRefused);
        expect(given.aside.map((r) => r.text).sort()).toEqual(refused.map((e) => JSON.stringify(e)).sort());
        expect(given.counts).toEqual({
          rows: batches.flat().length,
          late: 0,
          skipped: 0,
          quarantined: refused.length,
          setAside: 0,
        });
      }),
      { numRuns: 60 },
    );
  });

  it('two stages with windows: the same in one partition and in three, restarts or not', async () => {
    await fc.assert(
      fc.asyncProperty(anyScript, async (batches) => {
        const one = await run(JOBS.stages('quarantine'), toScript(batches), 1);
        const three = await run(JOBS.stages('quarantine'), toScript(batches), 3);
        expect(three.outputs).toEqual(one.outputs);
        expect(three.counts).toEqual(one.counts);
        const texts = (rows: typeof one.aside) => rows.map((r) => `${r.reason} ${r.text}`).sort();
        expect(texts(three.aside)).toEqual(texts(one.aside));
        const { rows, late, skipped, quarantined } = one.counts;
        expect(rows).toBe(batches.flat().length);
        expect(late + skipped + quarantined).toBeLessThanOrEqual(rows);
        expect(one.aside.length).toBe(one.counts.quarantined + one.counts.setAside);
      }),
      { numRuns: 40 },
    );
  });

  it('killed at any request and started again: the same results, state and quarantine, byte for byte', async () => {
    const events = (i: number): Event[] =>
      [1, 13, 31, 2, 3, 4].map((v, j) => ({ t: (i * 15 + j * 4) * 1000, k: 'abcd'[(i + j) % 4]!, v }));
    const script = toScript([0, 1, 2].map(events));
    const compiled = physical(JOBS.stages('quarantine'), { partitions: 2 });
    const begin = () => {
      const clock = new FastClock();
      return { clock, store: new MemoryStore({ clock }) };
    };
    const options = { job: compiled, script, flush: true, byReference: true };
    const faultFree = begin();
    await runScript({ ...options, ...faultFree });
    const wanted = await outcomeOf(faultFree.store, compiled);
    expect(Object.keys(wanted.published).filter((name) => name.startsWith('_quarantine.s1')).length).toBeGreaterThan(0);
    for (let n = 0; ; n += 7) {
      const { clock, store } = begin();
      let failure: unknown;
      try {
        await runScript({ ...options, clock, store: hookedStore(store, crashAfter(n)) });
      } catch (error) {
        failure = error;
      }
      if (failure === undefined) break;
      expect(failure).toBeInstanceOf(CrashError);
      await runScript({ ...options, clock, store });
      expect(await outcomeOf(store, compiled), `killed after request ${n}`).toEqual(wanted);
    }
  });
});
