import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { overlapMs, totalMs, union } from '../../lib/timeline/intervals.ts';
import { batchTimes, commitOverlap, quantile, runStatistics } from '../../lib/timeline/statistics.ts';
import type { Lane, Span } from '../../lib/util/trace.ts';
import { makeTrace } from './make-trace.ts';

const whole = fc.tuple(fc.nat(60), fc.nat(15)).map(([startMs, ms]) => ({ startMs, endMs: startMs + ms }));
const unitsOf = (intervals: readonly { startMs: number; endMs: number }[]): Set<number> =>
  new Set(intervals.flatMap(({ startMs, endMs }) => Array.from({ length: endMs - startMs }, (_, i) => startMs + i)));

const wholeSpan: fc.Arbitrary<Span> = fc
  .tuple(
    whole,
    fc.constantFrom<Lane>('batch', 'log', 'publish', 'fold', 'compact', 'preload'),
    fc.constantFrom('planner', 's0/p0', 's0/p1'),
    fc.nat(5),
  )
  .map(([interval, lane, path, n]) => ({ ...interval, lane, path, n }));

describe('sets of time', () => {
  it('are what counting each unit finds', () => {
    fc.assert(
      fc.property(fc.array(whole), whole, (intervals, probe) => {
        const joined = union(intervals);
        const units = unitsOf(intervals);
        expect(unitsOf(joined)).toEqual(units);
        expect(totalMs(joined)).toBe(units.size);
        expect(overlapMs(probe, joined)).toBe([...unitsOf([probe])].filter((unit) => units.has(unit)).length);
        for (let i = 1; i < joined.length; i++) expect(joined[i]!.startMs).toBeGreaterThan(joined[i - 1]!.endMs);
      }),
    );
  });
});

describe('the figures of a run', () => {
  it('take a quantile by nearest rank', () => {
    expect([quantile([], 0.5), quantile([3], 0.99), quantile([4, 1, 3, 2], 0.5), quantile([4, 1, 3, 2], 0.99)]).toEqual(
      [0, 3, 2, 4],
    );
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1 }), fc.constantFrom(0.5, 0.9, 0.99), (values, share) => {
        const value = quantile(values, share);
        expect(values).toContain(value);
        expect(values.filter((v) => v <= value).length).toBeGreaterThanOrEqual(share * values.length);
        expect(values.filter((v) => v < value).length).toBeLessThan(share * values.length);
      }),
    );
  });

  it('count commit work beside later batches as counting each unit does', () => {
    fc.assert(
      fc.property(fc.array(wholeSpan, { maxLength: 40 }), (spans) => {
        let commitMs = 0;
        let besideMs = 0;
        for (const work of spans) {
          if (work.path === 'planner' || (work.lane !== 'fold' && work.lane !== 'compact')) continue;
          const later = spans.filter(
            (s) =>
              s.path === work.path && ['batch', 'log', 'publish'].includes(s.lane) && (work.n === 0 || s.n > work.n),
          );
          const busy = unitsOf(later);
          for (const unit of unitsOf([work])) {
            commitMs++;
            if (busy.has(unit)) besideMs++;
          }
        }
        expect(commitOverlap(spans)).toEqual({ commitMs, besideMs });
      }),
    );
  });

  it('measure a batch from its first start to its publishing, per partition', () => {
    const span = (lane: Lane, n: number, startMs: number, endMs: number, path = 's0/p0'): Span => ({
      lane,
      path,
      n,
      startMs,
      endMs,
    });
    const times = batchTimes([
      span('batch', 1, 0, 10),
      span('log', 1, 10, 20),
      span('publish', 1, 20, 25),
      span('batch', 1, 3, 40, 's0/p1'),
      span('batch', 2, 30, 31),
      span('batch', 2, 35, 36),
      span('publish', 9, 50, 60),
    ]);
    expect(times).toEqual([
      { path: 's0/p0', n: 1, startMs: 0, endMs: 25 },
      { path: 's0/p1', n: 1, startMs: 3, endMs: 40 },
      { path: 's0/p0', n: 2, startMs: 30, endMs: 36 },
    ]);
  });

  it('tell asynchronous commit from synchronous', () => {
    const async = runStatistics(makeTrace({ commit: 'async', batches: 100 }).spans);
    const sync = runStatistics(makeTrace({ commit: 'sync', batches: 100 }).spans);
    expect(async.besideShare).toBeGreaterThan(0.5);
    expect(sync.besideShare).toBeLessThan(0.05);
    expect(async.publishedMs).toBeLessThan(sync.publishedMs);
    expect(async.rows).toBe(2_000_000);
    expect(async.batches).toBe(100);
    expect(async.batchMs.p50).toBeLessThan(sync.batchMs.p50);
  });

  it('are zeros of an empty trace', () => {
    expect(runStatistics([])).toMatchObject({ totalMs: 0, publishedMs: 0, batches: 0, rows: 0, besideShare: 0 });
  });

  it('are there at once for 200,000 spans', () => {
    const { spans } = makeTrace({ commit: 'async', batches: 25_000 });
    expect(spans.length).toBeGreaterThan(200_000);
    expect(runStatistics(spans).batches).toBe(25_000);
  });
});
