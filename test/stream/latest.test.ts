/** The latest row of each key, whatever becomes of state between batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Job, type JobOptions, job, source } from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';
import { BETWEEN, between } from '../helpers/between-batches.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: string;
  readonly t: number;
  readonly i: number;
}

const jobOf = (timed: boolean, options: JobOptions): Job<unknown> =>
  job(
    'j',
    source<Row>('in', timed ? { eventTime: (r) => r.t } : {})
      .keyBy((r) => r.k)
      .latest(),
    options,
  );

const anyBatches = fc
  .array(
    fc.record({
      rows: fc.array(fc.record({ k: fc.constantFrom('a', 'b', 'c', 'd'), t: fc.integer({ min: 0, max: 9 }) }), {
        maxLength: 8,
      }),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 10 },
  )
  .map((batches) => {
    let i = 0;
    return batches.map(({ rows, between }) => ({ rows: rows.map((row): Row => ({ ...row, i: i++ })), between }));
  });

describe('latest', () => {
  it.each<[string, boolean, 'update' | 'complete']>([
    ['by event time, updates', true, 'update'],
    ['by event time, the whole table', true, 'complete'],
    ['by arrival, updates', false, 'update'],
    ['by arrival, the whole table', false, 'complete'],
  ])('%s: is the last of all rows so far, in any memory, folded and restarted', async (_, timed, outputMode) => {
    const latestOf = (rows: readonly Row[], k: string): Row | undefined =>
      rows
        .filter((row) => row.k === k)
        .sort((a, b) => (timed ? a.t - b.t : 0) || a.i - b.i)
        .at(-1);
    await fc.assert(
      fc.asyncProperty(anyBatches, fc.constantFrom(1, 1 << 20), async (batches, rowBytes) => {
        const fixture = new OperatorFixture(jobOf(timed, { outputMode }), rowBytes);
        let all: Row[] = [];
        for (const { rows, between: what } of batches) {
          const before = all;
          all = [...all, ...rows];
          const { out } = await fixture.batch({ rows: { in: rows } });
          const now = ['a', 'b', 'c', 'd'].flatMap((k) => latestOf(all, k) ?? []);
          const wanted = outputMode === 'complete' ? now : now.filter((row) => latestOf(before, row.k) !== row);
          expect((out.out as Row[]).sort((a, b) => (a.k < b.k ? -1 : 1))).toEqual(wanted);
          await between(fixture, what);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('what comes behind it cannot change what it holds', async () => {
    const rows = source<{ k: string; n: number[] }>('in');
    const changing = rows
      .keyBy((r) => r.k)
      .latest()
      .map((r) => {
        r.n.push(1);
        return r.n.length;
      });
    const fixture = new OperatorFixture(job('j', changing, { outputMode: 'complete' }));
    const given = { k: 'a', n: [0] };
    expect((await fixture.batch({ rows: { in: [given] } })).out.out).toEqual([2]);
    expect((await fixture.batch({})).out.out).toEqual([2]);
  });

  it('gives the table over partitions and restarts', async () => {
    const t = await testJob(jobOf(true, { outputMode: 'complete' }), { partitions: 3 });
    const row = (k: string, at: number, i: number): Row => ({ k, t: at, i });
    t.send('in', [row('a', 5, 0), row('b', 1, 1), row('c', 1, 2)]);
    await t.runBatch();
    await t.restart();
    t.send('in', [row('a', 4, 3), row('b', 1, 4), row('d', 0, 5)]);
    const table = (await t.runBatch()) as Row[];
    expect(table.map(({ i }) => i).sort()).toEqual([0, 2, 4, 5]);
    await t.close();
  });

  it('is refused where it cannot be right', () => {
    const refused = (options: JobOptions, code: string): void =>
      expect(() => jobOf(true, options)).toThrow(expect.objectContaining({ name: 'JobError', code }));
    refused({ outputMode: 'append' }, 'APPEND_NEEDS_WINDOW');
  });
});
