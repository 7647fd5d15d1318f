/**
 * The job that runs embedded, deployed by the CDK and run by events: real flights uploaded while it runs, under everything
 * that may go wrong, and the results are the embedded run's, row by row.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { UpdateFunctionConfigurationCommand } from '@aws-sdk/client-lambda';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sweep } from '../../lib/commit/sweep.ts';
import { runEmbedded } from '../../lib/embedded/embedded.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import type { LogHeader } from '../../lib/log/entry.ts';
import { names, PLANNER } from '../../lib/object-store/names.ts';
import { decodePlanObject } from '../../lib/plan/plan.ts';
import { PlannerLog } from '../../lib/plan/planner-log.ts';
import { rowMessages } from '../../lib/queue/row-messages.ts';
import { fileRef } from '../../lib/source/index.ts';
import type { Job } from '../../lib/stream/api/job.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { clouds } from './clouds.ts';
import { Deployment } from './deployment.ts';
import hours from './hours.job.ts';

const given = process.env.MISA_TEST_DEPLOY_ENDPOINT;
const FILES = 18;
const ROWS = 1200;
const NAMES = names('hours', 1);
const PLACES = ['s0/p0', 's0/p1'];

const lines = gunzipSync(readFileSync('examples/departures/data/flights-2013.ndjson.gz')).toString('utf8').split('\n');
const fileOf = (i: number): string => `${lines.slice(i * ROWS, (i + 1) * ROWS).join('\n')}\n`;
const sorted = (rows: readonly unknown[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

describe.each(clouds())('a deployed job on $title', { timeout: 180_000 }, ({ cloud }) => {
  let aws: Deployment;
  let queues: Map<string, string>;
  let uploaded = 0;
  /** Rows sent so far, each once. */
  let sent = 0;
  let wanted: string[];
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-e2e-'));

  beforeAll(async () => {
    wanted = await embedded();
    aws = await Deployment.start(cloud);
    await aws.deploy('test/e2e/hours.job.ts');
    queues = await aws.queues();
    // What a crash leaves in flight comes back in seconds here, and poison gives up sooner, than a stack for AWS would have it.
    for (const name of ['input', 'records.fifo', 's0p0.fifo', 's0p1.fifo', 'fold.fifo', 'compact.fifo']) {
      await aws.setQueue(queues.get(name)!, { VisibilityTimeout: '6' });
    }
    const deadLetterTargetArn = `arn:aws:sqs:us-east-1:000000000000:${queues.get('input-dead')!.split('/').at(-1)}`;
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 3 });
    await aws.setQueue(queues.get('input')!, { RedrivePolicy });
  }, 240_000);

  afterAll(async () => {
    await aws?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What `misa run` gives for the same files. */
  async function embedded(): Promise<string[]> {
    const files = [];
    for (let i = 0; i < FILES; i++) {
      const file = path.join(folder, `flights-${i}.ndjson`);
      writeFileSync(file, fileOf(i));
      files.push(await fileRef(file));
    }
    const rows: unknown[] = [];
    await runEmbedded(compileJob(hours as Job<unknown>), {
      store: { kind: 'directory', path: path.join(folder, 'store') },
      inputs: new Map([['flights', files]]),
      output: {
        kind: 'stream',
        write: (_, bytes) => {
          rows.push(
            ...Buffer.from(bytes)
              .toString('utf8')
              .split('\n')
              .filter(Boolean)
              .map((line) => JSON.parse(line)),
          );
        },
      },
      committer: 'inline',
      flush: true,
    });
    return sorted(rows);
  }

  async function uploadNext(): Promise<void> {
    const i = uploaded++;
    const compressed = i % 2 === 0;
    const body = compressed ? gzipSync(fileOf(i)) : Buffer.from(fileOf(i));
    await aws.upload('flights', `day ${i} +ü.ndjson${compressed ? '.gz' : ''}`, body);
    sent += ROWS;
  }

  async function progress() {
    const { planned, backlog, halted } = await sweep({
      store: aws.store,
      names: NAMES,
      stages: 1,
      partitions: 2,
      retentionMs: 1e9,
      maxAhead: 1000,
    });
    const log = new PlannerLog(aws.store, NAMES);
    const plans = await Promise.all(Array.from({ length: planned }, (_, i) => log.readPlan(i + 1)));
    const rows = plans.reduce((sum, { stored }) => sum + stored!.plan.counts.rows, 0);
    return { planned, backlog, halted, rows };
  }

  /** Waits until all that was sent is planned and committed; faults over, the sweep may help. */
  async function settled(rows = sent, patienceMs = 90_000): Promise<void> {
    const until = Date.now() + patienceMs;
    for (let round = 0; ; round++) {
      const now = await progress();
      if (now.rows >= rows && now.backlog === 0) {
        expect(now.rows).toBe(rows);
        return;
      }
      if (Date.now() > until)
        throw new Error(`it does not come to rest: ${JSON.stringify(now)}\n${aws.logs().slice(-4000)}`);
      if (round % 8 === 7) await aws.maintain();
      await sleep(500);
    }
  }

  async function headers(): Promise<LogHeader[]> {
    const { planned } = await progress();
    const read = PLACES.flatMap((place) => {
      const log = new DataLog(aws.store, NAMES, place);
      return Array.from({ length: planned }, (_, i) => log.readEntry(i + 1));
    });
    return (await Promise.all(read)).map(({ entry }) => entry!.header);
  }

  it('runs batches as objects come, and says so in its job file', async () => {
    for (let i = 0; i < 3; i++) await uploadNext();
    await settled();
    expect(await readJobFile(aws.store, 'hours')).toMatchObject({ name: 'hours', partitions: 2 });
    expect((await progress()).planned).toBeGreaterThanOrEqual(4);
  });

  it.skipIf(given !== undefined)('keeps memory and the local disk of warm functions between invocations', async () => {
    const before = await aws.environments('Batch');
    expect(before.length).toBeGreaterThanOrEqual(2);
    // State larger than memory, folded into SSTs: reads go to the disk once blocks are there.
    for (let i = 0; i < 3; i++) {
      await uploadNext();
      await settled();
      await aws.maintain();
      await sleep(1500);
    }
    expect(await aws.environments('Batch')).toEqual(before);
    const reads = (await headers()).map((header) => header.reads);
    expect(reads.reduce((sum, r) => sum + r.memory, 0)).toBeGreaterThan(0);
    expect(reads.reduce((sum, r) => sum + r.lmdb, 0)).toBeGreaterThan(0);
  });

  it('plans once what is announced twice, late and out of order', async () => {
    const { rows } = await progress();
    const url = await aws.upload('flights', 'twice.ndjson', Buffer.from(fileOf(uploaded)));
    const [, bucket, key] = /^s3:\/\/([^/]+)\/(.*)$/.exec(url)!;
    await settled(rows + ROWS);
    uploaded++;
    sent += ROWS;
    const { createHash } = await import('node:crypto');
    const object = {
      key: encodeURIComponent(key!).replaceAll('%2F', '/'),
      size: fileOf(uploaded - 1).length,
      eTag: createHash('md5')
        .update(fileOf(uploaded - 1))
        .digest('hex'),
    };
    const s3 = { bucket: { name: bucket }, object };
    const again = { Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', s3 }] };
    await Promise.all([1, 2, 3].map(() => aws.send(aws.outputs.InputQueueUrl!, again)));
    await uploadNext();
    await settled();
    await expect.poll(() => aws.depth(queues.get('input')!)).toBe(0);
    await settled();
  });

  it('plans rows in the order of their messages, each once, though the sender repeats itself and ingest is killed', async () => {
    const rows = fileOf(uploaded)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown);
    const before = (await progress()).planned;
    const messages = [...rowMessages('flights', rows, { fifo: true, maxRows: Math.ceil(rows.length / 12) })];
    for (const [i, { body, group, dedupId }] of messages.entries()) {
      const QueueUrl = aws.outputs.RecordsQueueUrl!;
      const message = { QueueUrl, MessageBody: body, MessageGroupId: group, MessageDeduplicationId: dedupId };
      await aws.sqs.send(new SendMessageCommand(message));
      await aws.sqs.send(new SendMessageCommand(message));
      if (i % 5 === 4 && given === undefined) await aws.kill('Ingest');
    }
    uploaded++;
    sent += ROWS;
    await settled();
    const pieces: string[] = [];
    for (let n = before + 1; n <= (await progress()).planned; n++) {
      const name = NAMES.log(PLANNER, n);
      const read = await aws.store.get(name);
      if (!read.found) continue;
      const { plan } = decodePlanObject(read.body, name, n)!.stored;
      pieces.push(...plan.pieces.map((piece) => piece.name));
    }
    expect(pieces).toEqual(messages.map(({ dedupId }) => `message ${dedupId}`));
    expect(await aws.depth(queues.get('records-dead.fifo')!)).toBe(0);
  });

  it('runs what triggers and hints were lost for, and what they were doubled for once', async () => {
    await uploadNext();
    for (const name of ['s0p0.fifo', 's0p1.fifo', 'fold.fifo']) await aws.purge(queues.get(name)!);
    await uploadNext();
    for (const name of ['s0p0.fifo', 's0p1.fifo']) await aws.purge(queues.get(name)!);
    await settled();
    const { id } = await readJobFile(aws.store, 'hours');
    const { planned } = await progress();
    for (const n of [planned, 1, planned - 1, planned]) {
      for (const partition of [0, 1]) {
        const trigger = { v: 1, kind: 'batch', job: id, stage: 0, partition, n };
        await aws.send(queues.get(`s0p${partition}.fifo`)!, trigger, `again-${n}`);
      }
    }
    for (const path of ['planner', ...PLACES]) {
      await aws.send(queues.get('fold.fifo')!, { v: 1, kind: 'fold', job: id, path, n: planned }, path);
    }
    await expect.poll(() => aws.depth(queues.get('s0p0.fifo')!)).toBe(0);
    await settled();
  });

  it('lets two functions race for one batch, and has it once', async () => {
    await uploadNext();
    await settled();
    const { id } = await readJobFile(aws.store, 'hours');
    const n = (await progress()).planned + 1;
    const [function0, function1] = [await aws.functionName('s0p0'), await aws.functionName('s0p1')];
    await uploadNext();
    const event = (partition: number, i: number) => ({
      Records: [
        {
          messageId: `race-${i}`,
          receiptHandle: `race-${i}`,
          body: JSON.stringify({ v: 1, kind: 'batch', job: id, stage: 0, partition, n }),
          attributes: { ApproximateReceiveCount: '1' },
          messageAttributes: {},
        },
      ],
    });
    await Promise.all(
      [1, 2, 3, 4].flatMap((i) => [aws.invoke(function0, event(0, i)), aws.invoke(function1, event(1, i))]),
    );
    await settled();
  });

  it.skipIf(given !== undefined)(
    'goes on where it was after functions of all kinds are killed in the middle',
    async () => {
      let kills = 0;
      for (let i = 0; i < 3; i++) {
        await uploadNext();
        for (let k = 0; k < 8; k++) {
          await sleep(130 + 37 * k);
          kills += await aws.kill(['Batch', 'Ingest', 'Fold', 'Compact'][(i + k) % 4]);
        }
      }
      expect(kills).toBeGreaterThan(5);
      await settled();
    },
  );

  it('gives the same with a preload function that always fails', async () => {
    const name = await aws.functionName('Preload');
    const Environment = { Variables: { MISA_STORE: 's3://there-is-no-such-bucket/misa' } };
    await aws.lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: name, Environment }));
    await aws.kill('');
    await uploadNext();
    await settled();
  });

  it('sends a damaged object to the dead letters, and goes on', async () => {
    const whole = gzipSync(fileOf(0));
    await aws.upload('flights', 'damaged.ndjson.gz', whole.subarray(0, 200));
    await uploadNext();
    await expect.poll(() => aws.depth(queues.get('input-dead')!), { interval: 1000 }).toBe(1);
    const { Messages = [] } = await aws.sqs.send(new ReceiveMessageCommand({ QueueUrl: queues.get('input-dead')! }));
    expect(Messages[0]!.Body).toContain('damaged.ndjson.gz');
    await settled();
  });

  it('gives the embedded run’s results, row by row', async () => {
    while (uploaded < FILES) await uploadNext();
    await settled();
    const before = (await progress()).planned;
    await aws.send(aws.outputs.InputQueueUrl!, { misa: 1, control: 'flush' });
    await expect.poll(async () => (await progress()).planned).toBeGreaterThan(before);
    await settled();
    await aws.maintain();
    const outputs = compileJob(hours as Job<unknown>).outputs.map(({ name }) => name);
    const found = sorted((await Promise.all(outputs.map((output) => aws.results('hours', output)))).flat());
    expect(uploaded).toBe(FILES);
    expect(found.length).toBe(wanted.length);
    expect(found).toEqual(wanted);
    expect((await progress()).halted).toEqual([]);
  });
});
