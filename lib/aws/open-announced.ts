/** Opens objects that S3 announced: exactly the version that the notification names. */
import { connectS3, type S3Connection } from '../object-store/s3-client.ts';
import { s3InputObject } from '../source/s3-object.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { OpenObject } from './ingest.ts';

export function openAnnounced({ clock, random, report }: FunctionEnvironment): OpenObject {
  let connection: Promise<S3Connection> | undefined;
  const s3 = (): Promise<S3Connection> => {
    connection ??= connectS3({ onRequest: report.onRequest });
    return connection;
  };
  return ({ bucket, key, etag, size }) => s3InputObject({ s3, bucket, key, etag, size, clock, random });
}
