/** What applications send by: rows become durable messages, packed, each row once. */
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { type Producer, type ProducerOptions, producer, QueueError } from '../../lib/producer.ts';
import type { OutgoingMessage, Queue } from '../../lib/queue/queue.ts';
import { SqsQueues } from '../../lib/queue/sqs-queue.ts';
import { ManualClock, systemClock } from '../../lib/util/clock.ts';
import { seededRandom, systemRandom } from '../../lib/util/random.ts';
import { takeAll } from '../queue/contract.ts';
import { services } from '../setup/services.ts';

interface Sending {
  readonly messages: readonly OutgoingMessage[];
  readonly rows: unknown[];
  readonly succeed: () => void;
  readonly fail: (error: unknown) => void;
}

interface Held {
  readonly sender: Producer<unknown>;
  /** Sends of the queue so far. Each waits until it is told how it ends, unless `answering`. */
  readonly sendings: Sending[];
  readonly clock: ManualClock;
  readonly closed: () => boolean;
}

/** A producer whose queue and time stand still until they are moved. */
function heldProducer(options: Partial<ProducerOptions> = {}, { answering = false } = {}): Held {
  const sendings: Sending[] = [];
  const clock = new ManualClock(0);
  let closed = false;
  const queue = {
    send: (messages: readonly OutgoingMessage[]) =>
      new Promise<void>((succeed, fail) => {
        const rows = messages.flatMap(({ body }) => (JSON.parse(body) as { rows: unknown[] }).rows);
        sendings.push({ messages, rows, succeed, fail });
        if (answering) succeed();
      }),
  } as unknown as Queue;
  const close = (): void => {
    closed = true;
  };
  const sender = producer<unknown>(
    { queueUrl: 'q', source: 'flights', ...options },
    { openQueue: async () => ({ queue, close }), clock, random: seededRandom(1) },
  );
  return { sender, sendings, clock, closed: () => closed };
}

/** Lets all that can happen without time passing happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = 'waiting';
  promise.then(
    () => (state = 'done'),
    () => (state = 'failed'),
  );
  await settled();
  return state;
}

describe('a producer', () => {
  it('settles a send when its rows are durable, and not before', async () => {
    const { sender, sendings, clock } = heldProducer({ lingerMs: 50 });
    const sent = sender.send({ carrier: 'UA' });
    clock.advance(49);
    await settled();
    expect(sendings).toEqual([]);
    clock.advance(1);
    expect(await stateOf(sent)).toBe('waiting');
    expect(sendings.map(({ rows }) => rows)).toEqual([[{ carrier: 'UA' }]]);
    expect(JSON.parse(sendings[0]!.messages[0]!.body)).toMatchObject({ misa: 1, source: 'flights' });
    sendings[0]!.succeed();
    expect(await stateOf(sent)).toBe('done');
  });

  it('packs rows of sends that wait together into one message, in their order', async () => {
    const { sender, sendings, clock } = heldProducer();
    const all = [sender.send(1), sender.send([2, 3]), sender.send([[4]]), sender.send([])];
    expect(await stateOf(all[3]!)).toBe('done');
    clock.advance(20);
    await settled();
    expect(sendings.map(({ rows }) => rows)).toEqual([[1, 2, 3, [4]]]);
    sendings[0]!.succeed();
    await Promise.all(all);
  });

  it('does not wait when a message is full, by rows or by bytes', async () => {
    const byRows = heldProducer({ maxBatchRows: 2 });
    void byRows.sender.send([1, 2, 3]);
    await settled();
    expect(byRows.sendings.map(({ rows }) => rows)).toEqual([[1, 2]]);
    const byBytes = heldProducer({ maxBatchBytes: 1024 });
    const text = 'x'.repeat(600);
    void byBytes.sender.send([text, text, text]);
    await settled();
    expect(byBytes.sendings.map(({ rows }) => rows)).toEqual([[text], [text]]);
  });

  it('has few messages on their way at once, and loses none of those that wait', async () => {
    const { sender, sendings } = heldProducer({ maxBatchRows: 1 });
    const sent = sender.send(Array.from({ length: 30 }, (_, i) => i));
    await settled();
    expect(sendings).toHaveLength(4);
    for (let i = 0; i < 30; i++) {
      sendings[i]!.succeed();
      await settled();
    }
    await sent;
    expect(sendings.flatMap(({ rows }) => rows)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  it('sends to a FIFO queue one message after the other, in a group of the source, each with its own id', async () => {
    const { sender, sendings } = heldProducer({ queueUrl: 'https://sqs/1/records.fifo', maxBatchRows: 1 });
    const sent = sender.send([0, 1, 2, 3, 4]);
    for (let i = 0; i < 5; i++) {
      await settled();
      expect(sendings).toHaveLength(i + 1);
      sendings[i]!.succeed();
    }
    await sent;
    expect(sendings.flatMap(({ rows }) => rows)).toEqual([0, 1, 2, 3, 4]);
    const messages = sendings.flatMap((sending) => sending.messages);
    expect(messages.map(({ group }) => group)).toEqual(Array(5).fill('flights'));
    expect(messages.map(({ dedupId }) => dedupId)).toEqual(messages.map(({ body }) => JSON.parse(body).id));
  });

  it('lets rows for a FIFO queue wait longer for one another', async () => {
    const { sender, sendings, clock } = heldProducer({ queueUrl: 'https://sqs/1/records.fifo' });
    const sent = sender.send(1);
    clock.advance(99);
    await settled();
    expect(sendings).toEqual([]);
    clock.advance(1);
    await settled();
    sendings[0]!.succeed();
    await sent;
  });

  it('tells the sends whose rows did not go, and no others; goes on after', async () => {
    const { sender, sendings } = heldProducer({ maxBatchRows: 2 });
    const both = [sender.send(1), sender.send([2, 3, 4]), sender.send([5, 6])];
    const failures = Promise.allSettled(both);
    await settled();
    const error = new QueueError('QUEUE_BUSY', 'told so', { retryable: true });
    sendings[0]!.succeed();
    sendings[1]!.fail(error);
    sendings[2]!.succeed();
    const results = await failures;
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: error });
    const later = sender.send([7, 8]);
    await settled();
    sendings[3]!.succeed();
    await later;
  });

  it('waits for all messages of a send before it tells that one of them failed', async () => {
    const { sender, sendings } = heldProducer({ maxBatchRows: 1 });
    const sent = sender.send([1, 2]);
    sent.catch(() => {});
    await settled();
    sendings[0]!.fail(new Error('no'));
    expect(await stateOf(sent)).toBe('waiting');
    sendings[1]!.succeed();
    expect(await stateOf(sent)).toBe('failed');
  });

  it('sends nothing of a call with a row that cannot be sent, and names it', async () => {
    const { sender, sendings, clock } = heldProducer({ maxBatchRows: 1, maxBatchBytes: 2_000 });
    await expect(sender.send([1, 2, 3n])).rejects.toMatchObject({ code: 'ROW_NOT_JSON', message: /row 2/ });
    await expect(sender.send([1, 'x'.repeat(3_000)])).rejects.toMatchObject({
      code: 'ROW_TOO_LARGE',
      message: /row 1/,
    });
    await expect(sender.send(undefined)).rejects.toMatchObject({ code: 'ROW_NOT_JSON' });
    clock.advance(1_000);
    await settled();
    expect(sendings).toEqual([]);
  });

  it('sends rows as they were when they were given', async () => {
    const { sender, sendings, clock } = heldProducer({}, { answering: true });
    const row = { n: 1 };
    const sent = sender.send(row);
    row.n = 2;
    clock.advance(20);
    await sent;
    expect(sendings[0]!.rows).toEqual([{ n: 1 }]);
  });

  it('flushes what waits at once, and settles when all that is under way is durable', async () => {
    const { sender, sendings } = heldProducer({ lingerMs: 60_000 });
    const sent = sender.send(1);
    const flushed = sender.flush();
    expect(await stateOf(flushed)).toBe('waiting');
    expect(sendings.map(({ rows }) => rows)).toEqual([[1]]);
    sendings[0]!.succeed();
    await Promise.all([sent, flushed]);
    await sender.flush();
    expect(sendings).toHaveLength(1);
  });

  it('sends what waits when it is closed, lets go of the queue, and takes nothing any more', async () => {
    const { sender, sendings, closed } = heldProducer({ lingerMs: 60_000 }, { answering: true });
    const sent = sender.send(1);
    await sender.close();
    await sent;
    expect([sendings.length, closed()]).toEqual([1, true]);
    await expect(sender.send(2)).rejects.toMatchObject({ code: 'PRODUCER_CLOSED' });
    await sender.close();
    const unused = heldProducer();
    await unused.sender.close();
    expect(unused.closed()).toBe(false);
  });

  it.each([
    [{ maxBatchRows: 0 }, /maxBatchRows/],
    [{ maxBatchBytes: 1024 * 1024 + 1 }, /maxBatchBytes/],
    [{ lingerMs: -1 }, /lingerMs/],
    [{ lingerMs: Number.NaN }, /lingerMs/],
  ])('refuses %o', (options, message) => {
    expect(() => heldProducer(options)).toThrow(message);
  });
});

for (const { name, endpoint } of services) {
  it.skipIf(endpoint === undefined)(`sends to SQS (${name})`, async () => {
    const client = new SQSClient({ endpoint: endpoint!, region: 'us-east-1' });
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: `misa-${systemRandom.id()}` }));
    const sender = producer<{ n: number; text: string }>({
      queueUrl: QueueUrl!,
      source: 'flights',
      endpoint: endpoint!,
    });
    const rows = Array.from({ length: 3_000 }, (_, n) => ({ n, text: 'näme '.repeat(100) }));
    await Promise.all([sender.send(rows.slice(0, 1_000)), sender.send(rows.slice(1_000)), sender.flush()]);
    await sender.close();
    const queue = (await SqsQueues.open({ clock: systemClock, random: systemRandom, endpoint })).queue(QueueUrl!);
    const bodies = (await takeAll(queue, 2)).map(({ body }) => JSON.parse(body) as { rows: { n: number }[] });
    expect(bodies).toHaveLength(2);
    expect(bodies.flatMap((body) => body.rows).sort((a, b) => a.n - b.n)).toEqual(rows);
  });
}
