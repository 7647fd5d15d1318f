/**
 * A flush is a statement that nothing up to what it closed will come: the watermark moves there, what comes at or before is
 * late, and later windows go on. So no window comes out twice, wherever the job is stopped and started again.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { count, job, type Stream, source, tumbling } from '../../lib/index.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { testJob } from '../../lib/testing.ts';
import { FastClock, FLUSH, gather, openEngine, physical, rowsOf, runScript } from '../helpers/engine.ts';

interface Row {
  readonly t: number;
}
const at = (...times: number[]): Row[] => times.map((t) => ({ t }));
const rows = source<Row>('rows', { eventTime: (r) => r.t, delay: 0 });
/** Event time, and no watermark. */
const free = source<Row>('rows', { eventTime: (r) => r.t });

const tens = (input: Stream<Row>) => input.keyBy(() => 'k').window(tumbling(10));
const counted = job('j', { n: tens(rows).aggregate({ n: count() }), late: tens(rows).late() });
const window = (windowEnd: number, n: number) => ({ key: 'k', windowStart: windowEnd - 10, windowEnd, n });

describe('a flush', () => {
  it('moves the watermark to the end of the last window it closed; rows before are late, windows behind go on', async () => {
    const t = await testJob(counted);
    t.send(rows, at(1, 12));
    expect(await t.runBatch()).toEqual({ n: [window(10, 1)], late: [] });
    expect(await t.flush()).toEqual({ n: [window(20, 1)], late: [] });
    expect(t.watermark).toBe(20);
    t.send(rows, at(13, 19, 20, 25));
    expect(await t.runBatch()).toEqual({ n: [], late: at(13, 19) });
    expect(t.counts).toEqual({ applied: 4, late: 2, quarantined: 0, skipped: 0 });
    // The watermark goes on where rows are beyond it, and never back.
    expect(t.watermark).toBe(25);
    expect(await t.flush()).toEqual({ n: [window(30, 2)], late: [] });
    expect(t.watermark).toBe(30);
    t.send(rows, at(2));
    expect(await t.runBatch()).toEqual({ n: [], late: at(2) });
    expect(t.watermark).toBe(30);
    await t.close();
  });

  it('is remembered after a restart, at once and behind later batches', async () => {
    const t = await testJob(counted);
    t.send(rows, at(1));
    await t.flush();
    await t.restart();
    expect(t.watermark).toBe(10);
    t.send(rows, at(9, 10));
    expect(await t.runBatch()).toEqual({ n: [], late: at(9) });
    await t.restart();
    t.send(rows, at(8));
    expect(await t.runBatch()).toEqual({ n: [], late: at(8) });
    expect(t.watermark).toBe(10);
    await t.close();
  });

  it('moves nothing where nothing is open: before the first row, and twice in a row', async () => {
    const t = await testJob(counted);
    await t.flush();
    expect(t.watermark).toBe(0);
    t.send(rows, at(1));
    await t.flush();
    expect(await t.flush()).toEqual({ n: [], late: [] });
    expect(t.watermark).toBe(10);
    expect(await t.runBatch()).toEqual({ n: [], late: [] });
    t.send(rows, at(5, 11));
    expect(await t.runBatch()).toEqual({ n: [], late: at(5) });
    await t.close();
  });

  it('holds where there is no watermark, which only a flush can move', async () => {
    const updated = job(
      'j',
      { n: tens(free).aggregate({ n: count() }), late: tens(free).late() },
      { outputMode: 'update' },
    );
    const t = await testJob(updated);
    t.send(free, at(1, 25));
    await t.runBatch();
    await t.flush();
    expect(t.watermark).toBe(30);
    t.send(free, at(29, 30));
    expect(await t.runBatch()).toEqual({ n: [window(40, 1)], late: at(29) });
    t.send(free, at(100, 3, 31));
    expect(await t.runBatch()).toEqual({ n: [window(110, 1), window(40, 2)], late: at(3) });
    expect(t.watermark).toBe(30);
    await t.close();
  });

  it('closes nothing of running aggregates and whole tables, which are never final', async () => {
    for (const outputMode of ['update', 'complete'] as const) {
      const t = await testJob(job('j', rows.keyBy(() => 'k').aggregate({ n: count() }), { outputMode }));
      t.send(rows, at(50));
      await t.flush();
      t.send(rows, at(1));
      expect(await t.runBatch()).toEqual([{ key: 'k', n: 2 }]);
      expect(t.counts.late).toBe(0);
      await t.close();
    }
    const t = await testJob(job('j', tens(rows).aggregate({ n: count() }), { outputMode: 'complete' }));
    t.send(rows, at(5));
    await t.flush();
    t.send(rows, at(6));
    expect(await t.runBatch()).toEqual([window(10, 2)]);
    await t.close();
  });

  it('counts the windows of every stage: the greatest that closed anywhere', async () => {
    const first = tens(rows).aggregate({ n: count() });
    const second = first
      .keyBy(() => 'all')
      .window(tumbling(100))
      .aggregate({ windows: count() });
    const t = await testJob(job('j', { first, second, late: tens(rows).late() }), { partitions: 3 });
    t.send(rows, at(1, 15));
    await t.runBatch();
    const { second: closed } = await t.flush();
    expect(closed).toEqual([{ key: 'all', windowStart: 0, windowEnd: 100, windows: 2 }]);
    expect(t.watermark).toBe(100);
    t.send(rows, at(25, 99, 100, 201));
    await t.runBatch();
    const end = await t.flush();
    expect(end.second).toEqual([{ key: 'all', windowStart: 200, windowEnd: 300, windows: 1 }]);
    expect(t.counts.late).toBe(2);
    await t.close();
  });

  it('gives each window once, and counts what came too late, for all rows, batches and flushes', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.array(fc.nat({ max: 99 }), { minLength: 1, maxLength: 8 }) },
      { weight: 1, arbitrary: fc.constant('flush' as const) },
      { weight: 1, arbitrary: fc.constant('restart' as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 10 }), fc.nat({ max: 20 }), async (steps, delay) => {
        const input = source<Row>('rows', { eventTime: (r) => r.t, delay });
        const t = await testJob(job('j', tens(input).aggregate({ n: count() })), { partitions: 2 });
        const found: unknown[] = [];
        const expected: unknown[] = [];
        const open = new Map<number, number>();
        let mark = Number.NEGATIVE_INFINITY;
        let late = 0;
        const close = (upTo: number): void => {
          for (const [end, n] of [...open].sort(([a], [b]) => a - b)) {
            if (end > upTo) continue;
            open.delete(end);
            expected.push(window(end, n));
            if (upTo === Number.POSITIVE_INFINITY) mark = Math.max(mark, end);
          }
        };
        for (const one of steps) {
          if (one === 'restart') await t.restart();
          else if (one === 'flush') {
            found.push(...(await t.flush()));
            close(Number.POSITIVE_INFINITY);
          } else {
            t.send(input, at(...one));
            found.push(...(await t.runBatch()));
            for (const time of one) {
              const end = Math.floor(time / 10) * 10 + 10;
              if (end <= mark) late++;
              else open.set(end, (open.get(end) ?? 0) + 1);
            }
            mark = Math.max(mark, Math.max(...one) - delay);
            close(mark);
          }
        }
        expect(found).toEqual(expected);
        expect(t.counts.late).toBe(late);
        await t.close();
      }),
      { numRuns: 100 },
    );
  });
});

describe('how far a flush closed', () => {
  const compiled = () => physical(counted, { partitions: 2 });

  it('is in the manifests when the log entries are collected', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    const script = [{ rows: at(1, 33) }, FLUSH];
    await runScript({ job: compiled(), store, clock, script });
    const job = compiled();
    const manifests = await Promise.all(
      [0, 1].map(async (p) => (await loadManifest(store, names('j', 1).manifest(`s0/p${p}`))).manifest),
    );
    expect(manifests.map((manifest) => manifest.closedTo).filter((time) => time !== undefined)).toEqual([40]);
    for (const p of [0, 1]) {
      const { logPrefix } = names('j', 1);
      const logs: string[] = [];
      for await (const { name } of store.list(logPrefix(`s0/p${p}`))) logs.push(name);
      await store.delete(logs);
    }
    await runScript({ job, store, clock, script: [...script, { rows: at(39, 40) }] });
    expect((await rowsOf(store, job, 'late')).flat()).toEqual(at(39));
    await runScript({ job, store, clock, script: [...script, { rows: at(39, 40) }, FLUSH] });
    expect((await rowsOf(store, job, 'n')).flat()).toEqual([window(10, 1), window(40, 1), window(50, 1)]);
  });

  it('must be known before anything is planned behind it', async () => {
    const clock = new FastClock();
    const store = new MemoryStore({ clock });
    const job = compiled();
    const { engine } = await openEngine({ job, store, clock });
    await engine.batch(gather(job, { rows: at(1) }, 'rows-0'));
    const flush = await engine.plan(gather(job, FLUSH, 'rows-1'));
    await flush.durable;
    await expect(engine.plan(gather(job, { rows: at(2) }, 'rows-2'))).rejects.toMatchObject({
      code: 'FLUSH_UNDER_WAY',
      retryable: true,
    });
    await engine.run(flush);
    const { counts } = await engine.batch(gather(job, { rows: at(2) }, 'rows-2'));
    expect(counts.late).toBe(1);
  });
});
