/** Results gathered by the window they came out of, whatever kind it was and whatever becomes of state between batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aggregator,
  count,
  type Job,
  job,
  max,
  type OutputMode,
  sameWindow,
  session,
  sliding,
  source,
  sum,
  tumbling,
  type Window,
} from '../../lib/index.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { testJob } from '../../lib/testing.ts';
import { BETWEEN, between } from '../helpers/between-batches.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Given {
  readonly k: string;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly i: number;
}

const given = source<Given>('in', { eventTime: (r) => r.windowEnd - 1, delay: 0 });
const windows = given.keyBy((r) => r.k).window(sameWindow());
const order = aggregator({ init: (): number[] => [], add: (acc, r: Given) => [...acc, r.i], merge: (a) => a });

const anyBatches = fc
  .array(
    fc.record({
      rows: fc.array(
        fc.record({
          k: fc.constantFrom('a', 'b'),
          end: fc.integer({ min: -5, max: 9 }),
          // 0 and less: no window.
          size: fc.constantFrom(-1, 0, 1, 2, 5),
        }),
        { maxLength: 9 },
      ),
      moves: fc.integer({ min: 0, max: 5 }),
      between: fc.constantFrom(...BETWEEN),
    }),
    { minLength: 1, maxLength: 9 },
  )
  .map((batches) => {
    let watermark = -20;
    let i = 0;
    return batches.map(({ rows, moves, between }) => {
      watermark += moves;
      const all = rows.map(({ k, end, size }): Given => {
        return { k, windowStart: watermark + end - size, windowEnd: watermark + end, i: i++ };
      });
      return { rows: all, watermark, between };
    });
  });

interface Gathered {
  readonly key: string;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly n: number;
  readonly order: readonly number[];
}

function byEnd(a: Gathered, b: Gathered): number {
  const address = ({ key, windowStart }: Gathered): string => encodeKey(key) + encodeKey(windowStart);
  return a.windowEnd - b.windowEnd || (address(a) < address(b) ? -1 : 1);
}

describe('sameWindow', () => {
  it.each<OutputMode>(['append', 'update', 'complete'])(
    'in mode %s gathers rows by their window, in any memory, folded and restarted',
    async (outputMode) => {
      const isComplete = outputMode === 'complete';
      await fc.assert(
        fc.asyncProperty(anyBatches, fc.constantFrom(1, 1 << 20), async (batches, rowBytes) => {
          const outputs = { out: windows.aggregate({ n: count(), order }), late: windows.late() };
          const fixture = new OperatorFixture(job('j', outputs, { outputMode, onError: 'quarantine' }), rowBytes);
          let open: Gathered[] = [];
          let previous = Number.NEGATIVE_INFINITY;
          for (const { rows, watermark, between: what } of batches) {
            const late: Given[] = [];
            const touched = new Set<string>();
            const bad = rows.filter((row) => row.windowEnd <= row.windowStart).length;
            for (const row of rows) {
              const { k: key, windowStart, windowEnd, i } = row;
              if (windowEnd <= windowStart) continue;
              if (!isComplete && windowEnd <= Math.max(watermark, previous + 1)) {
                late.push(row);
                continue;
              }
              const id = `${key} ${windowStart} ${windowEnd}`;
              const isIt = (one: Gathered): boolean => `${one.key} ${one.windowStart} ${one.windowEnd}` === id;
              const before = open.find(isIt) ?? { key, windowStart, windowEnd, n: 0, order: [] };
              touched.add(id);
              open = [...open.filter((one) => !isIt(one)), { ...before, n: before.n + 1, order: [...before.order, i] }];
            }
            const ids = open.map((one) => `${one.key} ${one.windowStart} ${one.windowEnd}`);
            const changed = [...touched].map((id) => open[ids.indexOf(id)]!);
            const over = open.filter(({ windowEnd }) => windowEnd <= watermark + 1).sort(byEnd);
            const wanted = { append: over, update: changed, complete: [...open].sort(byEnd) }[outputMode];
            const { out, counts } = await fixture.batch({ rows: { in: rows }, watermark });
            expect(out.out).toEqual(wanted);
            expect(out.late).toEqual(late);
            expect(counts[0]).toMatchObject({ rows: rows.length, late: late.length, quarantined: bad, skipped: 0 });
            if (!isComplete) open = open.filter((one) => !over.includes(one));
            expect(await fixture.rowsOf(0)).toHaveLength(open.length);
            previous = watermark;
            await between(fixture, what);
          }
          const { out } = await fixture.batch({ flush: true });
          expect(out.out).toEqual(outputMode === 'update' ? [] : open.sort(byEnd));
          if (!isComplete) expect(await fixture.rowsOf(0)).toEqual([]);
        }),
        { numRuns: 60 },
      );
    },
  );

  interface Row {
    readonly k: number;
    readonly t: number;
  }
  const input = source<Row>('rows', { eventTime: (r) => r.t, delay: 5 });
  /** How many keys each window has, and the rows of that with most. */
  const busiest = (window: Window<Row>): Job<unknown> =>
    job(
      'j',
      input
        .keyBy((r) => r.k)
        .window(window)
        .aggregate({ n: count() })
        .keyBy(() => null)
        .window(sameWindow())
        .aggregate({ keys: count(), most: max((r) => r.n), rows: sum((r) => r.n) }),
    );

  it.each([
    ['tumbling', 1, tumbling(10)],
    ['sliding', 3, sliding(10, 3)],
    ['session', 1, session(4)],
    ['session', 3, session(4)],
  ])(
    'behind %s windows gets all results of each, and closes with it, over %i partitions',
    async (_, partitions, window) => {
      const rows = Array.from({ length: 90 }, (_, i): Row => ({ k: (i * i) % 7, t: i * 3 - ((i * 5) % 4) }));
      const gathered = async (one: Job<unknown>, restarts: boolean): Promise<Record<string, number>[]> => {
        const t = await testJob(one, { partitions });
        const out: Record<string, number>[] = [];
        for (let from = 0; from < rows.length; from += 8) {
          t.send(input, rows.slice(from, from + 8));
          out.push(...((await t.runBatch()) as Record<string, number>[]));
          if (restarts) await t.restart();
        }
        out.push(...((await t.flush()) as Record<string, number>[]));
        expect(t.counts).toMatchObject({ applied: rows.length, late: 0 });
        await t.close();
        return out;
      };
      const first = job(
        'first',
        input
          .keyBy((r) => r.k)
          .window(window)
          .aggregate({ n: count() }),
      );
      const wanted = new Map<string, { keys: number; most: number; rows: number }>();
      for (const { windowStart, windowEnd, n } of await gathered(first, false)) {
        const { keys = 0, most = 0, rows: all = 0 } = wanted.get(`${windowStart} ${windowEnd}`) ?? {};
        const now = { keys: keys + 1, most: Math.max(most, n!), rows: all + n! };
        wanted.set(`${windowStart} ${windowEnd}`, now);
      }
      const out = await gathered(busiest(window), true);
      const found = new Map(
        out.map(({ windowStart, windowEnd, keys, most, rows: all }) => [
          `${windowStart} ${windowEnd}`,
          { keys, most, rows: all },
        ]),
      );
      expect(out).toHaveLength(wanted.size);
      expect(found).toEqual(wanted);
    },
  );

  it('closes in the batch that closes the session, at the very millisecond', async () => {
    const fixture = new OperatorFixture(busiest(session(4)));
    await fixture.batch({ rows: { rows: [{ k: 1, t: 0 }] } });
    expect((await fixture.batch({ watermark: 3 })).out.out).toEqual([]);
    const { out } = await fixture.batch({ watermark: 4 });
    expect(out.out).toEqual([{ key: null, windowStart: 0, windowEnd: 4, keys: 1, most: 1, rows: 1 }]);
  });

  it('tells windows of one end apart by their start', async () => {
    const keyed = input.keyBy((r) => r.k);
    const both = keyed
      .window(tumbling(10))
      .aggregate({ n: count() })
      .union(keyed.window(tumbling(5)).aggregate({ n: count() }));
    const sums = both
      .keyBy(() => 0)
      .window(sameWindow())
      .aggregate({ n: sum((r) => r.n) });
    const fixture = new OperatorFixture(job('j', sums));
    await fixture.batch({ rows: { rows: [1, 6, 7].map((t) => ({ k: t, t })) } });
    expect((await fixture.batch({ watermark: 10 })).out.out).toEqual([
      { key: 0, windowStart: 0, windowEnd: 5, n: 1 },
      { key: 0, windowStart: 0, windowEnd: 10, n: 3 },
      { key: 0, windowStart: 5, windowEnd: 10, n: 2 },
    ]);
  });

  it.each([
    ['has none', {}],
    ['is text', { windowStart: '0', windowEnd: 5 }],
    ['is not a number', { windowStart: Number.NaN, windowEnd: 5 }],
    ['never ends', { windowStart: 0, windowEnd: Number.POSITIVE_INFINITY }],
    ['ends before it begins', { windowStart: 5, windowEnd: 5 }],
    ['is nothing', null],
  ])('a row whose window %s is refused, with the reason', async (_, row) => {
    const odd = source<{ t: number; row: never }>('odd', { eventTime: (r) => r.t, delay: 0 });
    const gathered = odd
      .map((r) => r.row as Given)
      .keyBy(() => 0)
      .window(sameWindow());
    const rows = { odd: [{ t: 0, row }] };
    const fixture = new OperatorFixture(job('j', gathered.aggregate({ n: count() }), { onError: 'quarantine' }));
    const { counts, quarantined } = await fixture.batch({ rows });
    expect(counts[0]).toMatchObject({ rows: 1, quarantined: 1 });
    expect(quarantined[0]!.reason).toContain('sameWindow() needs rows with a windowStart and a later windowEnd');
    await expect(new OperatorFixture(job('j', gathered.late())).batch({ rows })).rejects.toThrow('sameWindow()');
  });
});
