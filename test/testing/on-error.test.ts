/**
 * `onError: 'quarantine'`: rows that a function of the job refuses are set aside with their reason, leave no trace, and are
 * counted; the right values are those of the same input without them.
 */
import { describe, expect, it } from 'vitest';
import {
  aggregator,
  collect,
  count,
  type Job,
  job,
  max,
  type RowOf,
  sliding,
  source,
  sum,
  tumbling,
} from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';

interface Row {
  t: number;
  k: string;
  v: number;
}
const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: '10 s' });
const row = (t: number, k: string, v = 1): Row => ({ t: t * 1000, k, v });
const refuse = <T>(bad: boolean, value: T): T => {
  if (bad) throw new Error('refused');
  return value;
};
const quarantine = { onError: 'quarantine' } as const;

/** Rows out of one batch, counts, and what was set aside. */
async function run<Out>(made: Job<Out>, batches: readonly (readonly Row[])[], partitions = 1) {
  const t = await testJob(made, { partitions });
  const out: Out[] = [];
  for (const batch of batches) {
    t.send('rows', batch);
    out.push(await t.runBatch());
    await t.restart();
  }
  out.push(await t.flush());
  const { counts } = t;
  const aside = t.quarantined;
  await t.close();
  return { out, counts, aside };
}

describe("onError: 'quarantine' in the head", () => {
  const heads = {
    map: () => rows.map((r) => ({ ...r, v: refuse(r.v < 0, r.v) })),
    filter: () => rows.filter((r) => refuse(r.v < 0, true)),
  };

  it.each(['map', 'filter'] as const)('%s: the row is set aside with operator, object and line', async (kind) => {
    const made = job(
      'heads',
      heads[kind]()
        .keyBy((r) => r.k)
        .aggregate({ s: sum((r) => r.v) }),
      {
        outputMode: 'update',
        ...quarantine,
      },
    );
    const { out, counts, aside } = await run(made, [[row(1, 'a', 1), row(2, 'a', -1), row(3, 'a', 3)]]);
    expect(out[0]).toEqual([{ key: 'a', s: 4 }]);
    expect(counts).toEqual({ applied: 2, late: 0, quarantined: 1, skipped: 0 });
    expect(aside).toEqual([
      {
        source: 'rows',
        object: 'send 1',
        line: 2,
        operator: `${kind}#0`,
        reason: `${kind}#0: refused`,
        text: '{"t":2000,"k":"a","v":-1}',
      },
    ]);
  });

  it('a flatMap whose third row is refused further on leaves nothing of the first two, nor of their event times', async () => {
    const parts = rows
      .flatMap((r) => [0, 1, 2].map((part) => ({ ...r, t: r.t + part, part })))
      .withEventTime((r) => r.t, { delay: '10 s' })
      .map((r) => refuse(r.v < 0 && r.part === 2, r));
    const t = await testJob(
      job(
        'parts',
        parts.map((r) => r.t),
        quarantine,
      ),
    );
    t.send('rows', [row(1, 'a'), row(900, 'a', -1), row(2, 'a')]);
    expect(await t.runBatch()).toEqual([1000, 1001, 1002, 2000, 2001, 2002]);
    expect(t.counts).toEqual({ applied: 2, late: 0, quarantined: 1, skipped: 0 });
    await t.close();
  });

  it('eventTime and keyBy that throw', async () => {
    const timed = source<Row>('rows', { eventTime: (r) => refuse(r.v === -1, r.t), delay: '10 s' });
    const keyed = timed.keyBy((r) => refuse(r.v === -2, r.k));
    const made = job('timed', keyed.window(tumbling('10 s')).aggregate({ n: count() }), quarantine);
    const { out, counts, aside } = await run(made, [[row(1, 'a'), row(2, 'a', -1), row(3, 'a', -2)]]);
    expect(out.flat()).toEqual([{ key: 'a', windowStart: 0, windowEnd: 10_000, n: 1 }]);
    expect(counts).toEqual({ applied: 1, late: 0, quarantined: 2, skipped: 0 });
    expect(aside.map((r) => r.operator)).toEqual(['eventTime of source rows', 'keyBy#0']);
  });

  it('fails the batch by default, whatever onBadRow says, and says how to set the row aside', async () => {
    const t = await testJob(job('failing', heads.map(), { onBadRow: 'quarantine' }));
    t.send('rows', [row(1, 'a', -1)]);
    await expect(t.runBatch()).rejects.toThrow(/misa resume failing --skip-row.*onError: 'quarantine'/);
    await t.close();
  });
});

describe("onError: 'quarantine' in operators", () => {
  it.each([1, 3])(
    'an aggregate that refuses a row: no trace of it in any column (%i partitions)',
    async (partitions) => {
      const made = job(
        'columns',
        rows
          .keyBy((r) => r.k)
          .aggregate({
            n: count(),
            all: collect((r) => r.v),
            s: sum((r) => refuse(r.v < 0, r.v)),
            greatest: max((r) => r.v),
          }),
        { outputMode: 'update', ...quarantine },
      );
      const { out, counts, aside } = await run(
        made,
        [
          [row(1, 'a', 1), row(2, 'a', -5), row(3, 'b', -7), row(4, 'a', 3), row(5, 'c', 9)],
          [row(6, 'a', -9), row(7, 'a', 4), row(8, 'b', 2)],
        ],
        partitions,
      );
      const byKey = (list: readonly { key: string }[]) => [...list].sort((a, b) => (a.key < b.key ? -1 : 1));
      expect(byKey(out[0]!)).toEqual([
        { key: 'a', n: 2, all: [1, 3], s: 4, greatest: 3 },
        { key: 'c', n: 1, all: [9], s: 9, greatest: 9 },
      ]);
      expect(byKey(out[1]!)).toEqual([
        { key: 'a', n: 3, all: [1, 3, 4], s: 8, greatest: 4 },
        { key: 'b', n: 1, all: [2], s: 2, greatest: 2 },
      ]);
      expect(counts).toEqual({ applied: 5, late: 0, quarantined: 3, skipped: 0 });
      expect(aside.map((r) => r.text).sort()).toEqual([
        '{"t":2000,"k":"a","v":-5}',
        '{"t":3000,"k":"b","v":-7}',
        '{"t":6000,"k":"a","v":-9}',
      ]);
      expect(aside[0]).toMatchObject({ object: 'send 1', operator: 'aggregate#0', reason: 'aggregate#0: refused' });
    },
  );

  it('a row in two sliding windows that the second refuses is in neither', async () => {
    const once = aggregator<Row, number[], number>({
      init: () => [],
      // Refuses a second row: the row at 12 s is the second of one of its windows only.
      add: (acc, r) => refuse(acc.length > 0 && r.v === 2, [...acc, r.v]),
      merge: (a, b) => [...a, ...b],
      result: (acc) => acc.length,
    });
    const windows = rows.keyBy((r) => r.k).window(sliding('20 s', '10 s'));
    const made = job('sliding', windows.aggregate({ n: once }), quarantine);
    const { out, counts } = await run(made, [[row(5, 'a', 1), row(12, 'a', 2)]]);
    const ended = out.flat().map((r) => [r.windowStart, r.n]);
    expect(ended).toEqual([
      [-10_000, 1],
      [0, 1],
    ]);
    expect(counts).toEqual({ applied: 1, late: 0, quarantined: 1, skipped: 0 });
  });

  it('reduce', async () => {
    const made = job(
      'reduce',
      rows.keyBy((r) => r.k).reduce((a, b) => refuse(b.v < 0, { ...b, v: a.v + b.v })),
      {
        outputMode: 'update',
        ...quarantine,
      },
    );
    const { out, counts } = await run(made, [[row(1, 'a', 1), row(2, 'a', -2), row(3, 'a', 3)]]);
    expect(out[0]).toEqual([{ key: 'a', value: row(3, 'a', 4) }]);
    expect(counts.quarantined).toBe(1);
  });

  it('result() that throws when a window closes, and a chain behind it: the window is set aside, the others come', async () => {
    const total = (bad: number) =>
      aggregator<Row, number, number>({
        init: () => 0,
        add: (acc, r) => acc + r.v,
        merge: (a, b) => a + b,
        result: (acc) => refuse(acc === bad, acc),
      });
    const windows = rows.keyBy((r) => r.k).window(tumbling('10 s'));
    const sums = windows.aggregate({ n: count(), total: total(5) });
    const made = job(
      'closing',
      sums.flatMap((r) => [r, r]).map((r) => refuse(r.total === 7, r)),
      quarantine,
    );
    const { out, counts, aside } = await run(made, [[row(1, 'a', 5), row(2, 'b', 7), row(3, 'c', 1)]]);
    const c = { key: 'c', windowStart: 0, windowEnd: 10_000, n: 1, total: 1 };
    expect(out.flat()).toEqual([c, c]);
    // No input row is lost by it.
    expect(counts).toEqual({ applied: 3, late: 0, quarantined: 0, skipped: 0 });
    expect(aside).toEqual([
      {
        operator: 'window-aggregate#0',
        reason: 'window-aggregate#0: refused',
        text: '{"key":"a","windowStart":0,"windowEnd":10000}',
      },
      {
        operator: 'map#0',
        reason: 'map#0: refused',
        text: '{"key":"b","windowStart":0,"windowEnd":10000,"n":1,"total":7}',
      },
    ]);
  });

  it('a late row whose chain refuses it counts as quarantined, not as late', async () => {
    const late = rows
      .keyBy((r) => r.k)
      .window(tumbling('10 s'))
      .late();
    const made = job(
      'late',
      late.map((r) => refuse(r.v < 0, r)),
      quarantine,
    );
    const { out, counts, aside } = await run(made, [[row(100, 'a')], [row(1, 'a', -1), row(2, 'a', 2)]]);
    expect(out.flat()).toEqual([row(2, 'a', 2)]);
    expect(counts).toEqual({ applied: 1, late: 1, quarantined: 1, skipped: 0 });
    expect(aside).toMatchObject([{ object: 'send 2', operator: 'map#0', text: '{"t":1000,"k":"a","v":-1}' }]);
  });

  it('a second stage sets aside rows of the first with their text', async () => {
    const first = rows
      .keyBy((r) => r.k)
      .window(tumbling('10 s'))
      .aggregate({ s: sum((r) => r.v) });
    type First = RowOf<typeof first>;
    const second = first
      .keyBy(() => 'all')
      .window(tumbling('10 s'))
      .aggregate({ s: sum((r: First) => refuse(r.s < 0, r.s)) });
    const made = job('stages', { first, second }, quarantine);
    const { out, counts, aside } = await run(made, [[row(1, 'a', -1), row(2, 'b', 2)], [row(60, 'a')]], 2);
    expect(out.flatMap((o) => o.second)).toContainEqual({ key: 'all', windowStart: 0, windowEnd: 10_000, s: 2 });
    expect(counts).toEqual({ applied: 3, late: 0, quarantined: 0, skipped: 0 });
    expect(aside).toEqual([
      {
        operator: 'window-aggregate#1',
        reason: 'window-aggregate#1: refused',
        text: '{"key":"a","windowStart":0,"windowEnd":10000,"s":-1}',
      },
    ]);
  });
});
