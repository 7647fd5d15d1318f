/** Joins with a table: each row with the latest row of its key, the table's rows of the same batch among them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count, type JobOptions, job, type Stream, source, table, tumbling } from '../../lib/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { testJob } from '../../lib/testing.ts';
import { BETWEEN, between } from '../helpers/between-batches.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: string | null;
  readonly t: number;
  readonly i: number;
}

const events = source<Row>('events', { eventTime: (r) => r.t, delay: 0 });
const timed = source<Row>('places', { eventTime: (r) => r.t, delay: '1 day' });
const untimed = source<Row>('places');

type Type = 'inner' | 'left';
const looked = (type: Type, places: Stream<Row> = timed): Stream<readonly [number, number | null, string | null]> =>
  events
    .keyBy((r) => r.k)
    .join(table(places.keyBy((r) => r.k)), {
      type,
      select: (event, place: Row | null, at) => [event.i, place?.i ?? null, at.key] as const,
    });

const anyRows = fc.array(fc.record({ k: fc.constantFrom('a', 'b', 'c', null), at: fc.integer({ min: -6, max: 9 }) }), {
  maxLength: 6,
});
const anyBatches = fc
  .array(
    fc.record({
      events: anyRows,
      places: anyRows,
      moves: fc.integer({ min: 0, max: 6 }),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 9 },
  )
  .map((batches) => {
    let watermark = 0;
    let i = 0;
    const rowsOf = (rows: readonly { k: string | null; at: number }[]): Row[] =>
      rows.map(({ k, at }) => ({ k, t: watermark + at, i: i++ }));
    return batches.map(({ moves, ...batch }) => {
      watermark += moves;
      return {
        rows: { events: rowsOf(batch.events), places: rowsOf(batch.places) },
        watermark,
        between: batch.between,
      };
    });
  });

describe('join with a table', () => {
  it('gives each row with the latest of its key, in any memory, folded and restarted; none is late', async () => {
    const kinds = fc.constantFrom<[Type, Stream<Row>]>(['inner', timed], ['left', timed], ['left', untimed]);
    await fc.assert(
      fc.asyncProperty(kinds, anyBatches, fc.constantFrom(1, 1 << 20), async ([type, places], batches, rowBytes) => {
        const fixture = new OperatorFixture(job('j', looked(type, places)), rowBytes);
        const latest = new Map<string | null, Row>();
        for (const { rows, watermark, between: what } of batches) {
          for (const row of rows.places) {
            const before = latest.get(row.k);
            if (places === untimed || before === undefined || row.t >= before.t) latest.set(row.k, row);
          }
          const wanted = rows.events
            .filter(({ k }) => type === 'left' || latest.has(k))
            .map(({ k, i }) => [i, latest.get(k)?.i ?? null, k]);
          const { out, counts } = await fixture.batch({ rows, watermark });
          expect(out.out).toEqual(wanted);
          expect(counts[0]).toMatchObject({ rows: rows.events.length + rows.places.length, late: 0, quarantined: 0 });
          expect((await fixture.rowsOf(0)).map(({ row }) => (row as [unknown, Row])[1])).toEqual(
            expect.arrayContaining([...latest.values()]),
          );
          await between(fixture, what);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('keeps the event time, and the table holds no watermark back: windows behind it close', async () => {
    const perWindow = looked('left')
      .keyBy(([, , key]) => key)
      .window(tumbling(10))
      .aggregate({ n: count() });
    for (const partitions of [1, 3]) {
      const t = await testJob(job('j', perWindow), { partitions });
      t.send(timed, [{ k: 'a', t: 0, i: 0 }]);
      t.send(events, [
        { k: 'a', t: 1, i: 1 },
        { k: 'a', t: 12, i: 2 },
        { k: 'a', t: 30, i: 3 },
      ]);
      const rows = await t.runBatch();
      await t.restart();
      expect(rows).toEqual([
        { key: 'a', windowStart: 0, windowEnd: 10, n: 1 },
        { key: 'a', windowStart: 10, windowEnd: 20, n: 1 },
      ]);
      await t.close();
    }
    expect(compileJob(job('j', looked('left'))).watermarks.map(({ id }) => id)).toEqual(['source:events']);
  });

  it('of rows that come over several stages: the table is what an earlier stage gives', async () => {
    const counts = timed
      .keyBy((r) => r.k)
      .window(tumbling(10))
      .aggregate({ n: count() });
    const joined = events
      .keyBy((r) => r.k)
      .join(table(counts.keyBy((r) => r.key)), {
        select: (event, counted) => [event.i, counted.windowEnd, counted.n],
      });
    for (const partitions of [1, 3]) {
      const t = await testJob(job('j', joined), { partitions });
      t.send(timed, [
        { k: 'a', t: 1, i: 0 },
        { k: 'a', t: 100_000_000, i: 1 },
      ]);
      t.send(events, [{ k: 'a', t: 100_000_000, i: 2 }]);
      expect(await t.runBatch()).toEqual([]);
      await t.restart();
      t.send(events, [{ k: 'a', t: 100_000_001, i: 3 }]);
      expect(await t.runBatch()).toEqual([[3, 10, 1]]);
      await t.close();
    }
  });

  it('what a function refuses, there or behind, is the row that was looked up', async () => {
    const refusing = events
      .keyBy((r) => r.k)
      .join(table(timed.keyBy((r) => r.k)), {
        type: 'left',
        select: (event, place) => {
          if (event.i === 1) throw new Error('not this one');
          return { i: event.i, place };
        },
      })
      .map(({ i, place }) => {
        if (i === 2) throw new Error('behind');
        return [i, place?.i];
      });
    const fixture = new OperatorFixture(job('j', refusing, { onError: 'quarantine' }));
    const row = (i: number): Row => ({ k: 'a', t: i, i });
    const { out, quarantined, counts } = await fixture.batch({
      rows: { events: [row(1), row(2), row(3)], places: [row(9)] },
    });
    expect(out.out).toEqual([[3, 9]]);
    expect(quarantined).toMatchObject([{ operator: 'table-join#0' }, { operator: 'map#0' }]);
    expect(counts[0]).toMatchObject({ rows: 4, quarantined: 2, setAside: 0 });
  });

  it('what leaves the table is a copy, and functions that change it change nothing there', async () => {
    const changing = events
      .keyBy((r) => r.k)
      .join(table(timed.keyBy((r) => r.k)), {
        select: (_, place) => {
          (place as { i: number }).i++;
          return place;
        },
      });
    const fixture = new OperatorFixture(job('j', changing));
    const row = (i: number): Row => ({ k: 'a', t: i, i });
    await fixture.batch({ rows: { places: [row(1)] } });
    const { out } = await fixture.batch({ rows: { events: [row(2), row(3)] } });
    expect(out.out).toMatchObject([{ i: 2 }, { i: 2 }]);
  });

  it('state.ttl forgets what neither side has touched', async () => {
    const options: JobOptions = { state: { ttl: 10 } };
    const fixture = new OperatorFixture(job('j', looked('left'), options));
    const row = (i: number): Row => ({ k: 'a', t: i, i });
    await fixture.batch({ rows: { places: [row(1)] }, watermark: 0 });
    expect((await fixture.batch({ rows: { events: [row(9)] }, watermark: 9 })).out.out).toEqual([[9, 1, 'a']]);
    expect((await fixture.batch({ rows: { events: [row(18)] }, watermark: 18 })).out.out).toEqual([[18, 1, 'a']]);
    expect((await fixture.batch({ rows: { events: [row(30)] }, watermark: 28 })).out.out).toEqual([[30, null, 'a']]);
    await fixture.batch({ watermark: 100 });
    for (const table of [0, 1, 2]) expect(await fixture.rowsOf(table)).toEqual([]);
  });
});
