/** Small decisions of the commands for deployed jobs: names, lists of queues, environments, errors. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { awsError } from '../../cli/aws/aws-error.ts';
import { localEnvironment } from '../../cli/aws/environment.ts';
import { findCdk } from '../../cli/aws/peers.ts';
import { reportsOf } from '../../cli/aws/queue-table.ts';
import { type QueueStatus, queuesOf } from '../../cli/aws/queues.ts';
import { stackName } from '../../cli/aws/stack.ts';
import { objectName, uploadPlace } from '../../cli/aws/upload.ts';
import { ndjsonChunks } from '../../cli/run/standard-input.ts';

const HASH = 'abcdef0123456789fedcba';

describe('the name of an uploaded file', () => {
  it.each([
    ['flights.ndjson', 'flights-abcdef0123456789.ndjson'],
    ['/data/flights-2013.ndjson.gz', 'flights-2013-abcdef0123456789.ndjson.gz'],
    ['flights.2013.01.csv.zst', 'flights.2013.01-abcdef0123456789.csv.zst'],
    ['Größe & Zahl.parquet', 'Gr-e-Zahl-abcdef0123456789.parquet'],
  ])('of %s keeps what tells the format, and has the content in it', (file, name) => {
    expect(objectName(file, HASH)).toBe(name);
  });

  it('goes under the prefix of the stack, with or without a slash at its end', () => {
    expect(uploadPlace('s3://bucket/in/clicks/')).toEqual({ bucket: 'bucket', prefix: 'in/clicks/' });
    expect(uploadPlace('s3://bucket/in/clicks')).toEqual({ bucket: 'bucket', prefix: 'in/clicks/' });
    expect(uploadPlace('s3://bucket')).toEqual({ bucket: 'bucket', prefix: '' });
  });
});

describe('the stack of a job', () => {
  it('is named for the job, in letters that CloudFormation allows', () => {
    expect(stackName('departures')).toBe('Misa-departures');
    expect(stackName('my_job.v2')).toBe('Misa-my-job-v2');
  });
});

describe('queues of a stack', () => {
  const resources = ['input', 'input-dead', 's0p10.fifo', 's0p2.fifo', 's0p2-dead.fifo', 'fold.fifo'].map((name) => ({
    type: 'AWS::SQS::Queue',
    logicalId: name,
    id: `https://sqs.eu-west-1.amazonaws.com/123/Misa-clicks-1a2b3c4d-${name}`,
  }));

  it('are called what tells them apart; dead letters come last', () => {
    const names = queuesOf([...resources, { type: 'AWS::S3::Bucket', logicalId: 'b', id: 'b' }]).map((q) => q.name);
    expect(names).toEqual(['fold', 'input', 's0p2', 's0p10', 'input-dead', 's0p2-dead']);
  });

  it('are reported with what was given up of them', () => {
    const statuses = queuesOf(resources).map(
      (queue, i): QueueStatus => ({ ...queue, visible: i, inFlight: queue.dead ? 1 : 0, delayed: 0 }),
    );
    expect(reportsOf(statuses)).toEqual([
      { name: 'fold', waiting: 0, inFlight: 0, delayed: 0, dead: 0 },
      { name: 'input', waiting: 1, inFlight: 0, delayed: 0, dead: 5 },
      { name: 's0p2', waiting: 2, inFlight: 0, delayed: 0, dead: 6 },
      { name: 's0p10', waiting: 3, inFlight: 0, delayed: 0, dead: 0 },
    ]);
  });
});

describe('the environment of a local AWS', () => {
  it('has nothing left of the account that the user is signed in to', () => {
    const base = {
      PATH: '/bin',
      AWS_PROFILE: 'work',
      AWS_SESSION_TOKEN: 'secret',
      AWS_ENDPOINT_URL_S3: 'https://s3.example',
      CDK_DEFAULT_ACCOUNT: '123456789012',
    };
    const local = localEnvironment('http://127.0.0.1:4566', base);
    expect(local).toMatchObject({
      PATH: '/bin',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:4566',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_EC2_METADATA_DISABLED: 'true',
    });
    for (const name of Object.keys(base)) if (name !== 'PATH') expect(local).not.toHaveProperty(name);
  });
});

describe('the CDK', () => {
  it('is found beside Misa', () => {
    expect(findCdk().bin).toMatch(/aws-cdk.bin.cdk$/);
  });

  it('is asked for by one command with versions where it is missing', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'misa-no-cdk-'));
    try {
      expect(() => findCdk(pathToFileURL(path.join(folder, 'x.js')).href)).toThrow(
        /^aws-cdk, aws-cdk-lib and constructs are not installed beside Misa.* npm install --save-dev aws-cdk@2\.\d+\.\d+ aws-cdk-lib@2\.\d+\.\d+ constructs@10\.\d+\.\d+$/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('an error of AWS', () => {
  const answer = (name: string, httpStatusCode: number): Error =>
    Object.assign(new Error(`${name} it said`), { name, $metadata: { httpStatusCode } });

  it.each([
    [new Error('Region is missing'), 'AWS_REGION', 'Set AWS_REGION'],
    [Object.assign(new Error('no'), { name: 'CredentialsProviderError' }), 'AWS_CREDENTIALS', 'Sign in to AWS'],
    [answer('ExpiredToken', 400), 'AWS_CREDENTIALS', 'Sign in to AWS'],
    [answer('AccessDenied', 403), 'AWS_DENIED', 'docs/aws.md lists the permissions'],
    [answer('Throttling', 400), 'AWS_BUSY', 'Try again in a moment'],
    [Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'AWS_UNREACHABLE', 'whether http://x is up'],
    [answer('ValidationError', 400), 'AWS_FAILED', 'can be given again'],
  ])('%s says what to do next', (error, code, advice) => {
    const told = awsError(error, 'looking for the stack Misa-clicks', 'http://x');
    expect(told.code).toBe(code);
    expect(told.message).toMatch(/^looking for the stack Misa-clicks: /);
    expect(told.message).toContain(advice);
  });
});

describe('rows on standard input', () => {
  async function chunks(...parts: readonly (string | Uint8Array)[]): Promise<unknown[]> {
    const given = (async function* () {
      for (const part of parts) yield Buffer.from(part);
    })();
    const all: unknown[] = [];
    for await (const { rows, bad } of ndjsonChunks(given)) all.push({ rows, bad: bad.map(({ line }) => line) });
    return all;
  }

  it('come as they are written, whatever a piece of them ends in', async () => {
    expect(await chunks('{"a":1}\n{"a"', ':2}\n', '\n3')).toEqual([
      { rows: [{ a: 1 }], bad: [] },
      { rows: [{ a: 2 }], bad: [] },
      { rows: [], bad: [] },
      { rows: [3], bad: [] },
    ]);
    const text = Buffer.from('"é"\n');
    expect(await chunks(text.subarray(0, 2), text.subarray(2))).toEqual([{ rows: ['é'], bad: [] }]);
  });

  it('that are no JSON are told by their line, and the others go on', async () => {
    expect(await chunks('1\noops\n\n2\n{')).toEqual([
      { rows: [1, 2], bad: [2] },
      { rows: [], bad: [5] },
    ]);
  });
});
