/** Windows on the engine's tables: what closing them writes, reads and leaves. */
import { describe, expect, it } from 'vitest';
import { count, job, type OutputMode, source, tumbling } from '../../lib/index.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: string;
  readonly t: number;
}

const KEYS = Array.from({ length: 200 }, (_, i) => `key ${i}`);
const rowsAt = (...times: number[]) => ({ in: times.flatMap((t) => KEYS.map((k) => ({ k, t }))) });

function fixtureOf(outputMode: OutputMode = 'append', rowBytes?: number): OperatorFixture {
  const input = source<Row>('in', { eventTime: (r) => r.t, delay: 0 });
  const windows = input.keyBy((r) => r.k).window(tumbling(10));
  return new OperatorFixture(
    job('j', { n: windows.aggregate({ n: count() }), late: windows.late() }, { outputMode }),
    rowBytes,
  );
}

describe('windows that close', () => {
  it.each([
    ['in memory', 1 << 20],
    ['cold', 1],
  ])('are forgotten by one entry, without a tombstone: %s', async (_, rowBytes) => {
    const fixture = fixtureOf('append', rowBytes);
    const [engine] = fixture.engines;
    await fixture.batch({ rows: rowsAt(1, 11) });
    await engine!.fold();
    await engine!.catchUp();
    const { out } = await fixture.batch({ rows: rowsAt(12), watermark: 10 });
    expect(out.n).toEqual(KEYS.map((key) => ({ key, windowStart: 0, windowEnd: 10, n: 1 })).sort(byKey));
    const { header } = await engine!.entry(2);
    expect(header).toMatchObject({ changes: KEYS.length, forgotten: [[0, 10]] });
    await engine!.restart();
    await engine!.catchUp();
    expect((await fixture.rowsOf(0)).map(({ time }) => time)).toEqual(KEYS.map(() => 20));
    // Too late for a window that is forgotten.
    const after = await fixture.batch({ rows: rowsAt(5) });
    expect([after.counts[0]!.late, after.out.late]).toEqual([KEYS.length, rowsAt(5).in]);
  });

  it('in mode update are forgotten unread', async () => {
    const fixture = fixtureOf('update', 1);
    const [engine] = fixture.engines;
    await fixture.batch({ rows: rowsAt(1) });
    await engine!.compact();
    await engine!.restart();
    await engine!.catchUp();
    expect(await fixture.batch({ watermark: 10 })).toMatchObject({ out: { n: [], late: [] }, requests: 0 });
    expect(await fixture.rowsOf(0)).toEqual([]);
  });

  it('in a flush are forgotten up to the last, so that windows may open again', async () => {
    const fixture = fixtureOf();
    await fixture.batch({ rows: rowsAt(1, 11) });
    const { out } = await fixture.batch({ flush: true });
    expect(out.n).toHaveLength(2 * KEYS.length);
    const { counts } = await fixture.batch({ rows: rowsAt(20, 21) });
    expect(counts[0]!.late).toBe(0);
    expect(await fixture.rowsOf(0)).toHaveLength(KEYS.length);
  });
});

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : 1;
}
