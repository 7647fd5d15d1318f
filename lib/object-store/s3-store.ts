/**
 * An object store in a bucket of S3, or of a service that keeps S3's promises: strong reads, `If-None-Match: *` and
 * `If-Match` on PUT.
 *
 * One attempt is one request (see s3-client.ts). Reads are tried again here; a conditional write only where
 * the answer says that it had no effect (409, 503). One that broke off is not: it may have taken effect, and the
 * caller alone can tell by the nonce or attempt id in the object (`StoreTimeoutError`). `dateMs` is the answer's `Date`.
 */
import { StoreError, StoreTimeoutError } from '../errors.ts';
import { backoffMs } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { checkObjectName, checkRange } from './object-name.ts';
import type { ByteRange, GetResult, ListedObject, ObjectStore, RequestOptions, WriteResult } from './object-store.ts';
import { connectS3, type S3Connection } from './s3-client.ts';
import { failureOf, type S3Failure, s3Error } from './s3-errors.ts';

const TRIES = 6;
const DELETE_PAGE = 1_000;

export interface S3StoreOptions {
  readonly bucket: string;
  /** What all names start with, without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** URL of an S3-compatible service other than AWS. */
  readonly endpoint?: string | undefined;
  /** Told each request that goes out, by its name (`GetObject`). */
  readonly onRequest?: ((operation: string) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

export class S3Store implements ObjectStore {
  readonly #s3: S3Connection;
  readonly #options: S3StoreOptions;
  readonly #prefix: string;

  private constructor(s3: S3Connection, options: S3StoreOptions) {
    this.#s3 = s3;
    this.#options = options;
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`;
  }

  /** Loads the client. Sends nothing. */
  static async open(options: S3StoreOptions): Promise<S3Store> {
    return new S3Store(await connectS3(options), options);
  }

  async get(name: string, options: RequestOptions & { range?: ByteRange | undefined } = {}): Promise<GetResult> {
    checkRange(name, options.range);
    const Key = this.#key(name);
    const Bucket = this.#options.bucket;
    const { range } = options;
    if (range?.length === 0) return this.#head(name, options);
    const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const answer = await this.#request('get', name, options, async () => {
      const output = await this.#s3.client.send(
        new this.#s3.sdk.GetObjectCommand({ Bucket, Key, Range }),
        abortOf(options),
      );
      return { output, body: (await output.Body?.transformToByteArray()) ?? new Uint8Array(0) };
    });
    if (!answer.done) {
      if (answer.failure.status === 416) return this.#head(name, options);
      return this.#missing(answer.failure);
    }
    const { output, body } = answer.value;
    const size = Number(/\/(\d+)$/.exec(output.ContentRange ?? '')?.[1] ?? body.length);
    return { found: true, body, etag: this.#etag(output.ETag, name), size, dateMs: this.#dateOf(output) };
  }

  create(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<WriteResult> {
    return this.#write('create', name, body, { IfNoneMatch: '*' }, options);
  }

  compareAndSet(
    name: string,
    body: Uint8Array,
    expected: string | undefined,
    options: RequestOptions = {},
  ): Promise<WriteResult> {
    const condition = expected === undefined ? { IfNoneMatch: '*' } : { IfMatch: expected };
    return this.#write('compare and set', name, body, condition, options);
  }

  async put(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<void> {
    await this.#write('put', name, body, {}, options);
  }

  async delete(names: readonly string[], options: RequestOptions = {}): Promise<void> {
    const keys = names.map((name) => this.#key(name));
    for (let start = 0; start < keys.length; start += DELETE_PAGE) {
      const Objects = keys.slice(start, start + DELETE_PAGE).map((Key) => ({ Key }));
      const input = { Bucket: this.#options.bucket, Delete: { Objects, Quiet: true } };
      const doing = `${Objects[0]!.Key} and ${Objects.length - 1} more`;
      // Deleting again does no harm, so it is tried again like a read.
      const answer = await this.#request('delete', doing, options, () =>
        this.#s3.client.send(new this.#s3.sdk.DeleteObjectsCommand(input), abortOf(options)),
      );
      const refused = answer.done ? answer.value.Errors?.find((error) => error.Code !== 'NoSuchKey') : undefined;
      if (refused !== undefined) {
        const what = `cannot delete ${refused.Key}: S3 answered ${refused.Code} ${refused.Message ?? ''}`;
        throw new StoreError(refused.Code === 'AccessDenied' ? 'STORE_DENIED' : 'STORE_BUSY', what, {
          retryable: refused.Code !== 'AccessDenied',
        });
      }
    }
  }

  async *list(
    prefix: string,
    options: RequestOptions & { after?: string | undefined } = {},
  ): AsyncGenerator<ListedObject, void, void> {
    const input = {
      Bucket: this.#options.bucket,
      Prefix: this.#prefix + prefix,
      StartAfter: options.after === undefined ? undefined : this.#prefix + options.after,
    };
    let ContinuationToken: string | undefined;
    do {
      const command = { ...input, ContinuationToken };
      const answer = await this.#request('list', prefix, options, () =>
        this.#s3.client.send(new this.#s3.sdk.ListObjectsV2Command(command), abortOf(options)),
      );
      if (!answer.done) return;
      for (const { Key, Size, LastModified } of answer.value.Contents ?? []) {
        const name = (Key ?? '').slice(this.#prefix.length);
        yield { name, size: Size ?? 0, modifiedMs: LastModified?.getTime() ?? 0 };
      }
      ContinuationToken = answer.value.NextContinuationToken;
    } while (ContinuationToken !== undefined);
  }

  /** Size and etag, for ranges of no bytes and those beyond the end (416). */
  async #head(name: string, options: RequestOptions): Promise<GetResult> {
    const command = new this.#s3.sdk.HeadObjectCommand({ Bucket: this.#options.bucket, Key: this.#key(name) });
    const answer = await this.#request('get', name, options, () => this.#s3.client.send(command, abortOf(options)));
    if (!answer.done) return this.#missing(answer.failure);
    const { ETag, ContentLength } = answer.value;
    const dateMs = this.#dateOf(answer.value);
    return { found: true, body: new Uint8Array(0), etag: this.#etag(ETag, name), size: ContentLength ?? 0, dateMs };
  }

  async #write(
    doing: string,
    name: string,
    Body: Uint8Array,
    condition: { IfNoneMatch?: string; IfMatch?: string },
    options: RequestOptions,
  ): Promise<WriteResult> {
    const input = { Bucket: this.#options.bucket, Key: this.#key(name), Body, ...condition };
    const answer = await this.#request(doing, name, options, () =>
      this.#s3.client.send(new this.#s3.sdk.PutObjectCommand(input), abortOf(options)),
    );
    if (!answer.done) return { ok: false, dateMs: answer.failure.dateMs ?? this.#options.clock.now() };
    return { ok: true, etag: this.#etag(answer.value.ETag, name), dateMs: this.#dateOf(answer.value) };
  }

  /**
   * Sends until there is an answer, {@link TRIES} times at most. Answers `lost`, `absent` and 416 are handed back, all
   * others thrown.
   */
  async #request<T>(
    doing: string,
    name: string,
    options: RequestOptions,
    send: () => Promise<T>,
  ): Promise<{ done: true; value: T } | { done: false; failure: S3Failure }> {
    const { clock, random, bucket } = this.#options;
    const safe = doing === 'get' || doing === 'list' || doing === 'delete' || doing === 'put';
    for (let tries = 1; ; tries++) {
      options.signal?.throwIfAborted();
      try {
        return { done: true, value: await send() };
      } catch (error) {
        options.signal?.throwIfAborted();
        const failure = failureOf(error);
        const { kind, status } = failure;
        if (kind === 'lost' || kind === 'absent' || status === 416) return { done: false, failure };
        const again = kind === 'again' || (kind === 'unknown' && safe);
        if (!again || tries === TRIES) {
          throw s3Error(error, failure, `cannot ${doing} s3://${bucket}/${this.#prefix}${name}`, this.#options);
        }
      }
      await clock.sleep(backoffMs(tries, random), options.signal);
    }
  }

  #key(name: string): string {
    checkObjectName(name);
    return this.#prefix + name;
  }

  #etag(etag: string | undefined, name: string): string {
    if (etag === undefined) throw new StoreTimeoutError(`S3 answered without an ETag for ${name}: read it again`);
    return etag;
  }

  #missing(failure: S3Failure): GetResult {
    return { found: false, dateMs: failure.dateMs ?? this.#options.clock.now() };
  }

  #dateOf(output: object): number {
    return this.#s3.dateOf(output) ?? this.#options.clock.now();
  }
}

function abortOf(options: RequestOptions): { abortSignal?: AbortSignal } {
  return options.signal === undefined ? {} : { abortSignal: options.signal };
}
