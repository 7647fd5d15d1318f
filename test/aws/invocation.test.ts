/** Invariant 11: work that outlived its invocation gets no further than its next request, and never acts for another one. */
import { expect, it } from 'vitest';
import {
  asInvocation,
  DeadlineError,
  invocationClock,
  invocationQueue,
  invocationStore,
} from '../../lib/aws/invocation.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
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
