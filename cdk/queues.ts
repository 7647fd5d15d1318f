/**
 * The queues between the functions. Each is encrypted, refuses plain HTTP, and hands what fails too often to a dead-letter
 * queue that keeps it for two weeks. Their names share a prefix, because functions form the URL of a partition's queue from
 * it: a list of a thousand URLs does not fit into the environment of a function.
 */

import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Duration, Fn, Stack } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';

/** AWS asks for six times the time-out of the function that reads: attempts must not overlap while it throttles. */
const VISIBILITY_TIMEOUTS = 6;
const DEAD_LETTERS_KEPT = Duration.days(14);
/** Shorter than dead letters are kept: their age counts from when they were first sent. */
const MESSAGES_KEPT = Duration.days(7);
/** The pauses between tries grow, so that this many take about an hour. */
const MAX_RECEIVES = 20;
/** Leaves room for the longest suffix in a queue name, which has at most 80 characters. */
const MAX_PREFIX = 56;

export interface JobQueue {
  readonly queue: Queue;
  readonly deadLetters: Queue;
}

export interface QueueOptions {
  /** Time-out of the function that reads it. */
  readonly timeout: Duration;
  readonly fifo?: boolean;
  /** Default 20. */
  readonly maxReceives?: number;
  /** Many groups send at once. */
  readonly manyGroups?: boolean;
  /** How long the mapping collects messages before it invokes. */
  readonly batchingWindow?: Duration;
}

export class QueueMaker {
  /** Of all queues' names; ends with `-`. */
  readonly prefix: string;
  readonly #key: IKey | undefined;

  /** @param job the construct that the queues belong to; its path makes the names unique in a stack */
  constructor(job: Construct, key: IKey | undefined) {
    const unique = job.node.addr.slice(-8);
    this.prefix = `${Stack.of(job).stackName.slice(0, MAX_PREFIX - 10)}-${unique}-`;
    this.#key = key;
  }

  /** @param name of the queue after the prefix, without `.fifo` */
  make(scope: Construct, id: string, name: string, options: QueueOptions): JobQueue {
    const {
      timeout,
      fifo = false,
      manyGroups = false,
      maxReceives = MAX_RECEIVES,
      batchingWindow = Duration.seconds(0),
    } = options;
    const suffix = fifo ? '.fifo' : '';
    const common = {
      ...(fifo ? { fifo } : {}),
      enforceSSL: true,
      ...(this.#key === undefined
        ? { encryption: QueueEncryption.SQS_MANAGED }
        : { encryption: QueueEncryption.KMS, encryptionMasterKey: this.#key }),
    };
    const deadLetters = new Queue(scope, `${id}DeadLetters`, {
      ...common,
      queueName: `${this.prefix}${name}-dead${suffix}`,
      retentionPeriod: DEAD_LETTERS_KEPT,
    });
    const queue = new Queue(scope, id, {
      ...common,
      queueName: `${this.prefix}${name}${suffix}`,
      retentionPeriod: MESSAGES_KEPT,
      visibilityTimeout: Duration.seconds(timeout.toSeconds() * VISIBILITY_TIMEOUTS + batchingWindow.toSeconds()),
      deadLetterQueue: { queue: deadLetters, maxReceiveCount: maxReceives },
      ...(manyGroups
        ? {
            deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
            fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
          }
        : {}),
    });
    return { queue, deadLetters };
  }

  /** ARN of queues by the end of their name, known without the queues; `*` allowed. */
  arn(scope: Construct, name: string): string {
    return Stack.of(scope).formatArn({ service: 'sqs', resource: `${this.prefix}${name}` });
  }

  /** What comes before a queue's name in its URL, and the common prefix; from a queue that is there. */
  urlPrefix(queue: Queue, name: string): string {
    return Fn.select(0, Fn.split(name, queue.queueUrl));
  }
}

/** Of a name that CloudFormation gives to a bucket, so much of the stack's name is surely in front. */
const STACK_IN_BUCKET_NAME = 20;

/**
 * Lets S3 tell a queue of new objects in the stack's own bucket. The policy must be there before the bucket is, so it cannot
 * hold the bucket's ARN: it holds the account, and how the names begin that CloudFormation makes for buckets of this stack.
 */
export function acceptNotifications(queue: Queue): void {
  const stack = Stack.of(queue);
  const begin = stack.stackName.toLowerCase().slice(0, STACK_IN_BUCKET_NAME);
  const buckets = stack.formatArn({ service: 's3', region: '', account: '', resource: `${begin}*` });
  const condition = {
    StringEquals: { 'aws:SourceAccount': stack.account },
    ArnLike: { 'aws:SourceArn': buckets },
  };
  const s3 = new ServicePrincipal('s3.amazonaws.com');
  queue.addToResourcePolicy(
    new PolicyStatement({
      sid: 'ObjectCreated',
      principals: [s3],
      actions: ['sqs:SendMessage'],
      resources: [queue.queueArn],
      conditions: condition,
    }),
  );
  queue.encryptionMasterKey?.addToResourcePolicy(
    new PolicyStatement({
      principals: [s3],
      actions: ['kms:GenerateDataKey', 'kms:Decrypt'],
      resources: ['*'],
      conditions: condition,
    }),
  );
}
