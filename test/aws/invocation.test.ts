/** Invariant 11: work that outlived its invocation gets no further than its next request, and never acts for another one. */
import { expect, it } from 'vitest';
import {
  asInvocation,
  DeadlineError,
  invocationClock,
  invocationQueue,
  invocationStore,
} from '../../lib/aws/invocation.ts';
import type { Report } from '../../lib/aws/report.ts';
import { answerSqs } from '../../lib/aws/sqs-function.ts';
import { HaltedError } from '../../lib/commit/halt.ts';
import { InputError, MisaError } from '../../lib/errors.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FlushUnderWayError } from '../../lib/plan/planner.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { hookedStore, sleepAt } from '../helpers/stores.ts';

const bytes = Buffer.from('x');
const long = { remainingMs: 60_000, marginMs: 1000 };

it('gives work up at the deadline, and ends the requests that are under way', async () => {
  const clock = new ManualClock();
  let signal: AbortSignal | undefined;
  const inner = new MemoryStore({ clock });
  const store = invocationStore({
    ...hookedStore(inner, {}),
    get: (_, options) => {
      signal = options?.signal;
      return new Promise(() => {});
    },
  });
  const running = asInvocation(clock, { remainingMs: 5000, marginMs: 1000 }, () => store.get('a'));
  clock.advance(3999);
  await Promise.resolve();
  expect(signal?.aborted).toBe(false);
  clock.advance(1);
  await expect(running).rejects.toBeInstanceOf(DeadlineError);
  expect(signal?.aborted).toBe(true);
});

it('⚑ live-invocation: stops a thawed continuation at its next request, whichever invocation is running by then', async () => {
  const clock = new ManualClock();
  const inner = new MemoryStore({ clock });
  const sleep = sleepAt((call) => call.name === 'slow', 'after effect');
  const store = invocationStore(hookedStore(inner, sleep.hooks));
  const thawedClock = invocationClock(clock);
  const sent: string[] = [];
  const queue = invocationQueue({
    send: async (messages: readonly { body: string }[]) => void sent.push(...messages.map((m) => m.body)),
  } as unknown as Queue);
  const outcomes: unknown[] = [];
  const zombie = async (): Promise<void> => {
    await store.create('slow', bytes);
    await store.create('written-by-a-zombie', bytes).catch((error) => outcomes.push(error));
    await queue.send([{ body: 'sent by a zombie' }]).catch((error) => outcomes.push(error));
    await thawedClock.sleep(1).catch((error) => outcomes.push(error));
  };
  let dead: Promise<void> = Promise.resolve();
  await asInvocation(clock, long, async () => {
    dead = zombie();
    await sleep.asleep;
  });
  await asInvocation(clock, long, async () => {
    sleep.wake();
    await dead;
    await store.create('written-by-the-living', bytes);
  });
  expect(outcomes).toHaveLength(3);
  for (const outcome of outcomes) expect(outcome).toBeInstanceOf(DeadlineError);
  expect(sent).toEqual([]);
  expect((await inner.get('written-by-a-zombie')).found).toBe(false);
  expect((await inner.get('written-by-the-living')).found).toBe(true);
});

it('leaves requests outside of any invocation alone', async () => {
  const clock = new ManualClock();
  const store = invocationStore(new MemoryStore({ clock }));
  await store.create('a', bytes);
  expect((await store.get('a')).found).toBe(true);
});

it('answers what the work answers, and throws what it throws', async () => {
  const clock = new ManualClock();
  expect(await asInvocation(clock, long, async (invocation) => invocation.remainingMs)).toBe(59_000);
  await expect(asInvocation(clock, long, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
});

it('has a message come again the later the longer it has failed: at once for want of time, within hours while people are needed', async () => {
  const report = new Proxy({}, { get: () => () => {} }) as Report;
  const waits = async (error: unknown): Promise<number[]> => {
    const seen: number[] = [];
    const queue = {
      changeVisibility: async (_: string, seconds: number) => void seen.push(seconds),
    } as unknown as Queue;
    for (let tries = 1; tries <= 20; tries++) {
      const record = { messageId: 'm', receiptHandle: 'r', attributes: { ApproximateReceiveCount: String(tries) } };
      const answer = await answerSqs(
        { Records: [record] } as unknown as Parameters<typeof answerSqs>[0],
        { getRemainingTimeInMillis: () => 60_000 },
        { clock: new ManualClock(), report, queue, work: async () => new Map([['m', error]]) },
      );
      expect(answer.batchItemFailures).toEqual([{ itemIdentifier: 'm' }]);
    }
    return seen;
  };
  const hours = (seconds: readonly number[]): number => seconds.slice(0, 19).reduce((a, b) => a + b) / 3600;
  expect(new Set(await waits(new DeadlineError('over')))).toEqual(new Set([0]));
  expect((await waits(new FlushUnderWayError(3))).slice(0, 5)).toEqual([1, 2, 4, 8, 16]);
  expect((await waits(new InputError('BAD', 'never', 'a'))).slice(0, 5)).toEqual([1, 4, 16, 64, 256]);
  expect(hours(await waits(new MisaError('BUSY', 'for now', { retryable: true })))).toBeLessThan(1.1);
  const halted = await waits(new HaltedError('planner', { n: 1, code: 'USER_FUNCTION', reason: 'it throws' }));
  expect(halted.slice(0, 6)).toEqual([300, 600, 1200, 2400, 3600, 3600]);
  expect(hours(halted)).toBeGreaterThan(15);
});
