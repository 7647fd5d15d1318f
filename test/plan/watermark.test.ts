/** Watermarks of several inputs, through the real engine. */
import { describe, expect, it } from 'vitest';
import { count, job, source, tumbling } from '../../lib/index.ts';
import { advance, nextWatermark } from '../../lib/plan/watermark.ts';
import { testJob } from '../../lib/testing.ts';

interface Event {
  t: number;
}
const input = (name: string, idleAfter?: '1 min') =>
  source<Event>(name, { eventTime: (e) => e.t, delay: 0, ...(idleAfter === undefined ? {} : { idleAfter }) });

const counted = (a: ReturnType<typeof input>, b: ReturnType<typeof input>) =>
  job(
    'j',
    a
      .union(b)
      .keyBy(() => null)
      .window(tumbling(10))
      .aggregate({ n: count() }),
  );

describe('watermarks', () => {
  it('an input that was never heard of holds the watermark back, unless it may be idle', async () => {
    for (const [idleAfter, expected] of [[undefined, 0] as const, ['1 min', 100] as const]) {
      const [a, b] = [input('a'), input('b', idleAfter)];
      const t = await testJob(counted(a, b));
      t.send(a, [{ t: 100 }]);
      await t.runBatch();
      expect(t.watermark).toBe(0);
      t.advanceTime('59 s');
      expect(t.watermark).toBe(0);
      await t.restart();
      t.advanceTime('1 s');
      expect(t.watermark).toBe(expected);
      await t.close();
    }
  });

  it('an input that falls silent is let go after a while, and holds again when it comes back', async () => {
    const [a, b] = [input('a'), input('b', '1 min')];
    const t = await testJob(counted(a, b));
    t.send(a, [{ t: 100 }]);
    t.send(b, [{ t: 50 }]);
    await t.runBatch();
    expect(t.watermark).toBe(50);
    t.advanceTime('1 min');
    expect(t.watermark).toBe(100);
    expect(await t.runBatch()).toEqual([{ key: null, windowStart: 50, windowEnd: 60, n: 1 }]);
    t.send(a, [{ t: 200 }]);
    t.send(b, [{ t: 120 }]);
    await t.runBatch();
    expect(t.watermark).toBe(120);
    await t.close();
  });

  it('sees every event time of a row, however many it holds, and of every generator', async () => {
    interface Message {
      readonly a: readonly number[];
      readonly b: readonly number[];
    }
    const messages = source<Message>('messages');
    const timesOf = (of: (m: Message) => readonly number[]) =>
      messages.flatMap((m) => of(m).map((t) => ({ t }))).withEventTime((r) => r.t, { delay: 0 });
    const windows = (s: ReturnType<typeof timesOf>) =>
      s
        .keyBy(() => null)
        .window(tumbling(10))
        .aggregate({ n: count() });
    const t = await testJob(job('j', { a: windows(timesOf((m) => m.a)), b: windows(timesOf((m) => m.b)) }));
    const many = Array.from({ length: 1000 }, (_, i) => i);
    t.send(messages, [{ a: many, b: [...many, 2000] }]);
    await t.runBatch();
    expect(t.watermark).toBe(999);
    // In any order, and the second row moves only one of them.
    t.send(messages, [{ a: [5000, ...many], b: [7] }]);
    await t.runBatch();
    expect(t.watermark).toBe(2000);
    await t.close();
  });

  it('a row that is refused has moved nothing', async () => {
    const messages = source<{ times: readonly (number | null)[] }>('messages');
    const rows = messages.flatMap((m) => m.times.map((t) => ({ t }))).withEventTime((r) => r.t, { delay: 0 });
    const counts = rows
      .keyBy(() => null)
      .window(tumbling(10))
      .aggregate({ n: count() });
    const t = await testJob(job('j', counts));
    t.send(messages, [{ times: [1, 2] }, { times: [...Array.from({ length: 100 }, (_, i) => i * 1000), null] }]);
    await t.runBatch();
    expect(t.counts.quarantined).toBe(1);
    expect(t.watermark).toBe(2);
    await t.close();
  });

  it('takes the greatest over the inputs by policy, and never goes back', () => {
    const specs = [
      { id: 'a', delayMs: 10, idleAfterMs: undefined },
      { id: 'b', delayMs: 0, idleAfterMs: undefined },
    ];
    const seen = advance(specs, {}, new Map([['a', 100]]), 0);
    expect(nextWatermark(specs, 'max', seen, null, 0)).toBe(90);
    expect(nextWatermark(specs, 'min', seen, null, 0)).toBeNull();
    const both = advance(specs, seen, new Map([['b', 20]]), 0);
    expect(nextWatermark(specs, 'min', both, null, 0)).toBe(20);
    expect(nextWatermark(specs, 'min', both, 30, 0)).toBe(30);
  });
});
