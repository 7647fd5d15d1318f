import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CloudFormationCustomResourceEvent } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { empty } from '../../cdk/empty-bucket-function.ts';
import { connectS3, type S3Connection } from '../../lib/object-store/s3-client.ts';

const endpoint = process.env.MISA_TEST_S3_ENDPOINT;

describe.skipIf(endpoint === undefined)('the objects of a bucket that goes with its stack', () => {
  let s3: S3Connection;
  let server: Server;
  const answers: { Status: string; Reason: string; PhysicalResourceId: string }[] = [];
  const env = { ...process.env };

  beforeAll(async () => {
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    });
    s3 = await connectS3();
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      answers.push(JSON.parse(body));
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.close();
    process.env = env;
  });

  /** What is left of some objects in a bucket with these tags, after a request of CloudFormation. */
  async function left(
    bucket: string,
    tags: Record<string, string>,
    type: 'Create' | 'Delete',
    objects = 3,
  ): Promise<number> {
    const { sdk, client } = s3;
    await client.send(new sdk.CreateBucketCommand({ Bucket: bucket }));
    const TagSet = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    if (TagSet.length > 0) await client.send(new sdk.PutBucketTaggingCommand({ Bucket: bucket, Tagging: { TagSet } }));
    const put = (i: number) => client.send(new sdk.PutObjectCommand({ Bucket: bucket, Key: `misa/${i}`, Body: 'x' }));
    for (let i = 0; i < objects; i += 50) {
      await Promise.all(Array.from({ length: Math.min(50, objects - i) }, (_, j) => put(i + j)));
    }
    await request(bucket, type);
    const { KeyCount } = await client.send(new sdk.ListObjectsV2Command({ Bucket: bucket }));
    return KeyCount ?? 0;
  }

  async function request(bucket: string, type: 'Create' | 'Delete'): Promise<void> {
    const { port } = server.address() as AddressInfo;
    const event = {
      RequestType: type,
      ResponseURL: `http://127.0.0.1:${port}/`,
      StackId: 's',
      RequestId: 'r',
      LogicalResourceId: 'l',
      PhysicalResourceId: bucket,
      ResourceProperties: { ServiceToken: 't', Bucket: bucket },
    };
    await empty(event as unknown as CloudFormationCustomResourceEvent);
  }

  test('are deleted with it, more than a page of them', async () => {
    expect(await left('empty-me', { 'misa:delete-objects': 'true' }, 'Delete', 1001)).toBe(0);
    expect(answers.at(-1)).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'empty-me' });
  });

  test('stay when the bucket is made', async () => {
    expect(await left('made-now', { 'misa:delete-objects': 'true' }, 'Create')).toBe(3);
  });

  test('stay when the bucket no longer says that they may go', async () => {
    expect(await left('kept-now', { other: 'true' }, 'Delete')).toBe(3);
    expect(await left('untagged', {}, 'Delete')).toBe(3);
    expect(answers.at(-1)!.Status).toBe('SUCCESS');
  });

  test('a bucket that is gone already is no failure', async () => {
    await request('never-was', 'Delete');
    expect(answers.at(-1)!.Status).toBe('SUCCESS');
  });
});
