/** Input objects in S3. */
import { connectS3, type S3Connection } from '../object-store/s3-client.ts';
import { listPages } from '../source/s3-listing.ts';
import { s3InputObject, s3Path } from '../source/s3-object.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { InputObjects } from './input-objects.ts';
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
      const url = s3Path(bucket, prefix);
      yield* listPages(await s3(), { bucket, prefix, after, signal, url, clock, random, tries: TRIES });
    },
    open: ({ bucket, key, etag, size }) =>
      s3InputObject({ s3, bucket, key, etag, size, seen: 'listed', clock, random }),
  });
}
