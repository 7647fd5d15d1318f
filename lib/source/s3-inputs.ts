/**
 * Objects in S3 as inputs of a run: from `s3://bucket/prefix/*.ndjson.gz` to the objects that it means, in an order that does
 * not depend on S3, each with the version that is there now. What a pattern means is as for files.
 */
import picomatch from 'picomatch';
import { isDynamicPattern } from 'tinyglobby';
import { InputError } from '../errors.ts';
import { connectS3, type S3Connection } from '../object-store/s3-client.ts';
import { failureOf } from '../object-store/s3-errors.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { detectFormat, knownExtensions } from './format.ts';
import type { ObjectRef } from './input-ref.ts';
import { answersOf, inputErrorOf } from './s3-input-errors.ts';
import { type ListedInput, listPages, resend } from './s3-listing.ts';
import { s3InputObject, s3Path } from './s3-object.ts';

/** Most objects of one pattern. */
const MAX_OBJECTS = 1_000_000;
const TRIES = 6;

export interface S3InputsOptions {
  /** Of an S3-compatible service other than AWS. */
  readonly endpoint?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Called with the name of each request. */
  readonly onRequest?: ((operation: string) => void) | undefined;
}

export function isS3Url(text: string): boolean {
  return /^s3:\/\//i.test(text);
}

export class S3Inputs {
  readonly #options: S3InputsOptions;
  #connection: Promise<S3Connection> | undefined;

  /** Sends nothing, and loads no client, until an object is asked for. */
  constructor(options: S3InputsOptions) {
    this.#options = options;
  }

  /**
   * The objects of `s3://bucket/key`, or of a glob, by key in code-unit order. Keys that end with `/` stand for folders and
   * are passed over. A key that exists as written is taken as it is.
   * @throws {InputError} `INPUT_MISSING`, `INPUT_UNREADABLE`, `INPUT_FORMAT`
   */
  async find(url: string): Promise<ObjectRef[]> {
    const { bucket, key: pattern } = parse(url);
    if (pattern === '' || pattern.endsWith('/')) {
      const advice = `Name its objects with a glob: '${s3Path(bucket, pattern)}**/*.ndjson'.`;
      throw new InputError('INPUT_UNREADABLE', `${url} is a folder. ${advice}`, url);
    }
    if (!isDynamicPattern(pattern)) {
      const found = await this.#head(bucket, pattern);
      if (found === undefined) throw await this.#missing(url, bucket, pattern);
      return [found];
    }
    const matches = picomatch(pattern, { nonegate: true });
    const found: ListedInput[] = [];
    for await (const object of this.#list(url, bucket, fixedPart(pattern))) {
      if (object.key === pattern) return [this.#ref(bucket, object)];
      if (object.key.endsWith('/') || !matches(object.key)) continue;
      if (found.length === MAX_OBJECTS) {
        const what = `${url} matches more than ${MAX_OBJECTS} objects, which is the most that are read.`;
        throw new InputError('INPUT_UNREADABLE', what, url);
      }
      found.push(object);
    }
    if (found.length === 0) throw await this.#missing(url, bucket, pattern);
    return found.sort((a, b) => (a.key < b.key ? -1 : 1)).map((object) => this.#ref(bucket, object));
  }

  /** The version of an object that is there now. @throws {InputError} `INPUT_MISSING`, `INPUT_UNREADABLE` */
  async ref(url: string): Promise<ObjectRef> {
    const { bucket, key } = parse(url);
    const found = await this.#head(bucket, key);
    if (found !== undefined) return found;
    throw new InputError(
      'INPUT_MISSING',
      `There is no object ${url}. If it was deleted after rows of it were planned, put it back as it was.`,
      url,
    );
  }

  #ref(bucket: string, { key, etag: quoted, size }: Pick<ListedInput, 'key' | 'etag' | 'size'>): ObjectRef {
    const { clock, random } = this.#options;
    const etag = quoted.replaceAll('"', '');
    detectFormat(key);
    const object = s3InputObject({ s3: this.#s3, bucket, key, etag, size, clock, random, seen: 'listed' });
    return { ...object, etag };
  }

  readonly #s3 = (): Promise<S3Connection> => {
    const { endpoint, onRequest } = this.#options;
    this.#connection ??= connectS3({ endpoint, onRequest });
    return this.#connection;
  };

  async #head(bucket: string, key: string): Promise<ObjectRef | undefined> {
    const { sdk, client } = await this.#s3();
    const path = s3Path(bucket, key);
    try {
      const command = new sdk.HeadObjectCommand({ Bucket: bucket, Key: key });
      const { clock, random } = this.#options;
      const { ETag, ContentLength } = await resend(() => client.send(command), { clock, random, tries: TRIES });
      return this.#ref(bucket, { key, etag: ETag ?? '', size: ContentLength ?? 0 });
    } catch (error) {
      if (error instanceof InputError) throw error;
      if (failureOf(error).kind === 'absent') return undefined;
      // The answer to a HEAD has no body, so it does not say why: that to a GET does.
      const why = await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key, Range: 'bytes=0-0' })).then(
        () => error,
        (again: unknown) => again,
      );
      throw inputErrorOf(why, answersOf(failureOf(why)), path, { bucket, key, seen: 'listed' });
    }
  }

  async *#list(url: string, bucket: string, prefix: string): AsyncGenerator<ListedInput> {
    const { clock, random } = this.#options;
    for await (const page of listPages(await this.#s3(), { bucket, prefix, url, clock, random, tries: TRIES }))
      yield* page;
  }

  /** Says where it was looked, and what is there instead. */
  async #missing(url: string, bucket: string, pattern: string): Promise<InputError> {
    const dynamic = isDynamicPattern(pattern);
    const fixed = fixedPart(pattern);
    const folder = fixed.slice(0, fixed.lastIndexOf('/') + 1);
    const near: string[] = [];
    try {
      for await (const { key } of this.#list(url, bucket, folder)) {
        if (!key.endsWith('/')) near.push(s3Path(bucket, key));
        if (near.length === 3) break;
      }
    } catch (error) {
      // A role that may not list, but read, is told no more than that.
      if (dynamic || (error instanceof InputError && error.code === 'INPUT_MISSING')) return error as InputError;
    }
    const what = dynamic ? `No object matches ${url}` : `There is no object ${url}`;
    const hint = near.length > 0 ? ` There: ${near.join(', ')}.` : '';
    const text = `${what} (looked in ${s3Path(bucket, folder)}).${hint} Known are ${knownExtensions}.`;
    return new InputError('INPUT_MISSING', text, url);
  }
}

/** What all keys that match begin with. */
function fixedPart(pattern: string): string {
  return isDynamicPattern(pattern) ? /^[^*?[\]{}()!+@|\\]*/.exec(pattern)![0] : pattern;
}

function parse(url: string): { bucket: string; key: string } {
  const [, bucket, key] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/is.exec(url) ?? [];
  if (bucket === undefined) {
    const advice = `write s3://bucket/key, or a glob such as 's3://bucket/folder/*.ndjson.gz'`;
    throw new InputError('INPUT_MISSING', `${url} names no object: ${advice}.`, url);
  }
  return { bucket, key: key ?? '' };
}
