/** Joins of two streams: rows that functions refuse or change, one stream on both sides, keys, batches with many rows of a key. */
import { describe, expect, it } from 'vitest';
import { type JobOptions, job, type KeyPart, type Stream, source, tumbling } from '../../lib/index.ts';
import { testJob } from '../../lib/testing.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: KeyPart | readonly KeyPart[];
  readonly t: number;
  readonly i: number;
}

const left = source<Row>('left', { eventTime: (r) => r.t, delay: 0 });
const right = source<Row>('right', { eventTime: (r) => r.t, delay: 0 });
const byKey = [left.keyBy((r) => r.k), right.keyBy((r) => r.k)] as const;
const row = (i: number, t = i, k: Row['k'] = 'a'): Row => ({ k, t, i });
const rows = (...of: readonly number[]): Row[] => of.map((i) => row(i));
const QUARANTINE: JobOptions = { onError: 'quarantine' };

async function stateRows(fixture: OperatorFixture): Promise<number> {
  const { tables } = fixture.job.stages[0]!.operators[0]!.operator;
  let found = 0;
  for (const table of tables.keys()) found += (await fixture.rowsOf(table)).length;
  return found;
}

describe('a row that a function refuses', () => {
  /** @param partner of a pair on which it throws; left out: any */
  const refusing = (what: string, bad: number, partner?: number): Stream<unknown> => {
    const passes = (at: string, ...of: (Row | null)[]): true => {
      const isPartner = partner === undefined || of.length === 1 || of.some((r) => r?.i === partner);
      if (at === what && isPartner && of.some((r) => r?.i === bad)) throw new Error('not this one');
      return true;
    };
    return byKey[0].join(byKey[1], {
      type: 'full',
      within: 10,
      whereLeft: (l) => passes('whereLeft', l),
      whereRight: (r) => passes('whereRight', r),
      where: (l, r) => passes('where', l, r),
      select: (l, r) => passes('select', l, r) && [l?.i ?? null, r?.i ?? null],
    });
  };

  it.each(['where', 'whereLeft', 'whereRight', 'select'] as const)(
    'leaves no trace, neither results nor state, and the others are given: %s',
    async (what) => {
      const bad = 12;
      const fixture = new OperatorFixture(job('j', refusing(what, bad, 3), QUARANTINE));
      const side = what === 'whereLeft' ? 'left' : 'right';
      const other = side === 'left' ? 'right' : 'left';
      await fixture.batch({ rows: { [other]: rows(1, 2, 3) } });
      const before = await stateRows(fixture);
      const { out, quarantined, counts } = await fixture.batch({ rows: { [side]: rows(11, bad, 13) } });
      // 2 and 3 are near 12, too, which is refused with the second of them.
      const pair = (own: number, given: number): number[] => (side === 'left' ? [own, given] : [given, own]);
      expect(out.out).toEqual([pair(11, 1), pair(11, 2), pair(11, 3), pair(13, 3)]);
      expect(quarantined).toMatchObject([{ operator: 'join#0', reason: expect.stringContaining('not this one') }]);
      expect(counts[0]).toMatchObject({ rows: 3, late: 0, quarantined: 1 });
      expect(await stateRows(fixture)).toBe(before + 4);
      // Nothing comes out of 12, and all others had a partner.
      const last = await fixture.batch({ watermark: 100 });
      expect(last.out.out).toEqual([]);
      expect(await stateRows(fixture)).toBe(0);
    },
  );

  it('marks no partner as matched: that one comes out as if it had not been', async () => {
    const fixture = new OperatorFixture(job('j', refusing('select', 2), QUARANTINE));
    await fixture.batch({ rows: { left: rows(1) } });
    await fixture.batch({ rows: { right: rows(2) } });
    expect((await fixture.batch({ watermark: 100 })).out.out).toEqual([[1, null]]);
  });

  it('alone, when its wait is over, is set aside and forgotten', async () => {
    const alone = byKey[0].join(byKey[1], {
      type: 'left',
      within: 1,
      select: (l, r) => {
        if (r === null && l.i === 1) throw new Error('alone');
        return l.i;
      },
    });
    const fixture = new OperatorFixture(job('j', alone, QUARANTINE));
    await fixture.batch({ rows: { left: rows(1, 2) } });
    const { out, quarantined } = await fixture.batch({ watermark: 50 });
    expect(out.out).toEqual([2]);
    expect(quarantined).toMatchObject([{ operator: 'join#0', reason: expect.stringContaining('alone') }]);
    expect(await stateRows(fixture)).toBe(0);
  });

  it('alone in several windows, gives none of them', async () => {
    const alone = byKey[0].join(byKey[1], {
      type: 'left',
      window: tumbling(10),
      whereLeft: () => false,
      select: (l) => {
        if (l.i === 1) throw new Error('alone');
        return l.i;
      },
    });
    const fixture = new OperatorFixture(job('j', alone, QUARANTINE));
    const { out, counts } = await fixture.batch({ rows: { left: rows(1, 2) } });
    expect(out.out).toEqual([2]);
    expect(counts[0]).toMatchObject({ quarantined: 1 });
  });

  it('fails the batch without onError, and names operator and row', async () => {
    const t = await testJob(job('j', refusing('select', 2)));
    t.send(left, rows(1));
    t.send(right, rows(2));
    await expect(t.runBatch()).rejects.toMatchObject({ operator: 'join#0', row: { i: 2 } });
    await t.close();
  });

  it('behind the join is a result: the rows stay', async () => {
    const behind = byKey[0].join(byKey[1], { within: 5, select: (l, r) => [l.i, r.i] }).map(([l, r]) => {
      if (l === 1) throw new Error('behind');
      return [l, r];
    });
    const fixture = new OperatorFixture(job('j', behind, QUARANTINE));
    const { out, quarantined, counts } = await fixture.batch({ rows: { left: rows(1, 2), right: rows(3) } });
    expect(out.out).toEqual([[2, 3]]);
    expect(quarantined).toMatchObject([{ operator: 'map#0' }]);
    expect(counts[0]).toMatchObject({ rows: 3, quarantined: 0, setAside: 1 });
  });
});

describe('functions of a join', () => {
  it('that change rows change neither state nor other results', async () => {
    const changing = byKey[0].join(byKey[1], {
      where: (l, r) => {
        (l as { i: number }).i += 100;
        (r as { i: number }).i += 100;
        return true;
      },
      select: (l, r) => [l.i, r.i],
    });
    const fixture = new OperatorFixture(job('j', changing));
    await fixture.batch({ rows: { left: rows(1) } });
    for (let n = 0; n < 2; n++) {
      expect((await fixture.batch({ rows: { right: rows(2, 3) } })).out.out).toEqual([
        [101, 102],
        [101, 103],
      ]);
    }
    const t = await testJob(job('j', changing));
    t.send(left, rows(1));
    t.send(right, rows(2));
    await expect(t.runBatch()).rejects.toThrow('changes the row it is given');
    await t.close();
  });

  it('are given the key, parts of an array anew, and results do not share what they show', async () => {
    const keyed = byKey[0].join(byKey[1], { select: (l, r, at) => ({ key: at.key, l, r }) });
    const fixture = new OperatorFixture(job('j', keyed));
    const key = ['x', 1, null, true];
    const { out } = await fixture.batch({ rows: { left: [row(1, 1, key)], right: [row(2, 2, key), row(3, 3, key)] } });
    const [one, two] = out.out as { key: unknown[]; l: Row }[];
    expect([one!.key, two!.key]).toEqual([key, key]);
    expect(one!.key).not.toBe(two!.key);
    expect(one!.l).not.toBe(two!.l);
  });
});

describe('joins', () => {
  it('one stream, or one keyed stream, on both sides: each pair once, a row with itself, too', async () => {
    for (const keyed of [left.keyBy((r) => r.k), byKey[0]]) {
      const self = left.keyBy((r) => r.k).join(keyed, { within: 1, select: (l, r) => [l.i, r.i] });
      const t = await testJob(job('j', self), { partitions: 3 });
      t.send(left, rows(1, 2));
      const given = [...(await t.runBatch())];
      await t.restart();
      t.send(left, rows(3));
      given.push(...(await t.runBatch()));
      expect(given.map(String).sort()).toEqual(['1,1', '1,2', '2,1', '2,2', '2,3', '3,2', '3,3']);
      expect(t.counts).toEqual({ applied: 3, late: 0, quarantined: 0, skipped: 0 });
      await t.close();
    }
  });

  it('three streams, by two keys', async () => {
    const third = source<{ t: number; of: number }>('third', { eventTime: (r) => r.t, delay: 0 });
    const pairs = byKey[0].join(byKey[1], { within: 10, select: (l, r) => ({ l: l.i, r: r.i }) });
    const all = pairs
      .keyBy((pair) => pair.r)
      .join(
        third.keyBy((r) => r.of),
        { type: 'left', within: 10, select: (pair, r) => [pair.l, pair.r, r?.of ?? null] },
      );
    for (const partitions of [1, 3]) {
      const t = await testJob(job('j', all), { partitions });
      t.send(left, rows(1, 2));
      t.send(right, rows(3, 4));
      t.send(third, [{ t: 5, of: 3 }]);
      const given = [...(await t.runBatch())];
      await t.restart();
      given.push(...(await t.flush()));
      expect(given.map((r) => JSON.stringify(r)).sort()).toEqual(['[1,3,3]', '[1,4,null]', '[2,3,3]', '[2,4,null]']);
      await t.close();
    }
  });

  it('appends in modes update and complete, too', async () => {
    const pairs = byKey[0].join(byKey[1], { within: 5, select: (l, r) => [l.i, r.i] });
    for (const outputMode of ['update', 'complete'] as const) {
      const t = await testJob(job('j', { pairs, latest: byKey[0].latest() }, { outputMode }));
      t.send(left, rows(1));
      t.send(right, rows(2));
      expect(await t.runBatch()).toMatchObject({ pairs: [[1, 2]] });
      await t.close();
    }
  });

  it('times before the epoch, far from each other, and many rows of one time', async () => {
    const pairs = byKey[0].join(byKey[1], { type: 'full', within: 0, select: (l, r) => [l?.i ?? null, r?.i ?? null] });
    const fixture = new OperatorFixture(job('j', pairs));
    const times = [-8.64e15, -1, 0, 8.64e15 - 1];
    const of = (from: number): Row[] => times.flatMap((t, n) => [row(from + 2 * n, t), row(from + 2 * n + 1, t)]);
    const { out } = await fixture.batch({ rows: { left: of(0), right: of(100) } });
    expect(out.out).toHaveLength(16);
    expect((await fixture.batch({ watermark: 8.64e15 })).out.out).toEqual([]);
    expect(await stateRows(fixture)).toBe(0);
  });

  it('state.ttl forgets keys of an everlasting join, whichever side was touched last', async () => {
    const pairs = byKey[0].join(byKey[1], { select: (l, r) => [l.i, r.i] });
    const fixture = new OperatorFixture(job('j', pairs, { state: { ttl: 10 } }));
    await fixture.batch({ rows: { left: rows(1) }, watermark: 0 });
    expect((await fixture.batch({ rows: { right: [row(2, 8)] }, watermark: 9 })).out.out).toEqual([[1, 2]]);
    expect((await fixture.batch({ rows: { right: [row(3, 18)] }, watermark: 18 })).out.out).toEqual([[1, 3]]);
    expect((await fixture.batch({ rows: { right: [row(4, 40)] }, watermark: 30 })).out.out).toEqual([]);
    await fixture.batch({ watermark: 100 });
    expect(await stateRows(fixture)).toBe(0);
    // What the watermark bounds is no affair of the ttl.
    const within = new OperatorFixture(
      job('j', byKey[0].join(byKey[1], { within: 50, select: (l, r) => [l.i, r.i] }), { state: { ttl: 10 } }),
    );
    await within.batch({ rows: { left: rows(1) }, watermark: 0 });
    expect((await within.batch({ rows: { right: [row(51)] }, watermark: 45 })).out.out).toEqual([[1, 51]]);
  });
});
