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
import { BETWEEN, between } from '../helpers/between-batches.ts';
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

  it.each([1, 3])('over %i partitions and restarts, with what is closed by a flush', async (partitions) => {
    const rows = Array.from({ length: 120 }, (_, i): Row => {
      // Two keys, a pause after every tenth row, some rows before those that came already.
      return { k: KEYS[i % 2]!, t: i * 2 + Math.floor(i / 10) * 40 - (i % 7 === 0 ? 9 : 0), i, v: i % 4, gap: 12 };
    });
    const model = new Model('append');
    for (const row of rows) model.batch([row], -1e9, false);
    const wanted = model.batch([], -1e9, true).out;
    const t = await testJob(job('j', keyed.window(session(12)).aggregate(aggregates)), { partitions });
    const given: unknown[] = [];
    // Of one batch, so that no row is late; and, in order, of many.
    t.send(input, rows);
    given.push(...(await t.runBatch()));
    await t.restart();
    given.push(...(await t.flush()));
    expect(given.sort(byWindow)).toEqual(wanted.sort(byWindow));
    expect(t.counts).toEqual({ applied: 120, late: 0, quarantined: 0, skipped: 0 });
    await t.close();
    const ordered = rows.toSorted((a, b) => a.t - b.t);
    const second = await testJob(job('j', keyed.window(session(12)).aggregate({ n: count() })), { partitions });
    const sizes: unknown[] = [];
    for (let from = 0; from < rows.length; from += 7) {
      second.send(input, ordered.slice(from, from + 7));
      sizes.push(...(await second.runBatch()));
      await second.restart();
    }
    sizes.push(...(await second.flush()));
    const countsOf = (all: readonly unknown[]): unknown[] =>
      all.map((one) => [(one as { windowStart: number }).windowStart, (one as { n: number }).n]);
    expect(countsOf(sizes.sort(byWindow))).toEqual(countsOf(wanted.sort(byWindow)));
    await second.close();
  });

  it('reduce joins what came before with what came after', async () => {
    type Text = { readonly t: number; readonly text: string };
    const texts = source<Text>('texts', { eventTime: (r) => r.t, delay: 0 });
    const joined = texts
      .keyBy(() => 1)
      .window(session(5))
      .reduce((a, b) => ({ t: a.t, text: `(${a.text}${b.text})` }));
    const fixture = new OperatorFixture(jobOf(joined));
    await fixture.batch({
      rows: {
        texts: [
          { t: 19, text: 'c' },
          { t: 0, text: 'a' },
          { t: 20, text: 'd' },
        ],
      },
    });
    await fixture.batch({
      rows: {
        texts: [
          { t: 9, text: 'b' },
          { t: 4, text: '+' },
          { t: 14, text: '-' },
        ],
      },
    });
    const { out } = await fixture.batch({ flush: true });
    expect(out.out).toEqual([{ key: 1, windowStart: 0, windowEnd: 25, value: { t: 0, text: '((((ab)+)(cd))-)' } }]);
  });

  it('a row whose joining is refused leaves sessions as they were, and those before it in the batch are in', async () => {
    const apart = aggregator({
      init: (): number[] => [],
      add: (acc, r: Row) => [...acc, r.i],
      merge(): number[] {
        throw new Error('apart');
      },
    });
    const options: JobOptions = { outputMode: 'update', onError: 'quarantine' };
    const fixture = new OperatorFixture(jobOf(keyed.window(session(5)).aggregate({ all: apart }), options));
    const rowAt = (t: number, i: number): Row => ({ k: 'a', t, i, v: 0, gap: 5 });
    await fixture.batch({ rows: { in: [rowAt(0, 0), rowAt(10, 1)] } });
    const { out, counts, quarantined } = await fixture.batch({
      rows: { in: [rowAt(1, 2), rowAt(5, 3), rowAt(11, 4)] },
    });
    expect(out.out).toEqual([
      { key: 'a', windowStart: 0, windowEnd: 6, all: [0, 2] },
      { key: 'a', windowStart: 10, windowEnd: 16, all: [1, 4] },
    ]);
    expect(counts[0]).toMatchObject({ quarantined: 1 });
    expect(quarantined[0]!.reason).toContain('apart');
    expect(await sizes(fixture)).toEqual([1, 1, 2]);
  });

  it('no row joins a session that has ended, whether or not an empty batch came between', async () => {
    const rowAt = (t: number): Row => ({ k: 'a', t, i: t, v: 0, gap: 5 });
    for (const isEmpty of [true, false]) {
      const fixture = new OperatorFixture(jobOf(keyed.window(session(5)).aggregate({ n: count() })));
      await fixture.batch({ rows: { in: [rowAt(0)] } });
      const out = isEmpty ? (await fixture.batch({ watermark: 5 })).out.out! : [];
      out.push(...(await fixture.batch({ rows: { in: [rowAt(4)] }, watermark: 5 })).out.out!);
      out.push(...(await fixture.batch({ flush: true })).out.out!);
      expect(out).toEqual([
        { key: 'a', windowStart: 0, windowEnd: 5, n: 1 },
        { key: 'a', windowStart: 4, windowEnd: 9, n: 1 },
      ]);
    }
  });

  it('behind each other: no row that one gives is late by its own time, and all are counted', async () => {
    const sizesOf = keyed.window(byRow).aggregate({ n: count() });
    const again = sizesOf.keyBy(() => 0).window(session(1));
    await fc.assert(
      fc.asyncProperty(anyBatches(fc.constantFrom(1, 3, 5, 20), false), async (batches) => {
        const outputs = { sums: again.aggregate({ n: sum((r) => r.n) }), late: again.late() };
        const fixture = new OperatorFixture(job('j', outputs));
        const [first] = fixture.job.stages[0]!.operators;
        let [given, summed, before] = [0, 0, Number.NEGATIVE_INFINITY];
        for (const { rows, watermark } of batches) {
          const { into, out, counts } = await fixture.batch({ rows: { in: rows }, watermark });
          given += rows.length - counts[0]!.late;
          for (const { time } of into('session-aggregate#1')) expect(time).toBeGreaterThan(before);
          for (const row of out.sums!) summed += (row as { n: number }).n;
          expect(out.late).toEqual([]);
          before = first!.operator.outputWatermark(watermark);
        }
        for (const row of (await fixture.batch({ flush: true })).out.sums!) summed += (row as { n: number }).n;
        expect(summed).toBe(given);
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['no number', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['missing', undefined],
    ['null', null],
    ['text without a unit', '10'],
    ['part of a millisecond', 0.5],
    ['an object', {}],
  ])('a gap that is %s is refused, with the row', async (_, gap) => {
    const odd = keyed.window(session(() => gap as never)).aggregate({ n: count() });
    const fixture = new OperatorFixture(jobOf(odd, { onError: 'quarantine' }));
    const { counts, quarantined } = await fixture.batch({ rows: { in: [{ k: 'a', t: 0 }] } });
    expect(counts[0]).toMatchObject({ rows: 1, quarantined: 1, skipped: 0 });
    expect(quarantined[0]!.reason).toContain('session: gap');
    const failing = new OperatorFixture(jobOf(odd));
    await expect(failing.batch({ rows: { in: [{ k: 'a', t: 0 }] } })).rejects.toThrow('session: gap');
  });

  it('gaps may be text, and below 0, where the row is left out', async () => {
    const gaps = ['2 s', '-1 min', '0 s', -3];
    const texts = keyed.window(session((r: Row) => gaps[r.i] as never));
    const fixture = new OperatorFixture(job('j', { n: texts.aggregate({ n: count() }), late: texts.late() }));
    const { counts } = await fixture.batch({ rows: { in: gaps.map((_, i) => ({ k: 'a', t: 0, i })) } });
    expect(counts[0]).toMatchObject({ rows: 4, skipped: 3, late: 0 });
    const { out } = await fixture.batch({ watermark: 2000 });
    expect(out.n).toEqual([{ key: 'a', windowStart: 0, windowEnd: 2000, n: 1 }]);
  });

  it('late rows alone: by their own session', async () => {
    const fixture = new OperatorFixture(jobOf(keyed.window(byRow).late()));
    const rows = [3, 4, 5, 0].map((gap, i): Row => ({ k: 'a', t: 6, i, v: 0, gap }));
    const { out, counts } = await fixture.batch({ rows: { in: rows }, watermark: 10 });
    expect(out.out).toEqual(rows.slice(0, 2));
    expect(counts[0]).toMatchObject({ rows: 4, late: 2, skipped: 1 });
  });

  it('are refused where they cannot be right', () => {
    const refused = (make: () => unknown, code: string): void =>
      expect(make).toThrow(expect.objectContaining({ name: 'JobError', code }));
    refused(() => session(0), 'BAD_WINDOW');
    refused(() => session(-1), 'BAD_DURATION');
    refused(() => session('5' as never), 'BAD_DURATION');
    const untimed = source<Row>('u').keyBy((r) => r.k);
    refused(() => untimed.window(session(1)), 'NO_EVENT_TIME');
    const unmarked = source<Row>('m', { eventTime: (r) => r.t }).keyBy((r) => r.k);
    const sessions = unmarked.window(session(1)).aggregate({ n: count() });
    refused(() => jobOf(sessions), 'APPEND_NEEDS_WATERMARK');
    jobOf(sessions, { outputMode: 'update' });
  });
});

function byWindow(a: unknown, b: unknown): number {
  const [one, other] = [a, b] as { readonly windowStart: number; readonly key: Row['k'] }[];
  return one!.windowStart - other!.windowStart || (encodeKey(one!.key) < encodeKey(other!.key) ? -1 : 1);
}
