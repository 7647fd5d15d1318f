import { CreateBucketCommand, PutBucketNotificationConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { Invocation } from '../../lib/aws/invocation.ts';
import { NO_REPORT } from '../../lib/aws/report.ts';
import { SinkFunction } from '../../lib/aws/sink-function.ts';
import { answerSqs } from '../../lib/aws/sqs-function.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { openStore } from '../../lib/object-store/store-spec.ts';
import { openSinks } from '../../lib/sinks/open-sinks.ts';
import { type ResultBatch, rowId } from '../../lib/sinks/sink.ts';
import { type Clock, ManualClock, systemClock } from '../../lib/util/clock.ts';
import { encodeNdjson } from '../../lib/util/ndjson.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { at, describeWithAws, unique } from './helpers.ts';

const out = (n: number, partition = 0, output = 'hourly') => names('flights', 1).out(output, partition, n);

function message(messageId: string, ...keys: string[]): SQSRecord {
  const Records = keys.map((key) => ({
    eventName: 'ObjectCreated:Put',
    s3: {
      bucket: { name: 'state' },
      object: { key: encodeURIComponent(`misa/${key}`).replaceAll('%2F', '/'), size: 9 },
    },
  }));
  return { messageId, body: JSON.stringify({ Records }), attributes: {} } as unknown as SQSRecord;
}

async function setUp(
  deliver: (batch: ResultBatch, signal?: AbortSignal) => void | Promise<void> = () => {},
  clock: Clock = systemClock,
) {
  const store = new MemoryStore({ clock: systemClock });
  for (const partition of [0, 1]) {
    for (let n = 1; n <= 4; n++) await store.create(out(n, partition), encodeNdjson([{ n, partition }]));
  }
  await store.create(out(5), new Uint8Array(0));
  await store.create(out(6), Buffer.from('{"broken'));
  const delivered: string[] = [];
  const fn = new SinkFunction({
    store,
    place: { bucket: 'state', prefix: 'misa' },
    jobId: 'run1',
    sinks: {
      has: (output) => output === 'hourly',
      deliver: async (batch, options) => {
        await deliver(batch, options?.signal);
        delivered.push(`${batch.partition}/${batch.n}`);
      },
    },
    clock,
    report: NO_REPORT,
  });
  const run = (records: SQSRecord[], remainingMs = 60_000) =>
    fn.run(records, new Invocation(systemClock, systemClock.monotonic() + remainingMs));
  return { run, delivered, fn };
}

describe('the sink function', () => {
  it('delivers each object once, those of a partition in order, however its messages come', async () => {
    const { run, delivered } = await setUp();
    const records = [
      message('a', out(3), out(1)),
      message('b', out(2)),
      message('c', out(1), out(2, 1)),
      message('d', out(1, 1)),
    ];
    expect(await run(records)).toEqual(new Map());
    expect(delivered.filter((one) => one.startsWith('0'))).toEqual(['0/1', '0/2', '0/3']);
    expect(delivered.filter((one) => one.startsWith('1'))).toEqual(['1/1', '1/2']);
  });

  it('has only the messages come again whose objects failed; others go on', async () => {
    const { run, delivered } = await setUp(({ n }) => {
      if (n === 2) throw new Error('row too large');
    });
    const failed = await run([
      message('a', out(1)),
      message('b', out(2)),
      message('c', out(2), out(4)),
      message('d', out(3)),
    ]);
    expect([...failed.keys()].sort()).toEqual(['b', 'c']);
    expect(String(failed.get('b'))).toMatch(/row too large/);
    expect(delivered).toEqual(['0/1', '0/3', '0/4']);
  });

  it('passes over what is empty, of outputs without a sink, or no result of this job', async () => {
    const { run, delivered } = await setUp();
    const elsewhere = message('d', out(1));
    const records = [
      message('a', out(5)),
      message('b', out(1, 0, 'daily')),
      message('c', 'flights/e1/planner/manifest'),
      { ...elsewhere, body: elsewhere.body.replace('"state"', '"other"') },
      { ...elsewhere, messageId: 'e', body: '{"Event":"s3:TestEvent"}' },
    ];
    expect(await run(records)).toEqual(new Map());
    expect(delivered).toEqual([]);
  });

  it('says what is wrong with an object that is gone or damaged, and with a message that is none of S3', async () => {
    const { run } = await setUp();
    const failed = await run([message('a', out(9)), message('b', out(6)), { ...message('c'), body: 'hello' }]);
    expect(failed.get('a')).toMatchObject({ code: 'RESULT_GONE' });
    expect(failed.get('b')).toMatchObject({ code: 'CORRUPT' });
    expect(failed.get('c')).toMatchObject({ code: 'BAD_MESSAGE' });
  });

  it('stops in time to say what is done, and leaves the rest for the next invocation', async () => {
    const clock = new ManualClock();
    const { fn, delivered } = await setUp(async ({ n }, signal) => {
      if (n <= 2) return;
      const asleep = clock.sleep(60_000, signal);
      clock.advance(600);
      await asleep;
    }, clock);
    const event = { Records: [1, 2, 3, 4].map((n) => message(`m${n}`, out(n))) };
    const answer = await answerSqs(
      event,
      { getRemainingTimeInMillis: () => 1800 },
      {
        clock,
        report: NO_REPORT,
        work: (records, invocation) => fn.run(records, invocation),
      },
    );
    expect(delivered).toEqual(['0/1', '0/2']);
    expect(answer.batchItemFailures).toEqual([{ itemIdentifier: 'm3' }, { itemIdentifier: 'm4' }]);
  });
});

describeWithAws('the sink function, told by S3 itself', (endpoint) => {
  it('takes the results of a job to all of their sinks, and again when messages come again', async () => {
    const s3 = new S3Client({ ...at(endpoint), forcePathStyle: true });
    const sqs = new SQSClient(at(endpoint));
    const bucket = unique('state');
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    const makeQueue = async (name: string) => (await sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl!;
    const [results, target] = [unique('results'), unique('target')];
    const [resultsUrl, targetUrl] = [await makeQueue(results), await makeQueue(target)];
    await s3.send(
      new PutBucketNotificationConfigurationCommand({
        Bucket: bucket,
        NotificationConfiguration: {
          QueueConfigurations: [
            {
              QueueArn: `arn:aws:sqs:us-east-1:000000000000:${results}`,
              Events: ['s3:ObjectCreated:*'],
              Filter: { Key: { FilterRules: [{ Name: 'prefix', Value: 'misa/flights/e1/out/' }] } },
            },
          ],
        },
      }),
    );
    const spec = { kind: 's3', bucket, prefix: 'misa', endpoint } as const;
    const services = { clock: systemClock, random: systemRandom };
    const store = await openStore(spec, services);
    for (let n = 1; n <= 3; n++)
      await store.create(
        out(n),
        encodeNdjson([
          { key: 'a', n },
          { key: 'b', n },
        ]),
      );
    await store.create(out(4), new Uint8Array(0));
    await store.create(names('flights', 1).log('s0/p0', 1), Buffer.from('no result'));

    const sinks = openSinks(
      JSON.stringify([
        { output: 'hourly', kind: 'sqs', queueUrl: targetUrl },
        { output: 'hourly', kind: 'ndjson' },
        { output: 'hourly', kind: 'parquet' },
      ]),
      { ...services, endpoint, store: spec },
    );
    const fn = new SinkFunction({ store, place: spec, jobId: 'run1', sinks, clock: systemClock, report: NO_REPORT });
    const take = async (url: string) => {
      const input = { QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: ['All'] };
      return (await sqs.send(new ReceiveMessageCommand(input))).Messages ?? [];
    };
    const records = (await take(resultsUrl)).map((m) => ({ messageId: m.MessageId, body: m.Body }) as SQSRecord);
    expect(records.length).toBeGreaterThanOrEqual(4);
    for (const given of [records, [...records].reverse()]) {
      expect(await fn.run(given, new Invocation(systemClock, systemClock.monotonic() + 60_000))).toEqual(new Map());
    }
    const rows = [...(await take(targetUrl)), ...(await take(targetUrl))];
    const ids = new Set(rows.map((m) => m.MessageAttributes!['misa-id']!.StringValue));
    const at3 = { job: 'flights', epoch: 1, output: 'hourly', partition: 0 };
    expect([...ids].sort()).toEqual([1, 2, 3].flatMap((n) => [0, 1].map((i) => rowId({ ...at3, n }, i))));
    const root = await openStore({ ...spec, prefix: '' }, services);
    const files: string[] = [];
    for await (const { name } of root.list('results/')) files.push(name);
    expect(files).toEqual(
      [1, 2, 3].flatMap((n) =>
        ['ndjson', 'parquet'].map((type) => `results/flights/hourly/p0/00000000000${n}.${type}`),
      ),
    );
  });
});
