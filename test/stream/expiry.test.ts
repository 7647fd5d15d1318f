/** `state.ttl`: what running operators keep of keys that nothing has touched for a while, against what the words say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregator, count, type Job, type JobOptions, job, type Stream, source, sum } from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';
import { BETWEEN, between } from '../helpers/between-batches.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: string;
  readonly t: number;
  readonly i: number;
  /** A function of the job throws on it. */
  readonly bad: boolean;
}

const TTL = 5;
const anyBatches = fc
  .array(
    fc.record({
      rows: fc.array(
        fc.record({
          k: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
          at: fc.integer({ min: -9, max: 9 }),
          bad: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
        }),
        { maxLength: 4 },
      ),
      moves: fc.constantFrom(0, 0, 1, 2, 3, 4, 5, 6, 11),
      flush: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 14 },
  )
  .map((batches) => {
    let now = 0;
    let i = 0;
    return batches.map(({ rows, moves, flush, between }) => {
      now += moves;
      return { rows: rows.map(({ k, at, bad }): Row => ({ k, t: now + at, i: i++, bad })), now, flush, between };
    });
  });

/** One key at a time, as the words have it: what is held of it, and what a batch shows. */
interface Model {
  /** @returns what is held after the row; `undefined`: the row is refused */
  take(held: Row[] | undefined, row: Row): Row[] | undefined;
  /** What the operator's row of a key is. */
  show(key: string, held: readonly Row[]): unknown;
}

const all: Model['take'] = (held = [], row) => (row.bad ? undefined : [...held, row]);
const counted: Model = {
  take: (held = [], row) => [...held, row],
  show: (key, held) => ({ key, n: held.length, sum: held.reduce((s, { i }) => s + i, 0) }),
};
const folded: Model = { take: all, show: (key, held) => ({ key, list: held.map(({ i }) => i) }) };
const newest: Model = {
  take: (held, row) => (held !== undefined && row.t < held[0]!.t ? held : [row]),
  show: (_, [row]) => row,
};

const list = aggregator<Row, number[]>({
  init: () => [],
  add: (acc, row) => {
    acc.push(row.i);
    if (row.bad) throw new Error('not this one');
    return acc;
  },
  merge: (a, b) => [...a, ...b],
});

const byWatermark = source<Row>('in', { eventTime: (r) => r.t, delay: 0 });
const byPlans = source<Row>('in', { eventTime: (r) => r.t });

const OPERATORS: Record<string, { readonly model: Model; of(input: Stream<Row>): Stream<unknown> }> = {
  numbers: {
    model: counted,
    of: (input) => input.keyBy((r) => r.k).aggregate({ n: count(), sum: sum((r) => r.i) }),
  },
  'a list, with rows that are refused': { model: folded, of: (input) => input.keyBy((r) => r.k).aggregate({ list }) },
  latest: { model: newest, of: (input) => input.keyBy((r) => r.k).latest() },
};

const options = (outputMode: JobOptions['outputMode']): JobOptions => ({
  outputMode,
  onError: 'quarantine',
  state: { ttl: TTL },
});

/** What keys are known, by the contract of `state.ttl`. */
class Keys {
  readonly held = new Map<string, Row[]>();
  readonly touched = new Map<string, number>();

  begin(now: number, flush: boolean): void {
    if (flush) return;
    for (const [key, at] of this.touched) {
      if (at === -Infinity && now > -Infinity) this.touched.set(key, now);
      else if (at + TTL <= now) {
        this.held.delete(key);
        this.touched.delete(key);
      }
    }
  }

  take(model: Model, row: Row, now: number): boolean {
    const held = model.take(this.held.get(row.k), row);
    if (held === undefined) return false;
    this.held.set(row.k, held);
    this.touched.set(row.k, now);
    return true;
  }
}

const keysOf = async (fixture: OperatorFixture, table: number): Promise<string[]> =>
  (await fixture.rowsOf(table)).map(({ key }) => key);
const encoded = (keys: Iterable<string>): string[] => [...keys].map((k) => `\x06${k}\0`).sort();

describe('state.ttl', () => {
  const cases = Object.entries(OPERATORS).flatMap(([name, operator]) =>
    (['update', 'complete'] as const).flatMap((mode) =>
      ([byWatermark, byPlans] as const).map((input) => [name, mode, input === byPlans, input, operator] as const),
    ),
  );

  it.each(cases)('%s, mode %s, by processing time: %s', async (_, mode, plans, input, { model, of }) => {
    await fc.assert(
      fc.asyncProperty(anyBatches, fc.constantFrom(1, 1 << 20), fc.boolean(), async (batches, rowBytes, begins) => {
        const fixture = new OperatorFixture(job('j', of(input), options(mode)), rowBytes);
        const keys = new Keys();
        // A job with a watermark has none in its first batches.
        let known = plans || begins;
        for (const { rows, now, flush, between: what } of batches) {
          const given = plans ? { processingTime: now } : known ? { watermark: now } : {};
          const clock = known ? now : Number.NEGATIVE_INFINITY;
          const { out, counts } = await fixture.batch({ rows: { in: rows }, flush, ...given });
          keys.begin(clock, flush);
          const changed = new Set<string>();
          let refused = 0;
          for (const row of rows) {
            if (keys.take(model, row, clock)) {
              if (model !== newest || keys.held.get(row.k)![0] === row) changed.add(row.k);
            } else refused++;
          }
          const shown = mode === 'update' ? [...changed] : [...keys.held.keys()].sort();
          expect(out.out).toEqual(shown.map((key) => model.show(key, keys.held.get(key)!)));
          expect(counts[0]).toMatchObject({ rows: rows.length, late: 0, quarantined: refused });
          expect(await keysOf(fixture, 0)).toEqual(encoded(keys.held.keys()));
          expect(await keysOf(fixture, 1)).toEqual(encoded(keys.held.keys()));
          expect([...new Set(await keysOf(fixture, 2))].sort()).toEqual(encoded(keys.held.keys()));
          known ||= rows.length > 0;
          await between(fixture, what);
        }
        const far = 1000;
        await fixture.batch(plans ? { processingTime: far } : { watermark: far });
        await fixture.batch(plans ? { processingTime: far + TTL } : { watermark: far + TTL });
        for (const table of [0, 1, 2]) expect(await keysOf(fixture, table)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it.each([true, false])('distinct, by processing time: %s', async (plans) => {
    const input = plans ? byPlans : byWatermark;
    const rowsOut = input
      .keyBy((r) => r.k)
      .distinct()
      .map((r) => {
        if (r.bad) throw new Error('not this one');
        return r;
      });
    const first: Model = { take: (held, row) => held ?? all(held, row), show: () => undefined };
    await fc.assert(
      fc.asyncProperty(anyBatches, fc.constantFrom(1, 1 << 20), async (batches, rowBytes) => {
        const fixture = new OperatorFixture(job('j', rowsOut, options('append')), rowBytes);
        const keys = new Keys();
        for (const { rows, now, flush, between: what } of batches) {
          const given = plans ? { processingTime: now } : { watermark: now };
          const { out } = await fixture.batch({ rows: { in: rows }, flush, ...given });
          keys.begin(now, flush);
          const wanted = rows.filter((row) => {
            const isNew = !keys.held.has(row.k);
            return keys.take(first, row, now) && isNew;
          });
          expect(out.out).toEqual(wanted);
          for (const table of [0, 1]) expect(await keysOf(fixture, table)).toEqual(encoded(keys.held.keys()));
          await between(fixture, what);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('writes no entry for a key that is touched in every batch, but once in a ttl', async () => {
    const fixture = new OperatorFixture(
      job('j', OPERATORS.numbers!.of(byWatermark), { outputMode: 'update', state: { ttl: 100 } }),
    );
    const dues = new Set<number>();
    for (let now = 0; now < 1000; now++) {
      await fixture.batch({ rows: { in: [{ k: 'a', t: now, i: 0, bad: false }] }, watermark: now });
      for (const { time } of await fixture.rowsOf(2)) dues.add(time);
    }
    expect(dues.size).toBeLessThanOrEqual(11);
    expect(await fixture.rowsOf(2)).toHaveLength(1);
  });

  it('may be changed between runs: a shorter one counts at once for keys that come, a longer one for all', async () => {
    const jobOf = (ttl: number): Job<unknown> =>
      job('j', OPERATORS.numbers!.of(byWatermark), { outputMode: 'update', state: { ttl } });
    const row = (t: number): Row => ({ k: 'a', t, i: 1, bad: false });
    for (const [before, later, at, n] of [
      [100, 10, 15, 1],
      [100, 10, 9, 2],
      [10, 100, 50, 2],
      [10, 100, 100, 1],
    ] as const) {
      const fixture = new OperatorFixture(jobOf(before));
      await fixture.batch({ rows: { in: [row(0)] }, watermark: 0 });
      const changed = new OperatorFixture(jobOf(later));
      expect(changed.job.layout).toEqual(fixture.job.layout);
      Object.assign(fixture, { job: changed.job });
      const { out } = await fixture.batch({ rows: { in: [row(at)] }, watermark: at });
      expect(out.out).toEqual([{ key: 'a', n, sum: n }]);
    }
  });

  it('goes by the plans in a job without watermark, over partitions and restarts', async () => {
    const t = await testJob(
      job('j', OPERATORS.numbers!.of(byPlans), { outputMode: 'complete', state: { ttl: '1 min' } }),
      {
        partitions: 3,
      },
    );
    const send = async (...keys: string[]): Promise<unknown> => {
      t.send(
        byPlans,
        keys.map((k, i): Row => ({ k, t: 0, i, bad: false })),
      );
      const rows = await t.runBatch();
      await t.restart();
      return rows.map((row) => (row as { key: string; n: number }).key + (row as { n: number }).n).sort();
    };
    expect(await send('a', 'b', 'b')).toEqual(['a1', 'b2']);
    t.advanceTime('59 s');
    expect(await send('b', 'c')).toEqual(['a1', 'b3', 'c1']);
    t.advanceTime('1 s');
    expect(await send('d')).toEqual(['b3', 'c1', 'd1']);
    expect(await send('a')).toEqual(['a1', 'b3', 'c1', 'd1']);
    t.advanceTime('10 min');
    expect(await t.flush()).toHaveLength(4);
    await t.close();
  });
});
