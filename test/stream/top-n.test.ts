/** The best rows of each key, whatever becomes of state between batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Job, type JobOptions, job, source } from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';
import { BETWEEN, between } from '../helpers/between-batches.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: string;
  readonly v: number | string;
  readonly i: number;
}
interface Rank {
  readonly key: string;
  readonly rank: number;
  readonly row: Row;
}

const input = source<Row>('in');
const jobOf = (n: number, order: 'asc' | 'desc' | undefined, options: JobOptions): Job<unknown> =>
  job('j', input.keyBy((r) => r.k).topN(n, { by: (r) => [r.v], order }), options);

const anyBatches = fc
  .array(
    fc.record({
      rows: fc.array(
        fc.record({
          k: fc.constantFrom('a', 'b', 'c'),
          // Text cannot be compared with numbers.
          v: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 5 }) }, fc.constantFrom('x', Number.NaN)),
        }),
        { maxLength: 9 },
      ),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((batches) => {
    let i = 0;
    return batches.map(({ rows, between }) => ({ rows: rows.map((row): Row => ({ ...row, i: i++ })), between }));
  });

describe('topN of a keyed stream', () => {
  it.each<[JobOptions['outputMode'], number, 'asc' | 'desc' | undefined]>([
    ['update', 3, undefined],
    ['update', 1, 'asc'],
    ['complete', 2, 'desc'],
  ])('mode %s: the first %i of all rows so far, in any memory, folded and restarted', async (outputMode, n, order) => {
    const ranksOf = (rows: readonly Row[], k: string): Rank[] =>
      rows
        .filter((row) => row.k === k)
        .sort((a, b) => ((a.v as number) - (b.v as number)) * (order === 'asc' ? 1 : -1) || a.i - b.i)
        .slice(0, n)
        .map((row, i) => ({ key: k, rank: i + 1, row }));
    await fc.assert(
      fc.asyncProperty(anyBatches, fc.constantFrom(1, 1 << 20), async (batches, rowBytes) => {
        const fixture = new OperatorFixture(jobOf(n, order, { outputMode, onError: 'quarantine' }), rowBytes);
        let all: Row[] = [];
        for (const { rows, between: what } of batches) {
          const before = all;
          // Until a key has a row, text is as good as a number.
          const isBad = (row: Row): boolean => {
            if (Number.isNaN(row.v)) return true;
            const held = all.find(({ k }) => k === row.k);
            return held !== undefined && typeof held.v !== typeof row.v;
          };
          const taken: Row[] = [];
          for (const row of rows) {
            if (isBad(row)) continue;
            all = [...all, row];
            taken.push(row);
          }
          const { out, counts } = await fixture.batch({ rows: { in: rows } });
          const touched = outputMode === 'complete' ? ['a', 'b', 'c'] : [...new Set(taken.map(({ k }) => k))];
          const wanted = touched.flatMap((k) => {
            const old = ranksOf(before, k);
            return ranksOf(all, k).filter(({ row }, i) => outputMode === 'complete' || old[i]?.row !== row);
          });
          expect(out.out).toEqual(wanted);
          expect(counts[0]).toMatchObject({ rows: rows.length, late: 0, quarantined: rows.length - taken.length });
          await between(fixture, what);
        }
        for (const { row } of await fixture.rowsOf(0)) expect((row as unknown[][])[1]!.length).toBeLessThanOrEqual(n);
      }),
      { numRuns: 80 },
    );
  });

  it.each([1, 3])('over %i partitions and restarts, the last of each rank is what complete has', async (partitions) => {
    const rows = Array.from({ length: 80 }, (_, i): Row => ({ k: `k${i % 6}`, v: (i * 37) % 41, i }));
    const tableOf = async (outputMode: 'update' | 'complete'): Promise<Map<string, Row>> => {
      const t = await testJob(jobOf(3, 'desc', { outputMode }), { partitions });
      const table = new Map<string, Row>();
      for (let from = 0; from < rows.length; from += 11) {
        t.send(input, rows.slice(from, from + 11));
        for (const { key, rank, row } of (await t.runBatch()) as Rank[]) table.set(`${key} ${rank}`, row);
        await t.restart();
      }
      expect(t.counts).toEqual({ applied: 80, late: 0, quarantined: 0, skipped: 0 });
      await t.close();
      return table;
    };
    const updates = await tableOf('update');
    expect(updates).toEqual(await tableOf('complete'));
    expect(updates.size).toBe(18);
  });

  it('what comes behind it cannot change what it holds', async () => {
    const lists = source<{ n: number[] }>('in');
    const changing = lists
      .keyBy(() => 0)
      .topN(2, { by: (r) => r.n.length })
      .map(({ row }) => {
        row.n.push(1);
        return row.n.length;
      });
    const fixture = new OperatorFixture(job('j', changing, { outputMode: 'complete' }));
    for (const rows of [[{ n: [] }], []]) expect((await fixture.batch({ rows: { in: rows } })).out.out).toEqual([1]);
  });

  it('forgets keys by state.ttl: their ranks begin anew', async () => {
    const timed = source<Row & { t: number }>('in', { eventTime: (r) => r.t, delay: 0 });
    const best = timed.keyBy((r) => r.k).topN(2, { by: (r) => r.v });
    const fixture = new OperatorFixture(job('j', best, { outputMode: 'update', state: { ttl: 10 } }));
    const row = (v: number, t: number) => ({ k: 'a', v, i: 0, t });
    await fixture.batch({ rows: { in: [row(5, 0), row(4, 0)] }, watermark: 0 });
    await fixture.batch({ rows: { in: [row(1, 9)] }, watermark: 9 });
    const { out } = await fixture.batch({ rows: { in: [row(2, 19)] }, watermark: 19 });
    expect(out.out).toEqual([{ key: 'a', rank: 1, row: row(2, 19) }]);
    await fixture.batch({ watermark: 29 });
    expect(await fixture.rowsOf(0)).toEqual([]);
  });

  it('is refused where it cannot be right', () => {
    const refused = (make: () => unknown, code: string): void =>
      expect(make).toThrow(expect.objectContaining({ name: 'JobError', code }));
    for (const n of [0, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      refused(() => jobOf(n, 'asc', { outputMode: 'update' }), 'BAD_AGGREGATE');
    }
    refused(() => jobOf(1, 'up' as never, { outputMode: 'update' }), 'BAD_AGGREGATE');
    refused(() => input.keyBy((r) => r.k).topN(1, undefined as never), 'BAD_AGGREGATE');
    refused(() => jobOf(1, 'asc', {}), 'APPEND_NEEDS_WINDOW');
  });
});
