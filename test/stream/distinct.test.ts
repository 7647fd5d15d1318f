/** The first row of each key, whatever becomes of state between batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  count,
  type Duration,
  type Job,
  type JobOptions,
  job,
  type Stream,
  source,
  tumbling,
} from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';
import { BETWEEN, between } from '../helpers/between-batches.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: string;
  readonly t: number;
  readonly i: number;
}

const input = source<Row>('in', { eventTime: (r) => r.t, delay: 0 });
const distinctRows = (within?: Duration): Stream<Row> => input.keyBy((r) => r.k).distinct({ within });
const jobOf = (rows: Stream<unknown>, options: JobOptions = {}): Job<unknown> => job('j', rows, options);

/** Batches of rows within some seconds before or behind the watermark, which never goes back. */
const anyBatches = fc
  .array(
    fc.record({
      rows: fc.array(fc.record({ k: fc.constantFrom('a', 'b', 'c', 'd'), at: fc.integer({ min: -4, max: 12 }) }), {
        maxLength: 8,
      }),
      moves: fc.integer({ min: 0, max: 6 }),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 10 },
  )
  .map((batches) => {
    let watermark = 0;
    let i = 0;
    return batches.map(({ rows, moves, between }) => {
      watermark += moves;
      return { rows: rows.map(({ k, at }): Row => ({ k, t: watermark + at, i: i++ })), watermark, between };
    });
  });

describe('distinct', () => {
  it.each<[string, number | undefined]>([
    ['for ever', undefined],
    ['within 5', 5],
    ['within 0', 0],
  ])('%s gives what is first among all rows so far, in any memory, folded and restarted', async (_, within) => {
    await fc.assert(
      fc.asyncProperty(anyBatches, fc.constantFrom(1, 1 << 20), async (batches, rowBytes) => {
        const fixture = new OperatorFixture(jobOf(distinctRows(within)), rowBytes);
        const passed: Row[] = [];
        for (const batch of batches) {
          const { watermark } = batch;
          const { out, counts } = await fixture.batch({ rows: { in: batch.rows }, watermark });
          const wanted: Row[] = [];
          let late = 0;
          for (const row of batch.rows) {
            const before = passed.filter(({ k }) => k === row.k);
            const isNew = before.every(({ t }) => within !== undefined && t + within <= watermark);
            if (within !== undefined && row.t <= watermark) late++;
            else if (isNew) {
              wanted.push(row);
              passed.push(row);
            }
          }
          expect(out.out).toEqual(wanted);
          expect(counts[0]).toMatchObject({ rows: batch.rows.length, late, quarantined: 0 });
          const held = passed.filter(({ t }) => within === undefined || t + within > watermark);
          const keys = [...new Set(held.map(({ k }) => `\x06${k}\0`))].sort();
          expect((await fixture.rowsOf(0)).map(({ key }) => key)).toEqual(keys);
          if (within !== undefined) expect(await fixture.rowsOf(1)).toHaveLength(keys.length);
          await between(fixture, batch.between);
        }
      }),
      { numRuns: 80 },
    );
  });

  it('within, behind windows: rows follow the watermark of the batch before, in a flush, too', async () => {
    const counts = input
      .keyBy((r) => r.k)
      .window(tumbling(5))
      .aggregate({ n: count() });
    const within = 7;
    const distinctCounts = counts.keyBy((r) => r.n).distinct({ within });
    await fc.assert(
      fc.asyncProperty(anyBatches, async (batches) => {
        const fixture = new OperatorFixture(jobOf(distinctCounts));
        const passed: { readonly n: number; readonly windowEnd: number }[] = [];
        let before = Number.NEGATIVE_INFINITY;
        const all = [...batches, { rows: [], watermark: undefined, between: 'nothing' as const, flush: true }];
        for (const { rows, watermark, between: what, ...flush } of all) {
          const { out, into } = await fixture.batch({
            rows: { in: rows },
            ...(watermark === undefined ? {} : { watermark }),
            ...flush,
          });
          // The tap: what windows gave, in the order in which it came.
          const wanted = into('distinct#0').flatMap(({ row, time }) => {
            const given = row as { readonly n: number; readonly windowEnd: number };
            expect(time).toBe(given.windowEnd - 1);
            // A window that is still open when the watermark is at its last millisecond: its row is not late, either.
            expect(time).toBeGreaterThan(before);
            if (passed.some((p) => p.n === given.n && p.windowEnd - 1 + within > before)) return [];
            passed.push(given);
            return [given];
          });
          expect(out.out).toEqual(wanted);
          if (watermark !== undefined) before = Math.min(watermark, (Math.floor(watermark / 5) + 1) * 5 - 2);
          await between(fixture, what);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each(['append', 'update'] as const)(
    'gives each key once in mode %s, over partitions and restarts',
    async (mode) => {
      const t = await testJob(jobOf(distinctRows(), { outputMode: mode }), { partitions: 3 });
      const rows = Array.from({ length: 60 }, (_, i): Row => ({ k: `k${(i * 7) % 20}`, t: i, i }));
      const given: unknown[] = [];
      for (let from = 0; from < rows.length; from += 9) {
        t.send(input, rows.slice(from, from + 9));
        given.push(...((await t.runBatch()) as unknown[]));
        await t.restart();
      }
      expect(given.sort((a, b) => (a as Row).i - (b as Row).i)).toEqual(rows.slice(0, 20));
      expect(t.counts).toEqual({ applied: 60, late: 0, quarantined: 0, skipped: 0 });
      await t.close();
    },
  );

  it.each([undefined, 100])(
    'a row that a function behind refuses was none: the next is the first (within %s)',
    async (within) => {
      const refusing = distinctRows(within).map((r) => {
        if (r.i === 0) throw new Error('not this one');
        return r.i;
      });
      const fixture = new OperatorFixture(jobOf(refusing, { onError: 'quarantine' }));
      const row = (i: number): Row => ({ k: 'a', t: 1, i });
      const { out, quarantined } = await fixture.batch({ rows: { in: [row(0), row(1), row(2)] } });
      expect(out.out).toEqual([1]);
      expect(quarantined).toMatchObject([{ operator: 'map#0', reason: expect.stringContaining('not this one') }]);
    },
  );

  it('a flush forgets no key', async () => {
    const fixture = new OperatorFixture(jobOf(distinctRows(10)));
    const row: Row = { k: 'a', t: 5, i: 0 };
    await fixture.batch({ rows: { in: [row] }, watermark: 0 });
    await fixture.batch({ flush: true });
    expect(await fixture.batch({ rows: { in: [row] } })).toMatchObject({ out: { out: [] }, counts: [{ late: 0 }] });
  });

  it('what a watermark passed that moved along with a flush is forgotten later', async () => {
    const fixture = new OperatorFixture(jobOf(distinctRows(10)));
    await fixture.batch({ rows: { in: [{ k: 'a', t: 5, i: 0 }] }, watermark: 0 });
    await fixture.batch({ watermark: 20, flush: true });
    await fixture.batch({ watermark: 30 });
    expect([await fixture.rowsOf(0), await fixture.rowsOf(1)]).toEqual([[], []]);
  });

  it('is refused where it cannot be right', () => {
    const keyedOf = (options: { delay?: number; eventTime?: (r: Row) => number }) =>
      source<Row>('s', options).keyBy((r) => r.k);
    const refused = (make: () => unknown, code: string): void =>
      expect(make).toThrow(expect.objectContaining({ name: 'JobError', code }));
    refused(() => keyedOf({}).distinct({ within: 1 }), 'NO_EVENT_TIME');
    refused(() => jobOf(keyedOf({ eventTime: (r) => r.t }).distinct({ within: 1 })), 'DISTINCT_NEEDS_WATERMARK');
    refused(() => jobOf(distinctRows(), { outputMode: 'complete' }), 'COMPLETE_NEEDS_AGGREGATION');
    jobOf(distinctRows(1), { state: { ttl: '1 h' } });
    refused(() => jobOf(distinctRows(), { state: { ttl: 0 } }), 'BAD_DURATION');
  });
});
