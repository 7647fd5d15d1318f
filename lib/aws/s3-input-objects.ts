/** Input objects in S3. */
import { connectS3, type S3Connection } from '../object-store/s3-client.ts';
import { failureOf } from '../object-store/s3-errors.ts';
import { answersOf, listErrorOf } from '../source/s3-input-errors.ts';
import { s3InputObject, s3Path } from '../source/s3-object.ts';
import { backoffMs } from '../util/backoff.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { InputObjects, ListedObject } from './input-objects.ts';
import { invocationObjects } from './invocation.ts';

/** Requests for one page of a listing. */
const TRIES = 4;

export function s3InputObjects({ clock, random, report }: FunctionEnvironment): InputObjects {
  let connection: Promise<S3Connection> | undefined;
  const s3 = (): Promise<S3Connection> => {
    connection ??= connectS3({ onRequest: report.onRequest });
    return connection;
  };
  return invocationObjects({
    async *list(bucket, prefix, after, signal) {
      const { sdk, client } = await s3();
      let ContinuationToken: string | undefined;
      do {
        const command = new sdk.ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          // Keys come URL-encoded, as XML cannot hold all that a key may be.
          EncodingType: 'url',
          ...(ContinuationToken !== undefined ? { ContinuationToken } : after ? { StartAfter: after } : {}),
        });
        const answer = await again(() =>
          client.send(command, signal === undefined ? {} : { abortSignal: signal }),
        ).catch((error: unknown) => {
          signal?.throwIfAborted();
          throw listErrorOf(error, s3Path(bucket, prefix), bucket);
        });
        const keyOf = (key: string): string =>
          answer.EncodingType === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
        yield (answer.Contents ?? []).map(
          ({ Key = '', ETag = '', Size = 0, LastModified }): ListedObject => ({
            bucket,
            key: keyOf(Key),
            etag: ETag.replaceAll('"', ''),
            size: Size,
            modifiedMs: LastModified?.getTime() ?? 0,
          }),
        );
        ContinuationToken = answer.NextContinuationToken;
      } while (ContinuationToken !== undefined);
    },
    open: ({ bucket, key, etag, size }) =>
      s3InputObject({ s3, bucket, key, etag, size, seen: 'listed', clock, random }),
  });

  async function again<T>(send: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await send();
      } catch (error) {
        if (answersOf(failureOf(error)) !== 'again' || tries >= TRIES) throw error;
        await clock.sleep(backoffMs(tries, random));
      }
    }
  }
}
