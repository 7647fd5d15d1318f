/** Which windows rows fall into, which are late, and when windows come out: against brute force. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { count, job, sliding, source, tumbling } from '../../lib/index.ts';
import { type FixedWindowSpec, lastWindowEnd } from '../../lib/stream/graph/window-spec.ts';
import { modelRun } from '../helpers/model-run.ts';

interface Row {
  readonly t: number;
  readonly k: string;
}

const window = fc
  .record({
    size: fc.integer({ min: 1, max: 12 }),
    slide: fc.integer({ min: 1, max: 12 }),
    offset: fc.integer({ min: 0, max: 20 }),
  })
  .filter(({ size, slide }) => slide <= size);

/** Starts of all windows that hold t, by trying every whole number. */
function startsOf(t: number, { size, slide, offset }: { size: number; slide: number; offset: number }): number[] {
  const starts: number[] = [];
  for (let start = t - size; start <= t; start++) {
    if (start + size > t && (((start - offset) % slide) + slide) % slide === 0) starts.push(start);
  }
  return starts;
}

test('the last window of a time ends where brute force says, before the epoch too', () => {
  fc.assert(
    fc.property(window, fc.integer({ min: -60, max: 60 }), (w, t) => {
      const spec = sliding(w.size, w.slide, { offset: w.offset }) as unknown as FixedWindowSpec;
      expect(lastWindowEnd(spec, t)).toBe(Math.max(...startsOf(t, w)) + w.size);
    }),
  );
});

const batches = fc.array(
  fc.array(fc.record({ t: fc.integer({ min: -20, max: 40 }), k: fc.constantFrom('a', 'b') }), { maxLength: 8 }),
  { maxLength: 5 },
);

interface Counted {
  readonly key: string;
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly n: number;
}

/** Every window's count and the late rows, row by row as the rules are written. */
function expected(w: { size: number; slide: number; offset: number }, delay: number, all: readonly Row[][]) {
  const counts = new Map<string, Counted>();
  const late: Row[] = [];
  let mark = -Infinity;
  for (const rows of all) {
    let greatest = -Infinity;
    for (const { t, k } of rows) {
      greatest = Math.max(greatest, t);
      const open = startsOf(t, w).filter((start) => start + w.size > mark);
      if (open.length === 0) late.push({ t, k });
      for (const windowStart of open) {
        const at = `${windowStart} ${k}`;
        const n = (counts.get(at)?.n ?? 0) + 1;
        counts.set(at, { key: k, windowStart, windowEnd: windowStart + w.size, n });
      }
    }
    mark = Math.max(mark, greatest - delay);
  }
  return { windows: [...counts.values()], late };
}

const byWindow = (a: Counted, b: Counted): number => a.windowEnd - b.windowEnd || (a.key < b.key ? -1 : 1);

describe.each([false, true])('windows on tables that answer promises: %s', (async) => {
  test('append gives each window once, in order, and late rows once', async () => {
    await fc.assert(
      fc.asyncProperty(window, fc.integer({ min: 0, max: 10 }), batches, async (w, delay, all) => {
        const input = source<Row>('in', { eventTime: (r) => r.t, delay });
        const windowed = input.keyBy((r) => r.k).window(sliding(w.size, w.slide, { offset: w.offset }));
        const run = await modelRun(
          job('windows', { windows: windowed.aggregate({ n: count() }), late: windowed.late() }),
          { async },
        );
        const windows: Counted[] = [];
        const late: Row[] = [];
        for (const rows of all) {
          run.send('in', rows);
          const out = await run.runBatch();
          expect(out.windows).toEqual(out.windows.toSorted(byWindow));
          for (const row of out.windows)
            expect(row.windowEnd).toBeLessThanOrEqual(run.watermark === 0 ? 40 : run.watermark);
          windows.push(...out.windows);
          late.push(...out.late);
        }
        windows.push(...(await run.flush()).windows);
        const want = expected(w, delay, all);
        expect(windows.toSorted(byWindow)).toEqual(want.windows.toSorted(byWindow));
        expect(late).toEqual(want.late);
        expect(run.counts.late).toBe(want.late.length);
        expect(run.counts.applied).toBe(all.flat().length - want.late.length);
      }),
    );
  });

  test('the last update of each window is what append gives', async () => {
    await fc.assert(
      fc.asyncProperty(window, fc.integer({ min: 0, max: 10 }), batches, async (w, delay, all) => {
        const input = source<Row>('in', { eventTime: (r) => r.t, delay });
        const counted = input
          .keyBy((r) => r.k)
          .window(sliding(w.size, w.slide, { offset: w.offset }))
          .aggregate({ n: count() });
        const run = await modelRun(job('windows', counted, { outputMode: 'update' }), { async });
        const last = new Map<string, Counted>();
        for (const rows of all) {
          run.send('in', rows);
          const out = await run.runBatch();
          const addresses = out.map((row) => `${row.windowStart} ${row.key}`);
          expect(new Set(addresses).size, 'once a batch').toBe(addresses.length);
          for (const [i, row] of out.entries()) last.set(addresses[i]!, row);
        }
        expect(await run.flush()).toEqual([]);
        expect([...last.values()].sort(byWindow)).toEqual(expected(w, delay, all).windows.sort(byWindow));
      }),
    );
  });

  test('complete gives the whole table and drops nothing', async () => {
    await fc.assert(
      fc.asyncProperty(window, batches, async (w, all) => {
        const input = source<Row>('in', { eventTime: (r) => r.t, delay: 1 });
        const counted = input
          .keyBy((r) => r.k)
          .window(sliding(w.size, w.slide, { offset: w.offset }))
          .aggregate({ n: count() });
        const run = await modelRun(job('windows', counted, { outputMode: 'complete' }), { async });
        for (const [i, rows] of all.entries()) {
          run.send('in', rows);
          const so = all.slice(0, i + 1);
          const want = expected(w, Infinity, so).windows.sort(byWindow);
          expect(await run.runBatch()).toEqual(want);
          expect(await run.table()).toEqual(want);
        }
        expect(run.counts.late).toBe(0);
      }),
    );
  });
});

test('a row that is late for some of its windows counts in the others', async () => {
  const input = source<Row>('in', { eventTime: (r) => r.t, delay: 0 });
  const counted = input
    .keyBy((r) => r.k)
    .window(sliding(10, 5))
    .aggregate({ n: count() });
  const run = await modelRun(job('windows', counted));
  run.send('in', [{ t: 12, k: 'a' }]);
  await run.runBatch();
  run.send('in', [{ t: 7, k: 'a' }]);
  await run.runBatch();
  expect(run.counts).toEqual({ applied: 2, late: 0, quarantined: 0, skipped: 0 });
  expect(await run.flush()).toEqual([
    { key: 'a', windowStart: 5, windowEnd: 15, n: 2 },
    { key: 'a', windowStart: 10, windowEnd: 20, n: 1 },
  ]);
});

test('without a watermark nothing is late, even if another input of the job has one', async () => {
  const timed = source<Row>('timed', { eventTime: (r) => r.t, delay: 0 });
  const free = source<Row>('free', { eventTime: (r) => r.t });
  const windows = free
    .keyBy((r) => r.k)
    .window(tumbling(10))
    .aggregate({ n: count() });
  const run = await modelRun(job('two', { timed, windows }, { outputMode: 'update' }));
  run.send('timed', [{ t: 1000, k: 'a' }]);
  run.send('free', [{ t: 5, k: 'a' }]);
  await run.runBatch();
  run.send('free', [{ t: 5, k: 'a' }]);
  expect((await run.runBatch()).windows).toEqual([{ key: 'a', windowStart: 0, windowEnd: 10, n: 2 }]);
});
