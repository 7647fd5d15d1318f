/**
 * What an error of the S3 client means for the caller, told from its plain fields: whether the condition was lost, the
 * request may be sent again, its outcome is unknown, or somebody has to do something first. The client's own retries are
 * off, so that one request is one attempt and only `s3-store.ts` decides.
 */
import { StoreError, StoreTimeoutError } from '../errors.ts';

export interface S3Failure {
  /** S3's code (`NoSuchKey`), the client's, or the system's (`ECONNRESET`). */
  readonly code: string;
  readonly status: number | undefined;
  /** The store's clock, epoch ms, if there was an answer that told it. */
  readonly dateMs: number | undefined;
  /**
   * `lost`: the condition did not hold. `absent`: no such object. `again`: no effect, worth another try. `unknown`: it may
   * have taken effect. `final`: no effect, and none by trying again.
   */
  readonly kind: 'lost' | 'absent' | 'again' | 'unknown' | 'final';
}

const UNREACHABLE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** Refused without effect, for now. `RequestTimeout` (400): S3 gave up waiting for the body. */
const TRANSIENT = new Set([
  'SlowDown',
  'RequestTimeout',
  'ThrottlingException',
  'RequestLimitExceeded',
  'TooManyRequestsException',
]);

export function failureOf(error: unknown): S3Failure {
  const status = numberAt(error, '$metadata', 'httpStatusCode') ?? numberAt(error, '$response', 'statusCode');
  const code = noRegion(error)
    ? 'NoRegion'
    : (textAt(error, 'code') ?? textAt(error, 'Code') ?? textAt(error, 'name') ?? 'unknown');
  const dateMs = parseDate(textAt(error, '$response', 'headers', 'date'));
  return { code, status, dateMs, kind: kindOf(code, status) };
}

/** The client throws a plain `Error` for this. */
function noRegion(error: unknown): boolean {
  return /^Region is missing/.test(textAt(error, 'message') ?? '');
}

function kindOf(code: string, status: number | undefined): S3Failure['kind'] {
  if (status === 412) return 'lost';
  if (status === 409 || status === 429 || TRANSIENT.has(code) || UNREACHABLE.has(code)) return 'again';
  if (code === 'NoSuchBucket') return 'final';
  if (status === 404) return 'absent';
  if (status === 503) return 'again';
  if (status !== undefined) return status >= 500 ? 'unknown' : 'final';
  // No answer: before anything was sent (credentials, region, address), or broken off on the way.
  return /Credentials|Region|ENOENT|InvalidURL|ERR_INVALID/i.test(code) ? 'final' : 'unknown';
}

/** The error that the caller is told, with what to do about it. */
export function s3Error(error: unknown, failure: S3Failure, doing: string, where: { bucket: string }): StoreError {
  const said = error instanceof Error && error.message !== '' ? `: ${error.message}` : '';
  const told = `${doing}: S3 answered ${failure.code}${said}`;
  const fail = (code: string, advice: string, retryable = false): StoreError =>
    new StoreError(code, `${told}. ${advice}`, { retryable, cause: error });
  if (failure.kind === 'unknown') {
    return new StoreTimeoutError(`${told}. Whether it took effect is not known: read it again`, { cause: error });
  }
  if (failure.code === 'NoSuchBucket') {
    return fail('NO_BUCKET', `Create the bucket ${where.bucket}, or correct its name and region`);
  }
  if (/Credentials|ExpiredToken|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken/.test(failure.code)) {
    return fail('STORE_CREDENTIALS', 'Sign in to AWS again, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and the like');
  }
  if (failure.status === 403 || failure.status === 401) {
    return fail('STORE_DENIED', `Allow this role s3:GetObject, PutObject, DeleteObject, ListBucket on ${where.bucket}`);
  }
  if (failure.status === 301 || failure.status === 307 || /Region/i.test(failure.code)) {
    return fail('STORE_REGION', `Set AWS_REGION to the region of the bucket ${where.bucket}`);
  }
  if (UNREACHABLE.has(failure.code)) {
    return fail('STORE_UNREACHABLE', 'Look to the network, and to the endpoint if one is set', true);
  }
  if (failure.kind === 'again') return fail('STORE_BUSY', 'It was asked several times; try again later', true);
  return fail('STORE_REFUSED', 'The request was not carried out');
}

/** An HTTP date as epoch ms. */
export function parseDate(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

function at(value: unknown, path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}

export function textAt(value: unknown, ...path: string[]): string | undefined {
  const found = at(value, path);
  return typeof found === 'string' ? found : undefined;
}

function numberAt(value: unknown, ...path: string[]): number | undefined {
  const found = at(value, path);
  return typeof found === 'number' ? found : undefined;
}
