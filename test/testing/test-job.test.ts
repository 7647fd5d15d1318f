/** The contract of `testJob`, as its documentation gives it. */
import { describe, expect, it } from 'vitest';
import { count, job, source, sum, tumbling } from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';

interface Row {
  t: number;
  k: string;
  v: number;
}
const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: '10 s' });
const windows = rows.keyBy((r) => r.k).window(tumbling('10 s'));
const row = (t: number, k: string, v = 1): Row => ({ t: t * 1000, k, v });

describe('testJob', () => {
  it('runs the no-data batch with the batch that moved the watermark', async () => {
    const t = await testJob(job('windows', windows.aggregate({ n: count() })));
    expect(t.watermark).toBe(0);
    t.send(rows, [row(1, 'a'), row(2, 'a')]);
    expect(await t.runBatch()).toEqual([]);
    expect(t.watermark).toBe(-8000);
    t.send(rows, [row(25, 'a')]);
    expect(await t.runBatch()).toEqual([{ key: 'a', windowStart: 0, windowEnd: 10_000, n: 2 }]);
    expect(t.watermark).toBe(15_000);
    expect(await t.flush()).toEqual([{ key: 'a', windowStart: 20_000, windowEnd: 30_000, n: 1 }]);
    await t.close();
  });

  it('gives rows by output name, counts what became of every row, and keeps counting over a restart', async () => {
    const t = await testJob(job('named', { sums: windows.aggregate({ s: sum((r) => r.v) }), late: windows.late() }));
    t.send(rows, [row(1, 'a'), row(30, 'b')]);
    expect(await t.runBatch()).toEqual({ sums: [{ key: 'a', windowStart: 0, windowEnd: 10_000, s: 1 }], late: [] });
    await t.restart();
    t.send('rows', [row(2, 'a'), { k: 'no time' }, row(31, 'b')]);
    expect(await t.runBatch()).toEqual({ sums: [], late: [row(2, 'a')] });
    expect(t.counts).toEqual({ applied: 3, late: 1, quarantined: 1, skipped: 0 });
    await t.close();
  });

  it('a batch that fails in an operator is run again after a restart, once', async () => {
    for (const where of ['the head', 'an operator'] as const) {
      let broken = true;
      const mayFail = (r: Row): number => {
        if (broken && r.v === 2) throw new Error('broken');
        return r.v;
      };
      const input = where === 'the head' ? rows.map((r) => ({ ...r, v: mayFail(r) })) : rows;
      const sums = input.keyBy((r) => r.k).aggregate({ s: sum((r) => (where === 'the head' ? r.v : mayFail(r))) });
      const t = await testJob(job('failing', sums, { outputMode: 'update' }));
      t.send(rows, [row(1, 'a', 1)]);
      expect(await t.runBatch()).toEqual([{ key: 'a', s: 1 }]);
      t.send(rows, [row(2, 'a', 2), row(3, 'a', 3)]);
      await expect(t.runBatch(), where).rejects.toMatchObject({ code: 'USER_FUNCTION' });
      await t.restart();
      await expect(t.runBatch(), where).rejects.toMatchObject({ code: 'USER_FUNCTION' });
      broken = false;
      await t.restart();
      expect(await t.runBatch(), where).toEqual([{ key: 'a', s: 6 }]);
      expect(t.counts, where).toEqual({ applied: 3, late: 0, quarantined: 0, skipped: 0 });
      t.send(rows, [row(4, 'a', 4)]);
      expect(await t.runBatch(), where).toEqual([{ key: 'a', s: 10 }]);
      await t.close();
    }
  });

  it('keeps rows that were sent and not run over a restart', async () => {
    const t = await testJob(job('kept', rows.keyBy((r) => r.k).aggregate({ n: count() }), { outputMode: 'update' }));
    t.send(rows, [row(1, 'a')]);
    await t.restart();
    expect(await t.runBatch()).toEqual([{ key: 'a', n: 1 }]);
    await t.close();
  });

  it('shows the whole table in mode complete, over all partitions, and none in the others', async () => {
    const counts = rows.keyBy((r) => r.k).aggregate({ n: count() });
    const t = await testJob(job('complete', counts, { outputMode: 'complete' }), { partitions: 3 });
    t.send(
      rows,
      ['a', 'b', 'c', 'd', 'a'].map((k, i) => row(i, k)),
    );
    const byKey = (list: unknown[]): unknown[] => list.map((r) => JSON.stringify(r)).sort();
    const table = [
      { key: 'a', n: 2 },
      { key: 'b', n: 1 },
      { key: 'c', n: 1 },
      { key: 'd', n: 1 },
    ];
    expect(byKey(await t.runBatch())).toEqual(byKey(table));
    await t.restart();
    expect(byKey(await t.table())).toEqual(byKey(table));
    await t.close();
    const update = await testJob(job('update', counts, { outputMode: 'update' }));
    await expect(update.table()).rejects.toMatchObject({ code: 'NO_TABLE' });
    await update.close();
  });

  it('gives the table of mode complete before any batch as no rows', async () => {
    const t = await testJob(job('none', rows.keyBy((r) => r.k).aggregate({ n: count() }), { outputMode: 'complete' }));
    expect(await t.table()).toEqual([]);
    await t.close();
  });

  it('moves processing time only when told: an idle input lets the others go on', async () => {
    const a = source<Row>('a', { eventTime: (r) => r.t, delay: 0, idleAfter: '1 minute' });
    const b = source<Row>('b', { eventTime: (r) => r.t, delay: 0, idleAfter: '1 minute' });
    const t = await testJob(
      job(
        'idle',
        a
          .union(b)
          .keyBy((r) => r.k)
          .window(tumbling('10 s'))
          .aggregate({ n: count() }),
      ),
    );
    t.send(a, [row(1, 'x')]);
    t.send(b, [row(2, 'x')]);
    await t.runBatch();
    t.send(a, [row(30, 'x')]);
    await t.runBatch();
    expect(t.watermark).toBe(2000);
    t.advanceTime('2 minutes');
    t.send(a, [row(40, 'x')]);
    await t.runBatch();
    expect(t.watermark).toBe(40_000);
    await t.close();
  });

  it('refuses what it cannot do', async () => {
    const t = await testJob(job('refusing', windows.aggregate({ n: count() })));
    expect(() => t.send('nobody', [])).toThrowError(expect.objectContaining({ code: 'UNKNOWN_SOURCE' }));
    await t.close();
    await expect(t.runBatch()).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
