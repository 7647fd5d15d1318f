import {
  CreateEventBusCommand,
  EventBridgeClient,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { CreateQueueCommand, DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type EventBridgeSettings, EventBridgeSink } from '../../lib/sinks/eventbridge-sink.ts';
import { rowId } from '../../lib/sinks/sink.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { at, describeWithAws, FaultyAws, makeBatch, serviceOptions, shuffled, unique } from './helpers.ts';

describeWithAws('the EventBridge sink', (endpoint) => {
  const client = new EventBridgeClient(at(endpoint));
  const sqs = new SQSClient(at(endpoint));
  let aws: FaultyAws;
  beforeAll(async () => {
    aws = await FaultyAws.open(endpoint);
  });
  afterAll(() => aws.close());

  /** A bus whose events of Misa go to a queue. */
  async function makeBus(): Promise<{ bus: string; queueUrl: string }> {
    const bus = unique('bus');
    await client.send(new CreateEventBusCommand({ Name: bus }));
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: bus }));
    const EventPattern = JSON.stringify({ detail: { job: ['flights'] } });
    await client.send(new PutRuleCommand({ Name: 'all', EventBusName: bus, EventPattern }));
    const Arn = `arn:aws:sqs:us-east-1:000000000000:${bus}`;
    await client.send(new PutTargetsCommand({ Rule: 'all', EventBusName: bus, Targets: [{ Id: '1', Arn }] }));
    return { bus, queueUrl: QueueUrl! };
  }

  // biome-ignore lint/suspicious/noExplicitAny: events as consumers get them
  async function eventsOf(queueUrl: string): Promise<any[]> {
    const events = [];
    for (;;) {
      const command = new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 });
      const { Messages = [] } = await sqs.send(command);
      if (Messages.length === 0) return events;
      for (const { Body } of Messages) events.push(JSON.parse(Body!));
      const Entries = Messages.map((m, i) => ({ Id: String(i), ReceiptHandle: m.ReceiptHandle! }));
      await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
    }
  }

  async function open(settings: EventBridgeSettings): Promise<EventBridgeSink> {
    aws.decide(() => 'pass');
    return EventBridgeSink.open(settings, serviceOptions(aws.endpoint));
  }
  /** Events of the requests so far, the largest first. */
  const sizes = (): number[] => aws.requests.map((r) => r.body.Entries.length).sort((a, b) => b - a);
  const rowsOf = (count: number): { key: string; v: number }[] =>
    Array.from({ length: count }, (_, v) => ({ key: `k${v}`, v }));

  it('puts an event a row, with a stable id and where it comes from in its detail', async () => {
    const { bus, queueUrl } = await makeBus();
    await (await open({ bus })).deliver(makeBatch([{ key: 'AA', v: 1 }, 'text'], { n: 4, partition: 2 }));
    const events = await eventsOf(queueUrl);
    expect(events).toHaveLength(2);
    expect(events[0]).toMatchObject({ source: 'misa.flights', 'detail-type': 'hourly' });
    const place = { job: 'flights', epoch: 1, output: 'hourly', partition: 2, n: 4 };
    expect(events.map((e) => e.detail)).toEqual([
      { id: 'flights/1/hourly/2/4/0', ...place, i: 0, row: { key: 'AA', v: 1 } },
      { id: 'flights/1/hourly/2/4/1', ...place, i: 1, row: 'text' },
    ]);
  });

  it('says what its users said of source and type', async () => {
    const { bus, queueUrl } = await makeBus();
    await (await open({ bus, source: 'shop', detailType: 'Total' })).deliver(makeBatch([{ v: 1 }]));
    expect((await eventsOf(queueUrl))[0]).toMatchObject({ source: 'shop', 'detail-type': 'Total' });
  });

  it('gives the same rows under the same ids when batches come twice and in any order', async () => {
    const { bus, queueUrl } = await makeBus();
    const sink = await open({ bus });
    const batches = [1, 2, 3].flatMap((n) => [0, 1].map((partition) => makeBatch(rowsOf(n * 7), { n, partition })));
    for (const batch of shuffled([...batches, ...batches], seededRandom(3))) await sink.deliver(batch);
    const events = await eventsOf(queueUrl);
    expect(events).toHaveLength(2 * 2 * 7 * 6);
    const byId = new Map(events.map((e) => [e.detail.id, e.detail.row]));
    expect(byId).toEqual(new Map(batches.flatMap((batch) => batch.rows.map((row, i) => [rowId(batch, i), row]))));
  });

  it('loses nothing when a function died in the middle of a batch', async () => {
    const { bus, queueUrl } = await makeBus();
    const sink = await open({ bus });
    const killed = new AbortController();
    const reason = new Error('killed');
    aws.decide(({ index }) => {
      if (index === 5) killed.abort(reason);
      return 'pass';
    });
    await expect(sink.deliver(makeBatch(rowsOf(120)), { signal: killed.signal })).rejects.toBe(reason);
    expect(aws.requests.length).toBeLessThan(12);
    await (await open({ bus })).deliver(makeBatch(rowsOf(120)));
    expect(new Set((await eventsOf(queueUrl)).map((e) => e.detail.id)).size).toBe(120);
  });

  it('packs at most ten events and less than 1 MB into a request', async () => {
    const { bus } = await makeBus();
    const sink = await open({ bus });
    await sink.deliver(makeBatch(rowsOf(25)));
    expect(sizes()).toEqual([10, 10, 5]);
    aws.decide(() => 'pass');
    await sink.deliver(makeBatch(Array.from({ length: 8 }, () => ({ text: 'é'.repeat(150_000) }))));
    expect(sizes()).toEqual([3, 3, 2]);
  });

  it('sends again only what a request did not take', async () => {
    const { bus, queueUrl } = await makeBus();
    const sink = await open({ bus });
    aws.decide(({ index, body }) => {
      if (index > 0) return 'pass';
      const Entries = body.Entries.map((_: unknown, i: number) =>
        i % 2 === 0 ? { EventId: String(i) } : { ErrorCode: 'ThrottlingException', ErrorMessage: 'slow down' },
      );
      return { status: 200, body: { FailedEntryCount: 5, Entries } };
    });
    await sink.deliver(makeBatch(rowsOf(10)));
    expect(aws.requests.map((r) => r.body.Entries.length)).toEqual([10, 5]);
    expect((await eventsOf(queueUrl)).map((e) => e.detail.i).sort()).toEqual([1, 3, 5, 7, 9]);
  });

  it('tries again when it is throttled, and gives up with an error that may be tried again', async () => {
    const { bus, queueUrl } = await makeBus();
    const sink = await open({ bus });
    aws.decide(({ index }) => (index < 3 ? { status: 400, body: { __type: 'ThrottlingException' } } : 'pass'));
    await sink.deliver(makeBatch(rowsOf(1)));
    expect(await eventsOf(queueUrl)).toHaveLength(1);
    const Entries = [{ ErrorCode: 'InternalFailure', ErrorMessage: 'oh' }];
    aws.decide(() => ({ status: 200, body: { FailedEntryCount: 1, Entries } }));
    await expect(sink.deliver(makeBatch(rowsOf(1)))).rejects.toMatchObject({ code: 'SINK_BUSY', retryable: true });
    expect(aws.requests).toHaveLength(10);
  });

  it('names a row that is too large, and puts the others', async () => {
    const { bus, queueUrl } = await makeBus();
    const rows = [{ v: 0 }, { text: 'x'.repeat(1_100_000) }, { v: 2 }];
    const failure = (await open({ bus })).deliver(makeBatch(rows, { n: 3 }));
    await expect(failure).rejects.toMatchObject({ code: 'ROWS_REFUSED', retryable: false });
    await expect(failure).rejects.toThrow(/flights\/1\/hourly\/0\/3\/1: too large/);
    expect((await eventsOf(queueUrl)).map((e) => e.detail.i)).toEqual([0, 2]);
  });

  it('finds the one row for which the service refuses a request, whatever its limits are', async () => {
    const { bus, queueUrl } = await makeBus();
    const sink = await open({ bus });
    aws.decide(({ body }) => {
      const bytes = JSON.stringify(body).length;
      const message = 'Total size of the entries in the request is over the limit.';
      return bytes > 262_144 ? { status: 400, body: { __type: 'ValidationException', message } } : 'pass';
    });
    const rows = Array.from({ length: 10 }, (_, i) => ({ text: 'x'.repeat(i === 4 ? 300_000 : 60_000) }));
    await expect(sink.deliver(makeBatch(rows))).rejects.toThrow(/hourly\/0\/1\/4: ValidationException Total size/);
    expect((await eventsOf(queueUrl)).map((e) => e.detail.i).sort()).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9]);
  });

  it('takes hostile values', async () => {
    const { bus, queueUrl } = await makeBus();
    const rows = [
      JSON.parse('{"__proto__":{"a":1},"":null,"x":"\\u0000\\ud800\\uffff</a>"}'),
      [[[]]],
      null,
      'é😀',
      1e300,
    ];
    await (await open({ bus })).deliver(makeBatch(rows));
    const got = (await eventsOf(queueUrl)).map((e) => JSON.stringify(e.detail.row));
    expect(got).toEqual(rows.map((row) => JSON.stringify(row)));
  });

  it('says what is wrong with the bus', async () => {
    const sink = await open({ bus: 'b' });
    aws.decide(() => ({ status: 400, body: { __type: 'AccessDeniedException', message: 'no' } }));
    await expect(sink.deliver(makeBatch(rowsOf(1)))).rejects.toThrow(/Allow the function events:PutEvents on b/);
    const Entries = [{ ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' }];
    aws.decide(() => ({ status: 200, body: { FailedEntryCount: 1, Entries } }));
    await expect(sink.deliver(makeBatch(rowsOf(1)))).rejects.toMatchObject({ code: 'SINK_DENIED', retryable: false });
  });
});
