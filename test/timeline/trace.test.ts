import { describe, expect, it } from 'vitest';
import { StoreError } from '../../lib/errors.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { listRuns, readTrace } from '../../lib/timeline/read-trace.ts';
import { parsePartName, partId, runId } from '../../lib/timeline/trace-format.ts';
import { shiftedTrace, TraceWriter } from '../../lib/timeline/trace-writer.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { seededRandom } from '../../lib/util/random.ts';
import type { Span } from '../../lib/util/trace.ts';
import { listAll } from '../helpers/stores.ts';

const jobNames = names('departures', 1);

/** A wall clock that differs from the monotonic one, as real ones do. */
class TwoClocks extends ManualClock {
  override now(): number {
    return 1_767_225_600_000 + super.now();
  }
}

function setUp() {
  const clock = new TwoClocks(1000);
  const store = new MemoryStore({ clock });
  const random = seededRandom(7);
  const writer = (runInfo = {}) => new TraceWriter({ store, names: jobNames, clock, random, runInfo });
  return { clock, store, writer };
}

const span = (n: number, startMs: number, endMs = startMs + 5): Span => ({
  lane: 'batch',
  path: 's0/p0',
  n,
  startMs,
  endMs,
});
/** Lets the writes that were begun end. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('recording a run', () => {
  it('gives back what was recorded, from the start of the run, with its wall-clock time', async () => {
    const { store, clock, writer } = setUp();
    const trace = writer({ commit: 'async', batchRows: 20_000 });
    const detail = { rows: 3, tier: '<b>' };
    trace.span({ ...span(1, 1000.25, 1010.5), detail });
    trace.span({ lane: 'fold', path: 's0/p1', n: 4, startMs: 990, endMs: 1000 });
    clock.advance(20);
    await trace.flush();
    const read = await readTrace(store, jobNames);
    expect(read).toEqual({
      run: trace.run,
      startedAtMs: 1_767_225_601_000,
      info: { commit: 'async', batchRows: 20_000 },
      spans: [
        { lane: 'fold', path: 's0/p1', n: 4, startMs: -10, endMs: 0, detail: undefined },
        { lane: 'batch', path: 's0/p0', n: 1, startMs: 0.25, endMs: 10.5, detail },
      ],
      gaps: 0,
    });
  });

  it('can be read while it goes on, and rewrites only the newest part', async () => {
    const { store, clock, writer } = setUp();
    const trace = writer();
    for (let n = 1; n <= 5000; n++) trace.span(span(n, 1000 + n));
    await settle();
    expect((await readTrace(store, jobNames)).spans.length).toBe(4096);
    clock.advance(5000);
    trace.span(span(5001, 7000));
    await settle();
    expect((await readTrace(store, jobNames)).spans.length).toBe(5001);
    expect((await listAll(store, jobNames.tracePrefix())).length).toBe(2);
    clock.advance(100);
    trace.span(span(5002, 7001));
    await settle();
    expect((await readTrace(store, jobNames)).spans.length).toBe(5001);
    await trace.flush();
    expect((await readTrace(store, jobNames)).spans.length).toBe(5002);
  });

  it('keeps the last 200,000 spans of a long run, and says that some are gone', async () => {
    const { store, writer } = setUp();
    const trace = writer();
    for (let n = 1; n <= 220_000; n++) {
      trace.span(span(n, 1000 + n));
      if (n % 4096 === 0) await settle();
    }
    await trace.flush();
    const { spans, gaps } = await readTrace(store, jobNames);
    expect(spans.length).toBeGreaterThanOrEqual(196_608);
    expect(spans.length).toBeLessThanOrEqual(204_800);
    expect(spans.at(-1)!.n).toBe(220_000);
    expect(gaps).toBeGreaterThan(0);
  });

  it('never fails a run, whatever the store does', async () => {
    const { clock, store } = setUp();
    const fail = async (): Promise<never> => {
      throw new StoreError('DISK_FULL', 'the disk is full');
    };
    store.put = fail;
    store.delete = fail;
    const trace = new TraceWriter({ store, names: jobNames, clock, random: seededRandom(1) });
    for (let n = 1; n <= 5000; n++) trace.span(span(n, n));
    await expect(trace.flush()).resolves.toBeUndefined();
  });

  it('forgets the oldest runs, and no other object', async () => {
    const { store, clock, writer } = setUp();
    await store.create('departures/e1/other', new Uint8Array(1));
    for (let i = 0; i < 25; i++) {
      clock.advance(1000);
      const trace = writer();
      trace.span(span(i + 1, clock.monotonic()));
      await trace.flush();
    }
    expect((await listRuns(store, jobNames)).length).toBe(20);
    expect((await readTrace(store, jobNames)).spans[0]!.n).toBe(25);
    expect((await store.get('departures/e1/other')).found).toBe(true);
  });

  it('takes spans of a thread with another clock', () => {
    const spans: Span[] = [];
    shiftedTrace({ span: (s) => spans.push(s) }, 40).span(span(1, 10));
    expect(spans).toEqual([span(1, 50)]);
  });
});

describe('reading runs', () => {
  it('chooses the latest, or one by its id or the beginning of it', async () => {
    const { store, clock, writer } = setUp();
    const runs: string[] = [];
    for (const n of [1, 2, 3]) {
      clock.advance(1000);
      const trace = writer();
      trace.span(span(n, clock.monotonic()));
      await trace.flush();
      runs.push(trace.run);
    }
    expect(await listRuns(store, jobNames)).toEqual(runs);
    expect((await readTrace(store, jobNames)).run).toBe(runs[2]);
    expect((await readTrace(store, jobNames, runs[0])).spans[0]!.n).toBe(1);
    expect((await readTrace(store, jobNames, runs[1]!.slice(0, 16))).run).toBe(runs[1]);
    await expect(readTrace(store, jobNames, 'nope')).rejects.toMatchObject({ code: 'NO_RUN' });
    await expect(readTrace(store, jobNames, '17')).rejects.toThrow(/3 runs begin with 17/);
  });

  it('says what to do when no run is recorded', async () => {
    const { store } = setUp();
    await expect(readTrace(store, jobNames)).rejects.toMatchObject({
      code: 'NO_TRACE',
      message: expect.stringContaining('misa deploy --trace'),
    });
  });

  it('loses no more than the damaged part', async () => {
    const { store, writer } = setUp();
    const trace = writer();
    for (let n = 1; n <= 5000; n++) trace.span(span(n, 1000 + n));
    await trace.flush();
    await store.put(jobNames.trace(partId(trace.run, 0)), Buffer.from('{"misa":"trace"'));
    const read = await readTrace(store, jobNames);
    expect([read.spans.length, read.gaps]).toEqual([5000 - 4096, 1]);
  });

  it('forms and parses the names of parts', () => {
    const run = runId(1234.5, 'abcdef0123456789');
    expect(run).toBe('0000000001234-abcdef01');
    expect(parsePartName(jobNames.trace(partId(run, 12)))).toEqual({ run, part: 12 });
    expect(parsePartName('departures/e1/trace/other')).toBeUndefined();
  });
});
