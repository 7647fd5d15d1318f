/** `misa run` over objects in S3, with its state in a bucket: killed, and run again. */
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../lib/util/random.ts';
import { clicks, clicksByMinute, clicksJob, gzipped, ndjson, sorted, workspaces } from './helpers.ts';
import { awsEnvironment } from './stack-of-job.ts';

const SECONDS = 600;
const endpoint = process.env.MISA_TEST_S3_ENDPOINT;
process.env.AWS_ACCESS_KEY_ID ??= 'test';
process.env.AWS_SECRET_ACCESS_KEY ??= 'test';

const { workspace, removeAll } = workspaces();
afterAll(removeAll);

describe.skipIf(endpoint === undefined)('misa run over objects in S3', () => {
  it('gives right results, once, killed in between, from a bucket that also has the state', async () => {
    const client = new S3Client({ endpoint: endpoint!, forcePathStyle: true, region: 'us-east-1' });
    const bucket = `misa-cli-${systemRandom
      .id()
      .toLowerCase()
      .replace(/[^a-z0-9]/g, '')}`.slice(0, 60);
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    const put = (key: string, body: string | Uint8Array) =>
      client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    const space = workspace();
    space.write('job.ts', clicksJob());
    await put('in/a.ndjson.gz', gzipped(clicks(200)));
    await put('in/b.ndjson', ndjson(clicks(200, 200)));
    const { AWS_ENDPOINT_URL: _, ...env } = awsEnvironment(endpoint!);
    const input = `clicks=s3://${bucket}/in/*.ndjson*`;
    const shared = ['run', 'job.ts', '-i', input, '-o', 'out', '--store', `s3://${bucket}`, '--endpoint', endpoint!];
    const killed = space.start([...shared, '--json', '--batch-rows', '30'], env);
    await killed.seen('"event":"batch"');
    killed.child.kill('SIGKILL');
    await killed.finished;
    await put('in/c.ndjson', ndjson(clicks(200, 400)));
    const second = await space.start([...shared, '--flush'], env).finished;
    expect(second.stderr).not.toContain('misa:');
    expect(second.code).toBe(0);
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
    const third = await space.start([...shared, '--flush'], env).finished;
    expect(third.stdout).toContain('none new');
    expect(sorted(space.results('out'))).toEqual(clicksByMinute(SECONDS));
    const missing = await space.start(['run', 'job.ts', '-i', `clicks=s3://${bucket}/on/*`, ...shared.slice(4)], env)
      .finished;
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`No object matches s3://${bucket}/on/*`),
    });
  });
});
