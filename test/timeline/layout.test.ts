import { runInNewContext } from 'node:vm';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  axisMarkup,
  DRAWING,
  firstAfter,
  formatMs,
  formatTick,
  spanPath,
  tickStepMs,
} from '../../lib/timeline/draw.ts';
import { layoutRun, packTracks, rowUnitPx } from '../../lib/timeline/layout.ts';
import { encodePageData, type PageLayer } from '../../lib/timeline/page-data.ts';
import type { Lane, Span } from '../../lib/util/trace.ts';
import { makeTrace } from './make-trace.ts';

const LANES: readonly Lane[] = [
  'ingest',
  'plan',
  'batch',
  'log',
  'publish',
  'fold',
  'compact',
  'gc',
  'preload',
  'wait',
];

const anySpan: fc.Arbitrary<Span> = fc
  .record({
    lane: fc.constantFrom(...LANES),
    path: fc.constantFrom('planner', 's0/p0', 's0/p1', 's0/p10', 's1/p0'),
    n: fc.nat(20),
    startMs: fc.integer({ min: 0, max: 4000 }).map((n) => n / 4),
    ms: fc.integer({ min: 0, max: 400 }).map((n) => n / 4),
  })
  .map(({ ms, ...span }) => ({ ...span, endMs: span.startMs + ms }));
const anySpans = fc.array(anySpan, { maxLength: 80 });

describe('the layout of a run', () => {
  it('never overlaps items in a layer, and shows every span once', () => {
    fc.assert(
      fc.property(anySpans, (spans) => {
        const { layers, height } = layoutRun(spans, 12);
        for (const { items, y, height: own } of layers) {
          expect(y).toBeGreaterThanOrEqual(0);
          expect(y + own).toBeLessThanOrEqual(height + 1e-9);
          for (const [i, item] of items.entries()) {
            expect(item.endMs).toBeGreaterThanOrEqual(item.startMs);
            if (i > 0) expect(item.startMs).toBeGreaterThanOrEqual(items[i - 1]!.endMs);
          }
        }
        const shown = layers.filter(({ tone }) => tone !== 'open' && tone !== 'shade' && tone !== 'numbers');
        expect(shown.reduce((sum, { items }) => sum + items.length, 0)).toBe(spans.length);
      }),
    );
  });

  it('gives lanes of one partition places that do not cross', () => {
    const { layers } = layoutRun(makeTrace({ commit: 'async', batches: 40, partitions: 3 }).spans, 12);
    const rows = layers.filter(
      ({ tone }) => tone === 'batch' || tone === 'fold' || tone === 'compact' || tone === 'preload',
    );
    const bySpace = [...rows].sort((a, b) => a.y - b.y);
    for (let i = 1; i < bySpace.length; i++) {
      expect(bySpace[i]!.y).toBeGreaterThanOrEqual(bySpace[i - 1]!.y + bySpace[i - 1]!.height);
    }
  });

  it('orders the planner first and partitions as numbers', () => {
    const at = (path: string): Span => ({ lane: 'batch', path, n: 1, startMs: 0, endMs: 1 });
    const { groupLabels } = layoutRun(['s0/p10', 's1/p0', 's0/p2', 'planner'].map(at), 12);
    expect(groupLabels.map(({ text }) => text)).toEqual(['planner', 'stage 0 · p2', 'stage 0 · p10', 'stage 1 · p0']);
  });

  it('makes rows narrower when there are many', () => {
    const spans = (partitions: number) => makeTrace({ commit: 'async', batches: 9, partitions }).spans;
    expect(rowUnitPx([spans(1)])).toBeGreaterThan(rowUnitPx([spans(8), spans(8)]));
    expect(rowUnitPx([spans(64)])).toBeGreaterThanOrEqual(5);
    expect(rowUnitPx([])).toBeLessThanOrEqual(15);
  });

  it('uses as few tracks as the deepest overlap needs', () => {
    fc.assert(
      fc.property(anySpans, (spans) => {
        const long = spans.filter(({ startMs, endMs }) => endMs > startMs);
        const tracks = packTracks(long);
        const depth = Math.max(
          0,
          ...long.map((a) => long.filter((b) => b.startMs <= a.startMs && a.startMs < b.endMs).length),
        );
        expect(tracks.length).toBe(depth);
      }),
    );
  });
});

/** Rectangles of a path as `spanPath` writes it. */
function rectangles(path: string): { x: number; y: number; w: number; h: number }[] {
  return [...path.matchAll(/M([\d.-]+) ([\d.-]+)h([\d.-]+)v([\d.-]+)h-?[\d.]+z/g)].map((m) => {
    const [x, y, w, h] = m.slice(1).map(Number) as [number, number, number, number];
    return { x, y, w, h };
  });
}

describe('drawing', () => {
  const view = { fromMs: 100, toMs: 600, left: 50, width: 1000 };

  it('draws to scale, inside the view, from left to right', () => {
    expect(rectangles(spanPath({ starts: [100, 200], ends: [150, 260] }, view, 7, 10, true))).toEqual([
      { x: 50, y: 7, w: 100, h: 10 },
      { x: 250, y: 7, w: 120, h: 10 },
    ]);
    fc.assert(
      fc.property(anySpans, fc.boolean(), (spans, full) => {
        const [track = []] = packTracks(spans);
        const times = { starts: track.map((s) => s.startMs), ends: track.map((s) => s.endMs) };
        const drawn = rectangles(spanPath(times, view, 0, 10, full));
        for (const [i, { x, y, w, h }] of drawn.entries()) {
          expect(x).toBeGreaterThanOrEqual(50 - 0.1);
          expect(x + w).toBeLessThanOrEqual(1050 + 2.1);
          expect(y).toBeGreaterThanOrEqual(-0.1);
          expect(h).toBeLessThanOrEqual(10);
          if (i > 0) expect(x).toBeGreaterThanOrEqual(drawn[i - 1]!.x - 2.1);
        }
      }),
    );
  });

  it('is bounded by the screen, however many spans there are, and keeps the busy share', () => {
    const starts = Array.from({ length: 200_000 }, (_, i) => i);
    const path = spanPath(
      { starts, ends: starts.map((ms) => ms + 0.25) },
      { ...view, fromMs: 0, toMs: 200_000 },
      0,
      20,
      false,
    );
    const drawn = rectangles(path);
    expect(drawn.length).toBeLessThanOrEqual(1000);
    const area = drawn.reduce((sum, { w, h }) => sum + w * h, 0);
    expect(area / (1000 * 20)).toBeCloseTo(0.25, 1);
  });

  it('finds the first that ends after a time, as a linear search does', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1000)), fc.nat(1000), (values, ms) => {
        const ends = values.sort((a, b) => a - b);
        const expected = ends.findIndex((end) => end > ms);
        expect(firstAfter({ starts: ends, ends }, ms)).toBe(expected === -1 ? ends.length : expected);
      }),
    );
  });

  it('has an axis of round steps with units', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e9, noNaN: true }), fc.integer({ min: 2, max: 20 }), (spanMs, count) => {
        const step = tickStepMs(spanMs, count);
        expect(spanMs / step).toBeLessThanOrEqual(Math.max(count * 1.0001, spanMs / 86400e3));
      }),
    );
    expect([tickStepMs(3500, 10), tickStepMs(1000, 10), tickStepMs(9e5, 10), tickStepMs(3, 10)]).toEqual([
      500, 100, 120e3, 0.5,
    ]);
    expect([formatTick(1500, 500), formatTick(0.5, 0.5), formatTick(90e3, 30e3), formatTick(2000, 1000)]).toEqual([
      '1.5 s',
      '0.5 ms',
      '1:30 min',
      '2 s',
    ]);
    expect([formatMs(0), formatMs(1.234), formatMs(85.13), formatMs(512.4), formatMs(5772), formatMs(953e3)]).toEqual([
      '0',
      '1.23 ms',
      '85.1 ms',
      '512 ms',
      '5.77 s',
      '15.9 min',
    ]);
    expect(axisMarkup({ fromMs: 0, toMs: 1000, left: 0, width: 900 }, 100)).toContain('>0.5 s<');
  });

  it('draws the same in the page as here', () => {
    const { starts, ends } = { starts: [0, 110, 111, 300], ends: [90, 110.2, 200, 301] };
    const expression = `${DRAWING}\n[spanPath({ starts, ends }, view, 3, 9, false), axisMarkup(view, 50), numberLabels({ starts, ends }, [1, 2, 3, 4], view, 20)].join('')`;
    const inPage = runInNewContext(expression, { starts, ends, view }) as string;
    expect(inPage.startsWith(spanPath({ starts, ends }, view, 3, 9, false) + axisMarkup(view, 50))).toBe(true);
  });
});

describe('the data in the page', () => {
  it('holds every item to the microsecond', () => {
    const { layers } = layoutRun(makeTrace({ commit: 'async', batches: 50 }).spans, 12);
    const [stored] = JSON.parse(inflateRawSync(Buffer.from(encodePageData([layers]), 'base64')).toString()) as [
      PageLayer[],
    ];
    for (const [i, { items }] of layers.entries()) {
      let us = 0;
      let n = 0;
      for (const [k, item] of items.entries()) {
        us += stored[i]!.starts[k]!;
        n += stored[i]!.ns[k]!;
        expect(us).toBe(Math.round(item.startMs * 1000));
        expect(us + stored[i]!.durations[k]!).toBe(Math.round(item.endMs * 1000));
        expect(n).toBe(item.n);
        expect(stored[i]!.details.rows?.[k] ?? undefined).toBe(item.detail?.rows);
      }
    }
  });
});
