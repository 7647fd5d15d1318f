/** Sessions against a list of rows for each, one row after the other, whatever becomes of state between batches. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aggregator,
  collect,
  count,
  first,
  type Job,
  type JobOptions,
  job,
  last,
  maxBy,
  type OutputMode,
  type Stream,
  session,
  source,
  sum,
  topN,
} from '../../lib/index.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { testJob } from '../../lib/testing.ts';
import { allOf } from '../helpers/chunks.ts';
import { OperatorFixture } from '../helpers/operator-fixture.ts';

interface Row {
  readonly k: string | null;
  readonly t: number;
  readonly i: number;
  readonly v: number;
  readonly gap: number;
  /** The aggregates refuse it. */
  readonly bad?: boolean;
}

const KEYS = ['a', 'b', null] as const;
const input = source<Row>('in', { eventTime: (r) => r.t, delay: 0 });
const keyed = input.keyBy((r) => r.k);
const byRow = session((r: Row) => r.gap);

/** Every row in the order in which it counts as come. */
const arrivals = aggregator({
  init: (): number[] => [],
  add(acc, r: Row) {
    if (r.bad) throw new Error('a bad row');
    acc.push(r.i);
    return acc;
  },
  merge(a, b) {
    a.push(...b);
    return a;
  },
});
const aggregates = {
  n: count<Row>(),
  v: sum((r: Row) => r.v),
  first: first((r: Row) => r.i),
  last: last((r: Row) => r.i),
  best: maxBy((r: Row) => r.v),
  all: collect((r: Row) => r.i),
  top: topN(2, { by: (r: Row) => r.v }),
  arrivals,
};

interface Session {
  readonly k: Row['k'];
  readonly start: number;
  readonly end: number;
  readonly rows: readonly Row[];
  /** Order of first touches in the batch; none: not touched. */
  readonly touched?: number | undefined;
}

/** What the aggregates are of these rows, computed from all of them. */
function resultOf({ k, start, end, rows }: Session): unknown {
  const timed = rows.toSorted((a, b) => a.t - b.t);
  const ranked = rows.toSorted((a, b) => b.v - a.v);
  return {
    ...{ key: k, windowStart: start, windowEnd: end, n: rows.length },
    v: rows.reduce((v, row) => v + row.v, 0),
    ...{ first: timed[0]!.i, last: timed.at(-1)!.i, best: ranked[0], all: timed.map(({ i }) => i) },
    ...{ top: ranked.slice(0, 2), arrivals: rows.map(({ i }) => i) },
  };
}

function byEnd(a: Session, b: Session): number {
  return a.end - b.end || (encodeKey(a.k) < encodeKey(b.k) ? -1 : 1);
}

/** The contract, one row after the other. */
class Model {
  readonly mode: OutputMode;
  open: Session[] = [];

  constructor(mode: OutputMode) {
    this.mode = mode;
  }

  batch(rows: readonly Row[], watermark: number, flush: boolean) {
    const out: unknown[] = [];
    const late: Row[] = [];
    const counts = { rows: rows.length, late: 0, skipped: 0, quarantined: 0 };
    const close = (upTo: number): void => {
      if (this.mode === 'complete') return;
      const over = this.open.filter(({ end }) => end <= upTo);
      this.open = this.open.filter(({ end }) => end > upTo);
      if (this.mode === 'append') out.push(...over.sort(byEnd).map(resultOf));
    };
    close(watermark);
    this.open = this.open.map((one) => ({ ...one, touched: undefined }));
    for (const [touched, row] of rows.entries()) {
      const [start, end] = [row.t, row.t + row.gap];
      if (row.gap <= 0) counts.skipped++;
      else if (this.mode !== 'complete' && end <= watermark) {
        counts.late++;
        late.push(row);
      } else if (row.bad) counts.quarantined++;
      else {
        const isNear = (one: Session): boolean => one.k === row.k && one.start <= end && start <= one.end;
        const near = this.open.filter(isNear).sort(byEnd);
        this.open = this.open.filter((one) => !isNear(one));
        this.open.push({
          k: row.k,
          start: Math.min(start, ...near.map((one) => one.start)),
          end: Math.max(end, ...near.map((one) => one.end)),
          rows: [...near.flatMap((one) => one.rows), row],
          touched: Math.min(touched, ...near.flatMap((one) => one.touched ?? [])),
        });
      }
    }
    const changed = this.open.filter((one) => one.touched !== undefined);
    if (this.mode === 'update') out.push(...changed.sort((a, b) => a.touched! - b.touched!).map(resultOf));
    if (this.mode === 'complete') out.push(...this.open.sort(byEnd).map(resultOf));
    if (flush) close(Number.POSITIVE_INFINITY);
    return { out, late, counts };
  }
}

const BETWEEN = ['nothing', 'fold', 'compact', 'restart'] as const;
/** Batches of rows before, at and behind the watermark, which never goes back; times before the epoch, too. */
const anyBatches = (gaps: fc.Arbitrary<number>, bad: boolean) =>
  fc
    .array(
      fc.record({
        rows: fc.array(
          fc.record({
            k: fc.constantFrom(...KEYS),
            at: fc.integer({ min: -8, max: 30 }),
            v: fc.integer({ min: 0, max: 3 }),
            gap: gaps,
            bad: bad ? fc.boolean() : fc.constant(false),
          }),
          { maxLength: 9 },
        ),
        moves: fc.integer({ min: 0, max: 9 }),
        between: fc.constantFrom(...BETWEEN),
      }),
      { minLength: 1, maxLength: 9 },
    )
    .map((batches) => {
      let watermark = -20;
      let i = 0;
      return batches.map(({ rows, moves, between }) => {
        watermark += moves;
        const given = rows.map(({ k, at, v, gap, bad: isBad }): Row => {
          return { k, t: watermark + at, i: i++, v, gap, ...(isBad ? { bad: true } : {}) };
        });
        return { rows: given, watermark, between };
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

/** How many rows the three tables have. */
async function sizes(fixture: OperatorFixture): Promise<number[]> {
  const attempt = fixture.engines[0]!.begin();
  const earlier = await Promise.all(KEYS.map((key) => allOf(attempt.ordered(1).range(encodeKey(key)))));
  attempt.drop();
  return [(await fixture.rowsOf(0)).length, earlier.flat().length, (await fixture.rowsOf(2)).length];
}

const jobOf = (rows: Stream<unknown>, options: JobOptions = {}): Job<unknown> => job('j', rows, options);

describe('sessions', () => {
  const one = fc.constant(5);
  const any = fc.constantFrom(-1, 0, 1, 3, 5, 20);
  it.each<[string, OutputMode, fc.Arbitrary<number>, boolean]>([
    ['append', 'append', one, false],
    ['append, gaps by row', 'append', any, false],
    ['append, rows that are refused', 'append', any, true],
    ['update', 'update', one, false],
    ['update, gaps by row, rows that are refused', 'update', any, true],
    ['complete', 'complete', any, false],
  ])('mode %s: are those that rows make one after the other, in any memory, folded and restarted', async (...args) => {
    const [, outputMode, gaps, bad] = args;
    await fc.assert(
      fc.asyncProperty(anyBatches(gaps, bad), fc.constantFrom(1, 1 << 20), async (batches, rowBytes) => {
        const sessions = keyed.window(gaps === one ? session(5) : byRow);
        const outputs = { out: sessions.aggregate(aggregates), late: sessions.late() };
        const fixture = new OperatorFixture(job('j', outputs, { outputMode, onError: 'quarantine' }), rowBytes);
        const model = new Model(outputMode);
        for (const { rows, watermark, between: what } of batches) {
          const wanted = model.batch(rows, watermark, false);
          const { out, counts } = await fixture.batch({ rows: { in: rows }, watermark });
          expect(out.out).toEqual(wanted.out);
          expect(out.late).toEqual(wanted.late);
          expect(counts[0]).toMatchObject(wanted.counts);
          const last = new Set(model.open.map(({ k }) => k)).size;
          expect(await sizes(fixture)).toEqual([last, model.open.length - last, model.open.length]);
          await between(fixture, what);
        }
        const { watermark } = batches.at(-1)!;
        expect((await fixture.batch({ flush: true })).out.out).toEqual(model.batch([], watermark, true).out);
        if (outputMode !== 'complete') expect(await sizes(fixture)).toEqual([0, 0, 0]);
      }),
      { numRuns: 120 },
    );
  });
});
