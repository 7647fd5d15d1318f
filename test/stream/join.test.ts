/** Joins of two streams: what the plainest model gives, whatever becomes of state between batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { collect, job, type Stream, sliding, source, tumbling } from '../../lib/index.ts';
import { BETWEEN, between } from '../helpers/between-batches.ts';
import {
  isBad,
  isLeft,
  isPair,
  isRight,
  type JoinCase,
  JoinModel,
  type JoinResult,
  type JoinRow,
} from '../helpers/join-model.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

type Given = Omit<JoinResult, 'time'>;

// biome-ignore lint/suspicious/noExplicitAny: options that are put together by chance have no type of their own
const any = (value: unknown): any => value;

function joined(c: JoinCase): Stream<Given> {
  const has = (side: string): { delay?: number } =>
    c.watermarks === 'both' || c.watermarks === side ? { delay: 0 } : {};
  const left = source<JoinRow>('left', { eventTime: (r) => r.t, ...has('left') });
  const right = source<JoinRow>('right', { eventTime: (r) => r.t, ...has('right') });
  const { near } = c;
  const select = (l: JoinRow | null, r: JoinRow | null, at: { windowEnd?: number }): Given => ({
    l: l?.i ?? null,
    r: r?.i ?? null,
    end: at.windowEnd ?? null,
  });
  const options = {
    type: c.type,
    ...(near.kind === 'within' ? { within: { before: near.before, after: near.after } } : {}),
    ...(near.kind === 'window'
      ? { window: near.size === near.slide ? tumbling(near.size) : sliding(near.size, near.slide) }
      : {}),
    ...(c.where || c.throws ? { where: whereOf(c) } : {}),
    ...(c.whereLeft ? { whereLeft: isLeft } : {}),
    ...(c.whereRight ? { whereRight: isRight } : {}),
    ...(c.eventTime === undefined ? {} : { eventTime: c.eventTime }),
    select: c.type === 'leftSemi' ? (l: JoinRow, at: { windowEnd?: number }) => select(l, null, at) : select,
  };
  return left
    .keyBy((r) => r.k)
    .join(
      right.keyBy((r) => r.k),
      any(options),
    );
}

function whereOf({ where, throws }: JoinCase): (l: JoinRow, r: JoinRow) => boolean {
  return (l, r) => {
    if (throws && (isBad(l) || isBad(r))) throw new Error('bad');
    return !where || isPair(l, r);
  };
}

const anyBound = fc.oneof(fc.integer({ min: -4, max: 8 }), fc.constant(Infinity));
const anyCase: fc.Arbitrary<JoinCase> = fc
  .record({
    type: fc.constantFrom('inner', 'left', 'right', 'full', 'leftSemi'),
    near: fc.oneof(
      fc.record({ kind: fc.constant('within'), before: anyBound, after: anyBound }),
      fc.constantFrom({ kind: 'window', size: 5, slide: 5 }, { kind: 'window', size: 6, slide: 2 }),
      fc.constant({ kind: 'all' }),
    ),
    where: fc.boolean(),
    throws: fc.constantFrom(false, false, true),
    whereLeft: fc.boolean(),
    whereRight: fc.boolean(),
    eventTime: fc.constantFrom(undefined, 'left', 'right', 'later'),
    watermarks: fc.constantFrom('both', 'both', 'both', 'left', 'right', 'none'),
  } as const)
  .map((c) => (c.type === 'leftSemi' ? { ...c, eventTime: undefined } : c) as JoinCase)
  .filter((c) => {
    try {
      joined(c);
      return true;
    } catch {
      return false;
    }
  });

const RUNS = Number(process.env.RUNS ?? 150);
const anyRows = fc.array(
  fc.record({
    k: fc.constantFrom('a', 'b', null),
    at: fc.integer({ min: -4, max: 12 }),
    x: fc.integer({ min: 0, max: 20 }),
  }),
  { maxLength: 6 },
);
/** Batches of rows within some ms before or behind the watermark, which never goes back. */
const anyBatches = fc
  .array(
    fc.record({
      left: anyRows,
      right: anyRows,
      moves: fc.integer({ min: 0, max: 6 }),
      between: fc.constantFrom(...BETWEEN),
      flush: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((batches) => {
    let watermark = -3;
    let i = 0;
    const rowsOf = (rows: readonly { k: string | null; at: number; x: number }[]): JoinRow[] =>
      rows.map(({ k, at, x }) => ({ k, t: watermark + at, i: i++, x }));
    return batches.map(({ left, right, moves, flush, between }) => {
      watermark += moves;
      // A flush has no rows.
      const rows = flush ? { left: [], right: [] } : { left: rowsOf(left), right: rowsOf(right) };
      return { rows, watermark, between, flush };
    });
  });

const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
const given = ({ l, r, end }: Given): Given => ({ l, r, end });

/** The watermark bounds both sides. */
function isBounded({ near, watermarks }: JoinCase): boolean {
  if (near.kind === 'window') return watermarks !== 'none';
  return near.kind === 'within' && watermarks === 'both' && near.before + near.after < Infinity;
}

/** Rows in all tables of the first stage. */
async function stateRows(fixture: OperatorFixture): Promise<number> {
  const tables = fixture.job.stages[0]!.operators.flatMap(({ operator }) => operator.tables);
  let rows = 0;
  // A scan shows the rows of an ordered table, too.
  for (const table of tables.keys()) rows += (await fixture.rowsOf(table)).length;
  return rows;
}

describe('joins of two streams', () => {
  it('give what the model gives, batch by batch, in any memory, folded and restarted', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, anyBatches, fc.constantFrom(1, 1 << 20), async (c, batches, rowBytes) => {
        const fixture = new OperatorFixture(
          job('j', joined(c), { onError: c.throws ? 'quarantine' : 'fail' }),
          rowBytes,
        );
        const model = new JoinModel(c);
        const follows = c.watermarks !== 'none';
        for (const { rows, watermark, flush, between: what } of batches) {
          const { out, counts } = await fixture.batch({ rows, ...(follows ? { watermark } : {}), flush });
          const wanted = model.batch(rows, follows ? watermark : -Infinity, flush);
          expect(sorted(out.out!)).toEqual(sorted(wanted.results.map(given)));
          const { late, refused } = wanted;
          expect(counts[0]).toMatchObject({ rows: rows.left.length + rows.right.length, late, quarantined: refused });
          await between(fixture, what);
        }
        if (!isBounded(c)) return;
        await fixture.batch({ watermark: 1000 });
        expect(await stateRows(fixture)).toBe(0);
      }),
      { numRuns: RUNS },
    );
  });

  it('give rows with the event time that was asked for, which no window behind them finds late', async () => {
    const followed = anyCase.filter((c) => c.watermarks === 'both' && !c.throws);
    await fc.assert(
      fc.asyncProperty(followed, anyBatches, async (c, batches) => {
        const perWindow = joined(c)
          .keyBy(() => null)
          .window(tumbling(5))
          .aggregate({ rows: collect() });
        const options = { outputMode: 'update' } as const;
        const fixture = new OperatorFixture(job('j', perWindow, options));
        const model = new JoinModel(c);
        const behind = fixture.job.stages[1]!.operators[0]!;
        let before = -Infinity;
        const windows = new Map<number, unknown[]>();
        for (const { rows, watermark, flush } of batches) {
          // What a flush has closed may be late behind it.
          if (flush) continue;
          const { out, into, counts } = await fixture.batch({ rows, watermark });
          const wanted = model.batch(rows, watermark);
          const came = into('window-aggregate#0').map(({ row, time }) => ({ ...(row as Given), time }));
          expect(sorted(came)).toEqual(sorted(wanted.results));
          for (const { time } of came) expect(time).toBeGreaterThan(before);
          expect(counts[1]).toMatchObject({ late: 0 });
          before = behind.watermark(watermark);
          for (const row of out.out as { windowEnd: number; rows: unknown[] }[]) windows.set(row.windowEnd, row.rows);
          const byWindow = came.map(({ time }) => Math.floor(time / 5) * 5 + 5);
          for (const end of byWindow) expect(windows.has(end)).toBe(true);
        }
      }),
      { numRuns: RUNS },
    );
  });

  it('two in a row give what the models one behind the other give', async () => {
    const third = source<JoinRow>('third', { eventTime: (r) => r.t, delay: 0 });
    const within = { before: 3, after: 4 };
    const anyMore = fc.array(anyRows, { maxLength: 8 });
    const cases = anyCase.filter((c) => isBounded(c) && c.watermarks === 'both' && c.type !== 'leftSemi' && !c.throws);
    await fc.assert(
      fc.asyncProperty(cases, anyBatches, anyMore, fc.boolean(), async (c, batches, more, flush) => {
        const again = joined(c)
          .keyBy(({ l, r }) => ((l ?? r)! % 2 === 0 ? 'a' : null))
          .join(
            third.keyBy((row) => row.k),
            { type: 'full', within, select: (given, row) => ({ given, third: row?.i ?? null }) },
          );
        const fixture = new OperatorFixture(job('j', again));
        const first = new JoinModel(c);
        const all: { given: Given; time: number; k: string | null }[] = [];
        const thirds: JoinRow[] = [];
        const out: unknown[] = [];
        let i = 1000;
        for (const [n, { rows, watermark }] of batches.entries()) {
          const late = (more[n] ?? []).map(({ k, at, x }): JoinRow => ({ k, t: watermark + at, i: i++, x }));
          const shown = await fixture.batch({ rows: { ...rows, third: late }, watermark });
          out.push(...shown.out.out!);
          for (const { time, ...row } of first.batch(rows, watermark).results) {
            all.push({ given: given({ ...row }), time, k: (row.l ?? row.r)! % 2 === 0 ? 'a' : null });
          }
          thirds.push(...late.filter(({ t }) => t > watermark));
        }
        const last = await fixture.batch(flush ? { flush } : { watermark: 1000 });
        out.push(...last.out.out!);
        for (const { time, ...row } of first.batch({ left: [], right: [] }, 1000).results) {
          all.push({ given: given({ ...row }), time, k: (row.l ?? row.r)! % 2 === 0 ? 'a' : null });
        }
        if (!flush) out.push(...(await fixture.batch({ watermark: 2000 })).out.out!);
        const pairs = all.flatMap((l) =>
          thirds
            .filter((r) => r.k === l.k && l.time - within.before <= r.t && r.t <= l.time + within.after)
            .map((r) => ({ l, r })),
        );
        const wanted = [
          ...pairs.map(({ l, r }) => ({ given: l.given, third: r.i })),
          ...all.filter((l) => !pairs.some((pair) => pair.l === l)).map((l) => ({ given: l.given, third: null })),
          ...thirds.filter((r) => !pairs.some((pair) => pair.r === r)).map((r) => ({ given: null, third: r.i })),
        ];
        expect(sorted(out)).toEqual(sorted(wanted));
        for (const table of fixture.job.stages[1]!.operators[0]!.operator.tables.keys()) {
          expect(await fixture.rowsOf(table, 1)).toEqual([]);
        }
      }),
      { numRuns: RUNS },
    );
  });
});
