/**
 * The bucket of a job: state, results, and input under `in/{job}/`. Not versioned, because a manifest is replaced at every
 * commit and each version would be kept; private, encrypted, and for HTTPS only. What is advisory expires by itself.
 */

import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type CfnBucket,
  EventType,
  type IBucket,
  type LifecycleRule,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3';
import { SqsDestination } from 'aws-cdk-lib/aws-s3-notifications';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Duration, RemovalPolicy, Tags, Validations } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { PartitionPlace } from '../lib/object-store/names.ts';
import { names, partitionPath } from '../lib/object-store/names.ts';
import { DELETE_OBJECTS_TAG } from './empty-bucket-tag.ts';
import { inputPrefix } from './inputs.ts';
import type { JobQueues } from './job-queues.ts';
import { acceptNotifications } from './queues.ts';
import type { SettledProps } from './settled-props.ts';
import { STORE_PREFIX } from './store-prefix.ts';

/** A bucket may have a thousand rules; beyond this many the garbage collection alone removes warm packs. */
const MAX_WARM_RULES = 100;
const FIRST_EPOCH = 1;

/** Where notifications of new objects under a prefix go. */
interface Notification {
  readonly queue: Queue;
  readonly prefix: string;
}

export interface JobBucketOptions {
  /** The bucket that the user gave; else the job gets its own. */
  readonly given: IBucket | undefined;
  readonly settled: SettledProps;
  readonly places: readonly PartitionPlace[];
  readonly queues: JobQueues;
  readonly key: IKey | undefined;
}

/** The bucket, with notifications of all objects that are input or go to sinks, other buckets' too. */
export function jobBucket(scope: Construct, id: string, options: JobBucketOptions): IBucket {
  const { given, settled, queues } = options;
  const notifications = [
    { queue: queues.input.queue, prefix: inputPrefix(settled.job.name) },
    ...(queues.results === undefined ? [] : [{ queue: queues.results.queue, prefix: resultsPrefix(settled.job.name) }]),
  ];
  const bucket = given ?? ownBucket(scope, id, options, notifications);
  if (given !== undefined) for (const notification of notifications) notify(given, notification);
  for (const { bucket: other, prefix = '' } of settled.inputs) notify(other, { queue: queues.input.queue, prefix });
  return bucket;
}

/** Where the results of an output are; sinks are told of what is created under it. */
function resultsPrefix(job: string): string {
  return `${STORE_PREFIX}/${names(job, FIRST_EPOCH).epochPrefix()}out/`;
}

/** @returns a reference to the bucket: notifications that users add to it stand beside ours and do not replace them */
function ownBucket(
  scope: Construct,
  id: string,
  { settled, places, key }: JobBucketOptions,
  notifications: readonly Notification[],
): IBucket {
  const { removalPolicy } = settled;
  const bucket = new Bucket(scope, id, {
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    versioned: false,
    ...(key === undefined
      ? { encryption: BucketEncryption.S3_MANAGED }
      : { encryption: BucketEncryption.KMS, encryptionKey: key, bucketKeyEnabled: true }),
    lifecycleRules: lifecycle(settled.job.name, places),
    removalPolicy,
  });
  if (removalPolicy === RemovalPolicy.DESTROY) Tags.of(bucket).add(DELETE_OBJECTS_TAG, 'true');
  // Set on the resource itself: the construct's method would deploy a function just for this.
  const resource = bucket.node.defaultChild as CfnBucket;
  resource.notificationConfiguration = {
    queueConfigurations: notifications.map(({ queue, prefix }) => ({
      event: EventType.OBJECT_CREATED,
      queue: queue.queueArn,
      filter: { s3Key: { rules: [{ name: 'prefix', value: prefix }] } },
    })),
  };
  for (const { queue } of notifications) {
    acceptNotifications(queue);
    // S3 sends a test message to the queue when the notification is set up.
    resource.node.addDependency(queue.node.findChild('Policy'));
  }
  Validations.of(bucket).acknowledge({
    id: 'AwsSolutions-S1',
    reason:
      'Only functions of this stack read and write it, several objects a batch: a log of each access would cost as much as the state. CloudTrail data events can be switched on where an audit asks for them.',
  });
  return Bucket.fromBucketAttributes(scope, `${id}Reference`, {
    bucketArn: bucket.bucketArn,
    ...(key === undefined ? {} : { encryptionKey: key }),
  });
}

/** Tells a queue of new objects in a bucket that is not the job's own. */
function notify(bucket: IBucket, { queue, prefix }: Notification): void {
  bucket.addEventNotification(EventType.OBJECT_CREATED, new SqsDestination(queue), prefix === '' ? {} : { prefix });
}

function lifecycle(job: string, places: readonly PartitionPlace[]): LifecycleRule[] {
  const objects = names(job, FIRST_EPOCH);
  const expire = (id: string, prefix: string, days: number): LifecycleRule => ({
    id,
    prefix: `${STORE_PREFIX}/${prefix}`,
    expiration: Duration.days(days),
  });
  return [
    { id: 'uploads', abortIncompleteMultipartUploadAfter: Duration.days(1) },
    expire('traces', objects.tracePrefix(), 7),
    ...places.slice(0, MAX_WARM_RULES).map(({ stage, partition }) => {
      const path = partitionPath(stage, partition);
      return expire(`warm-${path.replace('/', '-')}`, objects.warmPrefix(path), 1);
    }),
  ];
}
