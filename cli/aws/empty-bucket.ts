/** Deletes the objects of a bucket, page by page, versions too. */
import type * as S3 from '@aws-sdk/client-s3';
import { MisaError } from '../../lib/errors.ts';
import { awsError } from './aws-error.ts';
import { endpointOf, s3Config } from './environment.ts';

/**
 * @param prefixes only objects whose names begin with one of these; the whole bucket, and the bucket itself, when left out
 * @returns objects deleted
 */
export async function emptyBucket(
  bucket: string,
  prefixes: readonly string[] | undefined,
  onProgress: (deleted: number) => void,
): Promise<number> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client(s3Config());
  let deleted = 0;
  try {
    for (const prefix of prefixes ?? ['']) {
      // What was listed is deleted, so the first page is always the next.
      for (;;) {
        const page = await client.send(new sdk.ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix }));
        const objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].flatMap(identifier);
        if (objects.length === 0) break;
        const answer = await client.send(
          new sdk.DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }),
        );
        const [failed] = answer.Errors ?? [];
        if (failed !== undefined) {
          throw new MisaError(
            'NOT_DELETED',
            `s3://${bucket}/${failed.Key} cannot be deleted: ${failed.Message ?? failed.Code}. Allow this role s3:DeleteObject and s3:DeleteObjectVersion, and give the command again`,
          );
        }
        deleted += objects.length;
        onProgress(deleted);
      }
    }
    if (prefixes === undefined) await client.send(new sdk.DeleteBucketCommand({ Bucket: bucket }));
    return deleted;
  } catch (error) {
    if ((error as { name?: string }).name === 'NoSuchBucket') return deleted;
    throw awsError(error, `deleting what is in the bucket ${bucket}`, endpointOf('S3'));
  } finally {
    client.destroy();
  }
}

function identifier({ Key, VersionId }: S3.ObjectVersion | S3.DeleteMarkerEntry): S3.ObjectIdentifier[] {
  if (Key === undefined) return [];
  return [{ Key, ...(VersionId === undefined || VersionId === 'null' ? {} : { VersionId }) }];
}
