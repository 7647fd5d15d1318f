import { createHash } from 'node:crypto';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReceivedMessage } from '../../lib/queue/queue.ts';
import { SqsQueues } from '../../lib/queue/sqs-queue.ts';
import { rowId } from '../../lib/sinks/sink.ts';
import { type SqsSettings, SqsSink } from '../../lib/sinks/sqs-sink.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { seededRandom, systemRandom } from '../../lib/util/random.ts';
import { at, describeWithAws, FaultyAws, makeBatch, serviceOptions, shuffled, unique } from './helpers.ts';

describeWithAws('the SQS sink', (endpoint) => {
  const client = new SQSClient(at(endpoint));
  let aws: FaultyAws;
  beforeAll(async () => {
    aws = await FaultyAws.open(endpoint);
  });
  afterAll(() => aws.close());

  async function makeQueue(Attributes: Record<string, string> = {}): Promise<string> {
    const QueueName = unique('results') + (Attributes.FifoQueue === 'true' ? '.fifo' : '');
    return (await client.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl!;
  }

  async function messagesOf(url: string): Promise<ReceivedMessage[]> {
    const queue = (await SqsQueues.open({ endpoint, clock: systemClock, random: systemRandom })).queue(url);
    const all: ReceivedMessage[] = [];
    for (;;) {
      const messages = await queue.receive({ max: 10, waitSeconds: 0 });
      if (messages.length === 0) return all;
      all.push(...messages);
      await queue.delete(messages.map((m) => m.receipt));
    }
  }

  async function open(queueUrl: string, settings: Partial<SqsSettings> = {}): Promise<SqsSink> {
    aws.decide(() => 'pass');
    return SqsSink.open({ queueUrl, ...settings }, serviceOptions(aws.endpoint));
  }
  const rowsOf = (count: number, of = count): { key: string; v: number }[] =>
    Array.from({ length: count }, (_, v) => ({ key: `k${v % of}`, v }));
  const fifo = { FifoQueue: 'true' };

  it('sends a message a row, with a stable id', async () => {
    const url = await makeQueue();
    await (await open(url)).deliver(makeBatch([{ key: 'AA', v: 1 }, 2], { n: 4, partition: 3 }));
    const messages = await messagesOf(url);
    expect(messages.map(({ body, attributes }) => ({ body, attributes }))).toEqual([
      { body: '{"key":"AA","v":1}', attributes: { 'misa-id': 'flights/1/hourly/3/4/0', 'misa-output': 'hourly' } },
      { body: '2', attributes: { 'misa-id': 'flights/1/hourly/3/4/1', 'misa-output': 'hourly' } },
    ]);
  });

  it('gives the same rows under the same ids when batches come twice and in any order', async () => {
    const url = await makeQueue();
    const sink = await open(url);
    const batches = [1, 2, 3].flatMap((n) => [0, 1].map((partition) => makeBatch(rowsOf(n * 7), { n, partition })));
    for (const batch of shuffled([...batches, ...batches], seededRandom(5))) await sink.deliver(batch);
    const messages = await messagesOf(url);
    expect(messages).toHaveLength(2 * 2 * 7 * 6);
    const byId = new Map(messages.map((m) => [m.attributes['misa-id'], JSON.parse(m.body)]));
    expect(byId).toEqual(new Map(batches.flatMap((batch) => batch.rows.map((row, i) => [rowId(batch, i), row]))));
  });

  it('sends each row once to a FIFO queue, however often it is delivered, in the order of a batch', async () => {
    const url = await makeQueue(fifo);
    const sink = await open(url);
    const batches = [1, 2].map((n) => makeBatch(rowsOf(35), { n }));
    for (const batch of [...batches, ...batches]) await sink.deliver(batch);
    const messages = await messagesOf(url);
    expect(messages.map((m) => m.attributes['misa-id'])).toEqual(
      batches.flatMap((b) => b.rows.map((_, i) => rowId(b, i))),
    );
  });

  it('groups the rows of a FIFO queue by partition or by key, under ids that SQS takes', async () => {
    const url = await makeQueue(fifo);
    await (await open(url)).deliver(makeBatch(rowsOf(4, 2), { partition: 3 }));
    const groups = () =>
      aws.requests.flatMap((r) => r.body.Entries.map((e: { MessageGroupId: string }) => e.MessageGroupId));
    expect(new Set(groups())).toEqual(new Set(['flights/hourly/3']));
    const sink = await open(url, { groupBy: 'key' });
    const strange = [{ key: 'a b\n' }, { key: 'é'.repeat(100) }, { key: ['a', 1] }, { no: 1 }];
    await sink.deliver(makeBatch([...rowsOf(4, 2), ...strange], { n: 2 }));
    expect(groups().slice(0, 4)).toEqual(['k0', 'k1', 'k0', 'k1'].map((key) => `flights/hourly/0/${key}`));
    for (const group of groups()) expect(group).toMatch(/^[\x21-\x7e]{1,128}$/);
    expect(new Set(groups()).size).toBe(6);
    const long = 'j'.repeat(100);
    await sink.deliver(makeBatch(rowsOf(2), { job: long, output: long }));
    expect(await messagesOf(url)).toHaveLength(4 + 8 + 2);
  });

  it('loses nothing when a function died in the middle of a batch', async () => {
    const url = await makeQueue();
    const sink = await open(url);
    const killed = new AbortController();
    const reason = new Error('killed');
    aws.decide(({ index }) => {
      if (index === 5) killed.abort(reason);
      return 'pass';
    });
    await expect(sink.deliver(makeBatch(rowsOf(120)), { signal: killed.signal })).rejects.toBe(reason);
    expect(aws.requests.length).toBeLessThan(12);
    await (await open(url)).deliver(makeBatch(rowsOf(120)));
    expect(new Set((await messagesOf(url)).map((m) => m.attributes['misa-id'])).size).toBe(120);
  });

  it('tries again what a request did not take, and when the answer is lost', async () => {
    const url = await makeQueue();
    const sink = await open(url);
    aws.decide(({ index, body }) => {
      if (index > 0) return index === 1 ? 'lose' : 'pass';
      const [first, ...rest] = body.Entries as { Id: string; MessageBody: string }[];
      const md5 = createHash('md5').update(first!.MessageBody).digest('hex');
      const Failed = rest.map(({ Id }) => ({ Id, Code: 'InternalError', SenderFault: false }));
      return { status: 200, body: { Successful: [{ Id: first!.Id, MessageId: '1', MD5OfMessageBody: md5 }], Failed } };
    });
    await sink.deliver(makeBatch(rowsOf(3)));
    expect(aws.requests.map((r) => r.body.Entries.length)).toEqual([3, 2, 2]);
    expect(new Set((await messagesOf(url)).map((m) => m.body))).toEqual(
      new Set(['{"key":"k1","v":1}', '{"key":"k2","v":2}']),
    );
  });

  it('packs at most ten messages and 1 MiB into a request', async () => {
    const sink = await open(await makeQueue(fifo));
    await sink.deliver(makeBatch(rowsOf(25)));
    expect(aws.requests.map((r) => r.body.Entries.length)).toEqual([10, 10, 5]);
    aws.decide(() => 'pass');
    await sink.deliver(
      makeBatch(
        Array.from({ length: 8 }, () => ({ text: 'é'.repeat(150_000) })),
        { n: 2 },
      ),
    );
    expect(aws.requests.map((r) => r.body.Entries.length)).toEqual([3, 3, 2]);
  });

  it('names a row that is too large for SQS or for the queue, and sends the others', async () => {
    const url = await makeQueue({ MaximumMessageSize: '10000' });
    const sink = await open(url);
    const rows = [{ v: 0 }, { text: 'x'.repeat(1_100_000) }, { v: 2 }, { text: 'x'.repeat(20_000) }, ...rowsOf(20)];
    const failure = sink.deliver(makeBatch(rows, { n: 3 }));
    await expect(failure).rejects.toMatchObject({ code: 'ROWS_REFUSED', retryable: false });
    await expect(failure).rejects.toThrow(/2 rows.*hourly\/0\/3\/1: too large.*hourly\/0\/3\/3: .*shorter than 10000/);
    const ids = new Set((await messagesOf(url)).map((m) => m.attributes['misa-id']));
    expect(ids.size).toBe(22);
    expect(ids.has('flights/1/hourly/0/3/1')).toBe(false);
  });

  it('takes hostile values', async () => {
    const url = await makeQueue();
    const rows = [
      JSON.parse('{"__proto__":{"a":1},"":null}'),
      '\u0000\u0001\u000b\u001f\u007f\ud800\udc00\ud800\ufffe\uffff</Body>&',
      [[[]]],
      null,
      '',
      1e300,
    ];
    await (await open(url)).deliver(makeBatch(rows));
    const got = new Map(
      (await messagesOf(url)).map((m) => [Number(m.attributes['misa-id']!.split('/').at(-1)), m.body]),
    );
    for (const [i, row] of rows.entries()) expect(JSON.parse(got.get(i)!)).toEqual(row);
  });

  it('names the queue that does not exist', async () => {
    const sink = await open(`${endpoint}/000000000000/misa-no-such-queue`);
    await expect(sink.deliver(makeBatch(rowsOf(1)))).rejects.toMatchObject({ code: 'NO_QUEUE', retryable: false });
  });
});
