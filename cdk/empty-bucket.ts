/** Deletes the objects of a job's own bucket with its stack, where the stack says that the state is not to be kept. */
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { CustomResource, Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { FunctionMaker } from './functions.ts';

const TIMEOUT = Duration.minutes(15);
const MEMORY_MIB = 512;

/** @returns what everything that writes to the bucket must wait for, so that it is deleted first */
export function emptyOnDelete(scope: Construct, maker: FunctionMaker, bucket: IBucket): CustomResource {
  const empty = maker.make(scope, 'Empty', {
    handler: 'empty.empty',
    description: 'Deletes the objects of a bucket that is deleted with its stack',
    timeout: TIMEOUT,
    memorySize: MEMORY_MIB,
    permissions: [
      new PolicyStatement({
        sid: 'ListAll',
        actions: ['s3:ListBucket', 's3:GetBucketTagging'],
        resources: [bucket.bucketArn],
      }),
      new PolicyStatement({
        sid: 'DeleteAll',
        actions: ['s3:DeleteObject'],
        resources: [bucket.arnForObjects('*')],
      }),
    ],
  });
  return new CustomResource(scope, 'Emptied', {
    serviceToken: empty.functionArn,
    serviceTimeout: TIMEOUT.plus(Duration.minutes(1)),
    resourceType: 'Custom::MisaEmptyBucket',
    properties: { Bucket: bucket.bucketName },
  });
}
