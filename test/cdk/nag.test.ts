import { Key } from 'aws-cdk-lib/aws-kms';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { type App, Validations } from 'aws-cdk-lib/core';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import { Sink } from '../../cdk/index.ts';
import { makeStack } from './make-stack.ts';

/** @throws what the rules find and nobody acknowledged */
function check(app: App): void {
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  app.synth();
}

describe('cdk-nag finds nothing that is not acknowledged with its reason', () => {
  test('in a job as it comes', () => check(makeStack().app));

  test('in a job with a key of its own, another input and a sink', () => {
    const { app, stack } = makeStack((own) => ({
      encryptionKey: new Key(own, 'Key', { enableKeyRotation: true }),
      inputs: { flights: { bucket: Bucket.fromBucketName(own, 'Data', 'the-data'), prefix: 'flights/' } },
      sinks: { hourly: Sink.sqs(Queue.fromQueueArn(own, 'Target', 'arn:aws:sqs:eu-west-1:123456789012:target')) },
    }));
    const handler = stack.node.children.find(({ node }) => node.id.startsWith('BucketNotificationsHandler'))!;
    Validations.of(handler).acknowledge({
      id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole]',
      reason: "The CDK's own handler, which any stack has that adds a notification to a bucket from elsewhere.",
    });
    check(app);
  });

  test('in nested stacks', () => check(makeStack({ partitions: 41 }).app));

  test('and what others add is found', () => {
    const { app, stack } = makeStack();
    new Bucket(stack, 'Bare');
    expect(() => check(app)).toThrow(/SSL/);
  });
});
