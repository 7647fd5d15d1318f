/** The frame of the functions that queues feed: its answer comes in time, whatever hangs. */
import type { SQSRecord } from 'aws-lambda';
import { expect, it } from 'vitest';
import { DeadlineError, invocationQueue, invocationStore } from '../../lib/aws/invocation.ts';
import { NO_REPORT } from '../../lib/aws/report.ts';
import { answerSqs } from '../../lib/aws/sqs-function.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { hookedStore } from '../helpers/stores.ts';

const record = (messageId: string): SQSRecord =>
  ({ messageId, receiptHandle: messageId, body: '', attributes: {} }) as unknown as SQSRecord;

/** A request without an answer, until its caller gives it up. */
const hanging = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));

it('answers which messages come again before the platform kills it, though all that follows the work hangs', async () => {
  const clock = new ManualClock();
  const killedMs = clock.now() + 60_000;
  const told: string[] = [];
  const given: string[] = [];
  const noted = async (what: string, request: Promise<never>): Promise<void> => {
    await request.catch((error: unknown) => {
      expect(error).toBeInstanceOf(DeadlineError);
      given.push(what);
    });
  };
  const queue = invocationQueue({
    changeVisibility: (_: string, __: number, options?: { signal?: AbortSignal }) =>
      noted('shown again', hanging(options?.signal)),
  } as unknown as Queue);
  const store = invocationStore({
    ...hookedStore(new MemoryStore({ clock }), {}),
    put: (_, __, options) => hanging(options?.signal),
  });
  const answered = answerSqs(
    { Records: [record('a'), record('b')] },
    { getRemainingTimeInMillis: () => killedMs - clock.now() },
    {
      clock,
      report: { ...NO_REPORT, warn: (what) => void told.push(what) },
      queue,
      work: (_, { signal }) => hanging(signal),
      ended: () => noted('written down', store.put('that it ended', Buffer.from('')) as Promise<never>),
    },
  );
  let answer: Awaited<typeof answered> | undefined;
  answered.then((all) => {
    answer = all;
  });
  while (answer === undefined && clock.now() < killedMs) {
    clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(killedMs - clock.now()).toBeGreaterThan(0);
  expect(answer?.batchItemFailures).toEqual([{ itemIdentifier: 'a' }, { itemIdentifier: 'b' }]);
  expect(given.sort()).toEqual(['shown again', 'shown again', 'written down']);
  expect(told).toEqual(['what follows the work was not done in time']);
});
