/** Joins of two streams: what the plainest model gives, whatever becomes of state between batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { job, type Stream, sliding, source, tumbling } from '../../lib/index.ts';
import {
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
    ...(c.where ? { where: isPair } : {}),
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

const BETWEEN = ['nothing', 'fold', 'compact', 'restart'] as const;
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

async function between(fixture: OperatorFixture, what: (typeof BETWEEN)[number]): Promise<void> {
  await fixture.each(async (engine) => {
    if (what === 'fold') await engine.fold();
    if (what === 'compact') await engine.compact();
    if (what === 'restart') await engine.restart();
    if (what !== 'nothing') await engine.catchUp();
  });
}

const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();
const given = ({ l, r, end }: Given): Given => ({ l, r, end });

describe('joins of two streams', () => {
  it('give what the model gives, batch by batch, in any memory, folded and restarted', async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, anyBatches, fc.constantFrom(1, 1 << 20), async (c, batches, rowBytes) => {
        const fixture = new OperatorFixture(job('j', joined(c)), rowBytes);
        const model = new JoinModel(c);
        const follows = c.watermarks !== 'none';
        for (const { rows, watermark, flush, between: what } of batches) {
          const { out, counts } = await fixture.batch({ rows, ...(follows ? { watermark } : {}), flush });
          const wanted = model.batch(rows, follows ? watermark : -Infinity, flush);
          expect(sorted(out.out!)).toEqual(sorted(wanted.results.map(given)));
          expect(counts[0]).toMatchObject({ late: wanted.late, quarantined: 0 });
          await between(fixture, what);
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 300) },
    );
  });
});
