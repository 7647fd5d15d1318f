/**
 * The one place that configures the S3 client, which is loaded when a connection is opened. One attempt is one request:
 * its own retries are off, because only the caller knows what may be sent again. Checksums of answers are not asked for:
 * what Misa stores carries its own, and checking them in the client would hide that a stream broke.
 */
import type * as S3 from '@aws-sdk/client-s3';
import { type AwsClientOptions, awsClientSettings, operationOf } from '../util/aws-client.ts';
import { parseDate, textAt } from './s3-errors.ts';

/** A client, and the module that its commands come from. */
export interface S3Connection {
  readonly sdk: typeof S3;
  readonly client: S3.S3Client;
  /** The `Date` of an answer, epoch ms, by the client's output object. */
  dateOf(output: object): number | undefined;
}

/** Loads the client. Sends nothing: what is wrong with bucket or credentials, the first request tells. */
export async function connectS3(options: AwsClientOptions = {}): Promise<S3Connection> {
  const settings = awsClientSettings('S3', options);
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    ...settings,
    forcePathStyle: settings.endpoint !== undefined,
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const dates = new WeakMap<object, number>();
  client.middlewareStack.add(
    (next, context) => async (args) => {
      options.onRequest?.(operationOf(context));
      const result = await next(args);
      const dateMs = parseDate(textAt(result.response, 'headers', 'date'));
      if (dateMs !== undefined && result.output !== undefined) dates.set(result.output, dateMs);
      return result;
    },
    { step: 'deserialize', priority: 'high', name: 'countAndDate' },
  );
  return { sdk, client, dateOf: (output) => dates.get(output) };
}
