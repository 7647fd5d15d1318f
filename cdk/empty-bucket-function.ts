/**
 * Runs when a stack is deleted that is to take its state with it: CloudFormation deletes no bucket with objects in it. Deletes
 * only where the bucket itself still says so by its tag: when the policy is changed to keep the state, this resource is
 * removed from the stack too, and is asked to delete just the same.
 */
import type { CloudFormationCustomResourceEvent } from 'aws-lambda';
import { errorText } from '../lib/errors.ts';
import { connectS3, type S3Connection } from '../lib/object-store/s3-client.ts';
import { DELETE_OBJECTS_TAG } from './empty-bucket-tag.ts';

/** CloudFormation cuts an answer at 4096 bytes. */
const REASON_CHARS = 1500;

export async function empty(event: CloudFormationCustomResourceEvent): Promise<void> {
  const { StackId, RequestId, LogicalResourceId } = event;
  const bucket = String(event.ResourceProperties.Bucket);
  const answer = { StackId, RequestId, LogicalResourceId, PhysicalResourceId: bucket, Status: 'SUCCESS', Reason: '' };
  try {
    // When a bucket is replaced, the old one is deleted.
    if (event.RequestType === 'Delete') await emptyBucket(await connectS3(), event.PhysicalResourceId);
  } catch (error) {
    console.error(error);
    answer.Status = 'FAILED';
    answer.Reason = `the bucket ${bucket} cannot be emptied: ${errorText(error)}`.slice(0, REASON_CHARS);
  }
  await fetch(event.ResponseURL, { method: 'PUT', body: JSON.stringify(answer), headers: { 'content-type': '' } });
}

async function emptyBucket({ sdk, client }: S3Connection, bucket: string): Promise<void> {
  if (!(await isToBeEmptied({ sdk, client }, bucket))) return;
  for (;;) {
    const { Contents = [] } = await client.send(new sdk.ListObjectsV2Command({ Bucket: bucket }));
    if (Contents.length === 0) return;
    const objects = Contents.map(({ Key }) => ({ Key }));
    const { Errors: [failed] = [] } = await client.send(
      new sdk.DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }),
    );
    if (failed !== undefined) throw new Error(`${failed.Key}: ${failed.Message ?? failed.Code}`);
  }
}

async function isToBeEmptied({ sdk, client }: Pick<S3Connection, 'sdk' | 'client'>, bucket: string): Promise<boolean> {
  try {
    const { TagSet = [] } = await client.send(new sdk.GetBucketTaggingCommand({ Bucket: bucket }));
    return TagSet.some(({ Key, Value }) => Key === DELETE_OBJECTS_TAG && Value === 'true');
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'NoSuchTagSet' || name === 'NoSuchBucket') return false;
    throw error;
  }
}
