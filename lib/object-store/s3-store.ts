/**
 * An object store in a bucket of S3, or of a service that keeps S3's promises: strong reads, `If-None-Match: *` and
 * `If-Match` on PUT. The only file that knows the S3 client, which is loaded when a store is opened.
 *
 * One attempt is one request: the client's own retries are off. Reads are tried again here; a conditional write only where
 * the answer says that it had no effect (409, 503). One that broke off is not: it may have taken effect, and the
 * caller alone can tell by the nonce or attempt id in the object (`StoreTimeoutError`). `dateMs` is the answer's `Date`.
 */
import type * as S3 from '@aws-sdk/client-s3';
import { StoreError, StoreTimeoutError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { checkObjectName, checkRange } from './object-name.ts';
import type { ByteRange, GetResult, ListedObject, ObjectStore, RequestOptions, WriteResult } from './object-store.ts';
import { failureOf, parseDate, type S3Failure, s3Error, textAt } from './s3-errors.ts';

const TRIES = 6;
const BACKOFF_MS = 40;
const BACKOFF_MAX_MS = 2_000;
const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 20_000;
const DELETE_PAGE = 1_000;

export interface S3StoreOptions {
  readonly bucket: string;
  /** What all names start with, without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** URL of an S3-compatible service other than AWS. */
  readonly endpoint?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

export class S3Store implements ObjectStore {
  readonly #sdk: typeof S3;
  readonly #client: S3.S3Client;
  readonly #options: S3StoreOptions;
  readonly #prefix: string;
  /** The `Date` of an answer, by the client's output object. */
  readonly #dates = new WeakMap<object, number>();

  private constructor(sdk: typeof S3, client: S3.S3Client, options: S3StoreOptions) {
    this.#sdk = sdk;
    this.#client = client;
    this.#options = options;
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`;
    client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        const dateMs = parseDate(textAt(result.response, 'headers', 'date'));
        if (dateMs !== undefined && result.output !== undefined) this.#dates.set(result.output, dateMs);
        return result;
      },
      { step: 'deserialize', priority: 'high', name: 'answerDate' },
    );
  }

  /** Loads the client. Sends nothing: what is wrong with bucket or credentials, the first request tells. */
  static async open(options: S3StoreOptions): Promise<S3Store> {
    // It would print a page about Node 20 on every start.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
    const sdk = await import('@aws-sdk/client-s3');
    const client = new sdk.S3Client({
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        throwOnRequestTimeout: true,
        socketTimeout: REQUEST_TIMEOUT_MS,
        httpAgent: { maxSockets: 256, keepAlive: true },
        httpsAgent: { maxSockets: 256, keepAlive: true },
      },
      ...(options.endpoint === undefined
        ? {}
        : { endpoint: options.endpoint, forcePathStyle: true, region: process.env.AWS_REGION ?? 'us-east-1' }),
    });
    return new S3Store(sdk, client, options);
  }

  async get(name: string, options: RequestOptions & { range?: ByteRange | undefined } = {}): Promise<GetResult> {
    checkRange(name, options.range);
    const Key = this.#key(name);
    const Bucket = this.#options.bucket;
    const { range } = options;
    if (range?.length === 0) return this.#head(name, options);
    const Range = range && `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const answer = await this.#request('get', name, options, async () => {
      const output = await this.#client.send(new this.#sdk.GetObjectCommand({ Bucket, Key, Range }), abortOf(options));
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
        this.#client.send(new this.#sdk.DeleteObjectsCommand(input), abortOf(options)),
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
        this.#client.send(new this.#sdk.ListObjectsV2Command(command), abortOf(options)),
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
    const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#options.bucket, Key: this.#key(name) });
    const answer = await this.#request('get', name, options, () => this.#client.send(command, abortOf(options)));
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
      this.#client.send(new this.#sdk.PutObjectCommand(input), abortOf(options)),
    );
    if (!answer.done) return { ok: false, dateMs: answer.failure.dateMs ?? this.#options.clock.now() };
    return { ok: true, etag: this.#etag(answer.value.ETag, name), dateMs: this.#dateOf(answer.value) };
  }

  /**
   * Sends until there is an answer, {@link TRIES} times at most, with full jitter between (Brooker 2015, "Exponential
   * backoff and jitter"). Answers `lost`, `absent` and 416 are handed back, all others thrown.
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
      await clock.sleep(random.next() * Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** tries), options.signal);
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
    return this.#dates.get(output) ?? this.#options.clock.now();
  }
}

function abortOf(options: RequestOptions): { abortSignal?: AbortSignal } {
  return options.signal === undefined ? {} : { abortSignal: options.signal };
}
