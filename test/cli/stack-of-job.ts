/**
 * A stack such as a deployed job has, as far as commands see it, in the local AWS of the tests: bucket, queues, outputs, and
 * the job's file in the store. No functions: what these would do, tests do themselves.
 */
import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation';
import { type JobFile, openJobFile } from '../../lib/job/job-file.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { connectS3 } from '../../lib/object-store/s3-client.ts';
import { openStore } from '../../lib/object-store/store-spec.ts';
import type { Queue } from '../../lib/queue/queue.ts';
import { SqsQueues } from '../../lib/queue/sqs-queue.ts';
import type { Job } from '../../lib/stream/api/job.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';

const parts = { clock: systemClock, random: systemRandom };

export interface StackOfJob {
  readonly job: string;
  readonly stack: string;
  readonly bucket: string;
  readonly file: JobFile;
  readonly store: ObjectStore;
  readonly input: Queue;
  /** Of rows, FIFO. */
  readonly records: Queue;
  readonly deadInput: Queue;
  /** Keys of the bucket's objects, and their bytes. */
  objects(prefix: string): Promise<Map<string, Buffer>>;
  remove(): Promise<void>;
}

/** Environment of commands that talk to the local AWS. */
export function awsEnvironment(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-east-1',
  };
}

/** @param options `records: false`: as version 0.1 deployed it, without a queue that keeps order */
export async function makeStackOfJob(
  endpoint: string,
  definition: Job<unknown>,
  options: { readonly records?: boolean } = {},
): Promise<StackOfJob> {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' });
  const compiled = compileJob(definition);
  const job = compiled.name;
  const stack = `Misa-${job}`;
  const bucket = `${job}-state`;
  const queue = (name: string, more: object = {}): object => ({
    Type: 'AWS::SQS::Queue',
    Properties: { QueueName: `${stack}-${name}`, ...more },
  });
  const template = {
    Resources: {
      Bucket: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain', Properties: { BucketName: bucket } },
      Input: queue('input'),
      ...(options.records === false ? {} : { Records: queue('records.fifo', { FifoQueue: true }) }),
      InputDead: queue('input-dead'),
    },
    Outputs: {
      JobName: { Value: job },
      Store: { Value: `s3://${bucket}/misa` },
      InputQueueUrl: { Value: { Ref: 'Input' } },
      ...(options.records === false ? {} : { RecordsQueueUrl: { Value: { Ref: 'Records' } } }),
      InputPrefix: { Value: `s3://${bucket}/in/${job}/` },
    },
  };
  const client = new CloudFormationClient({ endpoint, region: 'us-east-1' });
  await client.send(new CreateStackCommand({ StackName: stack, TemplateBody: JSON.stringify(template) }));
  await waitUntilStackCreateComplete({ client, maxWaitTime: 600, minDelay: 1, maxDelay: 1 }, { StackName: stack });
  const store = await openStore({ kind: 's3', bucket, prefix: 'misa', endpoint }, parts);
  const queues = await SqsQueues.open({ endpoint, ...parts });
  const { sdk, client: s3 } = await connectS3({ endpoint });
  const url = (name: string): string => `${endpoint}/000000000000/${stack}-${name}`;
  return {
    job,
    stack,
    bucket,
    store,
    file: (await openJobFile(store, compiled, systemRandom)).file,
    input: queues.queue(url('input')),
    records: queues.queue(url('records.fifo')),
    deadInput: queues.queue(url('input-dead')),
    async objects(prefix) {
      const { Contents = [] } = await s3.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
      const found = new Map<string, Buffer>();
      for (const { Key } of Contents) {
        const { Body } = await s3.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: Key! }));
        found.set(Key!, Buffer.from(await Body!.transformToByteArray()));
      }
      return found;
    },
    async remove() {
      await client.send(new DeleteStackCommand({ StackName: stack }));
    },
  };
}
