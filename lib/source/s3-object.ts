/**
 * One version of an object in S3 as an input: every request names its etag, so that no row comes from bytes that were
 * written later. Text is one streaming GET; a stream that breaks goes on, by another GET, at the byte where it broke.
 * Ranged reads that are asked for together, as for a Parquet row group, are merged where they lie close to each other.
 */
import type { Hash } from 'node:crypto';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { errorText, InputError } from '../errors.ts';
import type { S3Connection } from '../object-store/s3-client.ts';
import { failureOf } from '../object-store/s3-errors.ts';
import { backoffMs } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { blockEnd } from './file-blocks.ts';
import type { InputObject, ObjectReader } from './input-object.ts';
import { mergeReads } from './merge-reads.ts';
import { answersOf, inputErrorOf, overwritten, type Seen } from './s3-input-errors.ts';

/** Requests in a row that bring not one byte. */
const TRIES = 6;

export interface S3ObjectOptions {
  /** Opens the connection, or gives the one that is open; called when the object is first read. */
  readonly s3: () => Promise<S3Connection>;
  readonly bucket: string;
  /** As it is, not as a notification encodes it. */
  readonly key: string;
  /** Of the version to be read, with or without its quotes. */
  readonly etag: string;
  /** Bytes of that version. */
  readonly size: number;
  /** In a bucket that keeps versions: reads this one even if it was overwritten. */
  readonly versionId?: string | undefined;
  /** Where the version is known from, for messages. Default `announced`. */
  readonly seen?: Seen | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** An object as an input. Nothing is asked of S3 until it is read. */
export function s3InputObject(options: S3ObjectOptions): InputObject {
  const path = s3Path(options.bucket, options.key);
  return { path, size: options.size, open: async () => new S3ObjectReader(path, await options.s3(), options) };
}

/** How an object is named to people: `s3://bucket/key`. */
export function s3Path(bucket: string, key: string): string {
  return `s3://${bucket}/${key}`;
}

interface PendingRead {
  readonly offset: number;
  readonly length: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (bytes: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

class S3ObjectReader implements ObjectReader {
  readonly #path: string;
  readonly #s3: S3Connection;
  readonly #options: S3ObjectOptions;
  readonly #etag: string;
  readonly #closed = new AbortController();
  #pending: PendingRead[] = [];

  constructor(path: string, s3: S3Connection, options: S3ObjectOptions) {
    this.#path = path;
    this.#s3 = s3;
    this.#options = options;
    this.#etag = quoted(options.etag);
  }

  async *blocks(offset: number, hash?: Hash, signal?: AbortSignal): AsyncGenerator<Buffer> {
    for await (const block of inBlocks(this.#stream(offset, this.#options.size, signal), offset)) {
      hash?.update(block);
      yield block;
    }
  }

  read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    if (length === 0) return Promise.resolve(Buffer.alloc(0));
    return new Promise((resolve, reject) => {
      this.#pending.push({ offset, length, signal, resolve, reject });
      if (this.#pending.length === 1) queueMicrotask(() => this.#sendPending());
    });
  }

  async close(): Promise<void> {
    this.#closed.abort(new InputError('INPUT_UNREADABLE', `${this.#path} was closed while it was read`, this.#path));
  }

  #sendPending(): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const { offset, end, reads } of mergeReads(pending)) {
      this.#collect(offset, end, reads[0]!.signal).then(
        (bytes) => {
          for (const read of reads) {
            read.resolve(bytes.subarray(read.offset - offset, read.offset - offset + read.length));
          }
        },
        (error: unknown) => {
          for (const read of reads) read.reject(error);
        },
      );
    }
  }

  async #collect(offset: number, end: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(end - offset);
    let at = 0;
    for await (const part of this.#stream(offset, end, signal)) at += part.copy(bytes, at);
    return bytes;
  }

  /** Bytes [offset, end) as they come, over as many requests as it takes. */
  async *#stream(offset: number, end: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
    const { clock, random } = this.#options;
    const ended = AbortSignal.any(signal === undefined ? [this.#closed.signal] : [this.#closed.signal, signal]);
    let at = offset;
    for (let tries = 1; at < end; tries++) {
      try {
        for await (const part of this.#get(at, end, ended)) {
          ended.throwIfAborted();
          at += part.length;
          tries = 0;
          yield part;
        }
        if (at < end) throw new Error(`the answer ended ${end - at} bytes early`);
      } catch (error) {
        ended.throwIfAborted();
        if (error instanceof InputError) throw error;
        const answer = answersOf(failureOf(error));
        if (answer !== 'again' || tries >= TRIES) throw inputErrorOf(error, answer, this.#path, this.#options);
      }
      if (at < end) await clock.sleep(backoffMs(Math.max(1, tries), random), ended);
    }
  }

  /** One request. */
  async *#get(at: number, end: number, ended: AbortSignal): AsyncGenerator<Buffer> {
    const { bucket, key, versionId, size } = this.#options;
    const whole = at === 0 && end === size;
    const command = new this.#s3.sdk.GetObjectCommand({
      Bucket: bucket,
      Key: key,
      IfMatch: this.#etag,
      ...(whole ? {} : { Range: `bytes=${at}-${end - 1}` }),
      ...(versionId === undefined ? {} : { VersionId: versionId }),
    });
    const request = new AbortController();
    let done = false;
    try {
      const answer = await this.#s3.client.send(command, { abortSignal: AbortSignal.any([request.signal, ended]) });
      this.#check(answer, whole);
      let left = end - at;
      for await (const part of answer.Body as AsyncIterable<Uint8Array>) {
        const bytes = Buffer.from(part.buffer, part.byteOffset, Math.min(part.byteLength, left));
        left -= bytes.length;
        if (bytes.length > 0) yield bytes;
      }
      done = true;
    } finally {
      if (!done) request.abort(); // the rest would hold its connection until nobody reads it
    }
  }

  /** A service that does not know conditions on GET answers with what is there now. */
  #check({ ETag, ContentLength, ContentRange }: GetObjectCommandOutput, whole: boolean): void {
    const total = whole ? ContentLength : Number(/\/(\d+)$/.exec(ContentRange ?? '')?.[1] ?? Number.NaN);
    const { size, seen } = this.#options;
    if (ETag !== undefined && quoted(ETag) !== this.#etag) throw overwritten(this.#path, 'it has another etag', seen);
    if (total === undefined || total === size) return;
    if (Number.isNaN(total)) throw new Error(`S3 answered with ${errorText(ContentRange)} in place of a range`);
    throw overwritten(this.#path, `it had ${size} bytes and now has ${total}`, seen);
  }
}

/** Parts as they come, cut and joined to the blocks that files are read in. @param offset where the first part begins */
async function* inBlocks(parts: AsyncIterable<Buffer>, offset: number): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let at = offset;
  let end = blockEnd(offset);
  for await (let part of parts) {
    while (at + part.length >= end) {
      const rest = part.subarray(0, end - at);
      yield waiting.length === 0 ? rest : Buffer.concat([...waiting, rest]);
      part = part.subarray(rest.length);
      waiting = [];
      at = end;
      end = blockEnd(at);
    }
    if (part.length === 0) continue;
    waiting.push(part);
    at += part.length;
  }
  if (waiting.length > 0) yield Buffer.concat(waiting);
}

function quoted(etag: string): string {
  return etag.startsWith('"') ? etag : `"${etag}"`;
}
