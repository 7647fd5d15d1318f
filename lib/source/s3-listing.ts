/** Requests for objects in S3 that only read, so that they may be sent again, and the listing of a bucket, page by page. */
import type { S3Connection } from '../object-store/s3-client.ts';
import { failureOf } from '../object-store/s3-errors.ts';
import { backoffMs } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { answersOf, listErrorOf } from './s3-input-errors.ts';

/** An object that is there. */
export interface ListedInput {
  readonly bucket: string;
  readonly key: string;
  /** Of the version that is there, without quotes. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  /** When this version was written, epoch ms, by the service's clock. */
  readonly modifiedMs: number;
}

export interface Resending {
  readonly clock: Clock;
  readonly random: Random;
  /** Requests at most. */
  readonly tries: number;
}

/** Sends a request, and again where S3 may answer another time. */
export async function resend<T>(send: () => Promise<T>, { clock, random, tries: most }: Resending): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await send();
    } catch (error) {
      if (answersOf(failureOf(error)) !== 'again' || tries >= most) throw error;
      await clock.sleep(backoffMs(tries, random));
    }
  }
}

export interface Listing extends Resending {
  readonly bucket: string;
  readonly prefix: string;
  /** Only keys behind this one. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What is listed, for messages. */
  readonly url: string;
}

/**
 * Objects whose key begins with the prefix, in the order of their keys' bytes, by the page: one request each.
 * @throws {InputError} `INPUT_UNREADABLE`, `INPUT_MISSING`; the signal's reason when aborted
 */
export async function* listPages(
  { sdk, client }: S3Connection,
  listing: Listing,
): AsyncGenerator<readonly ListedInput[], void, undefined> {
  const { bucket, prefix, after, signal, url } = listing;
  let ContinuationToken: string | undefined;
  do {
    const command = new sdk.ListObjectsV2Command({
      Bucket: bucket,
      Prefix: prefix,
      // Keys come URL-encoded, as XML cannot hold all that a key may be.
      EncodingType: 'url',
      ...(ContinuationToken !== undefined ? { ContinuationToken } : after ? { StartAfter: after } : {}),
    });
    const send = () => client.send(command, signal === undefined ? {} : { abortSignal: signal });
    const answer = await resend(send, listing).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw listErrorOf(error, url, bucket);
    });
    const keyOf = (key: string): string =>
      answer.EncodingType === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
    yield (answer.Contents ?? []).map(
      ({ Key = '', ETag = '', Size = 0, LastModified }): ListedInput => ({
        bucket,
        key: keyOf(Key),
        etag: ETag.replaceAll('"', ''),
        size: Size,
        modifiedMs: LastModified?.getTime() ?? 0,
      }),
    );
    ContinuationToken = answer.NextContinuationToken;
  } while (ContinuationToken !== undefined);
}
