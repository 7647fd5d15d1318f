/**
 * How sinks ask AWS services: one attempt of the client is one request (its own retries are off), and what failed for now is
 * sent again here, with full jitter between (Brooker 2015, "Exponential backoff and jitter"). Every request of a sink may be
 * repeated, so a broken connection is tried again like a refusal: the answer alone counts.
 */
import type { RequestOptions } from '../object-store/object-store.ts';
import { textAt } from '../object-store/s3-errors.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { SinkError } from './sink.ts';

export interface ServiceOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** URL of a local AWS; by default what the environment says. */
  readonly endpoint?: string | undefined;
}

/** Requests until a service counts as busy: with the waits between, about 15 s. */
export const TRIES = 10;
const BACKOFF_MS = 25;
const BACKOFF_MAX_MS = 5_000;
const CONNECT_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 20_000;

/** Refused without effect, for now; the services' names for it, of requests and of entries of a batch. */
const AGAIN = /Throttl|ThroughputExceeded|LimitExceeded|TooManyRequests|SlowDown|RequestTimeout|^Internal|Unavailable/i;
/** Size limits also are called limits, and do not go away. */
const NEVER = /ItemCollectionSize|Credentials|Region|ENOENT|InvalidURL|ERR_INVALID/i;

/** Settings of a client. */
export function clientOptions({ endpoint }: ServiceOptions): {
  maxAttempts: number;
  requestHandler: object;
  endpoint?: string;
  region?: string;
} {
  // It would print a page about Node 20 on every start.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  return {
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: 64, keepAlive: true },
      httpsAgent: { maxSockets: 64, keepAlive: true },
    },
    ...(endpoint === undefined ? {} : { endpoint, region: process.env.AWS_REGION ?? 'us-east-1' }),
  };
}

/** The service's name for an error, or the system's (`ECONNRESET`). */
export function errorCode(error: unknown): string {
  if (/^Region is missing/.test(textAt(error, 'message') ?? '')) return 'NoRegion';
  return textAt(error, 'code') ?? textAt(error, 'name') ?? 'unknown';
}

/** Whether a refusal with this code is worth another try. */
export function isPassing(code: string): boolean {
  return AGAIN.test(code) && !NEVER.test(code);
}

function statusOf(error: unknown): number | undefined {
  const { $metadata } = (error ?? {}) as { $metadata?: { httpStatusCode?: number } };
  return $metadata?.httpStatusCode;
}

function mayHelpAgain(error: unknown): boolean {
  const code = errorCode(error);
  const status = statusOf(error);
  return isPassing(code) || (!NEVER.test(code) && (status === undefined || status >= 500 || status === 429));
}

/** Waits before try `tries` + 1. */
export async function backoff(tries: number, { clock, random }: ServiceOptions, signal?: AbortSignal): Promise<void> {
  await clock.sleep(random.next() * Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** tries), signal);
}

/** Asks until there is an answer, {@link TRIES} times at most. @throws the client's error, or the signal's reason */
export async function untilAnswered<T>(
  send: (abort: { abortSignal?: AbortSignal }) => Promise<T>,
  service: ServiceOptions,
  { signal }: RequestOptions,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      return await send(signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayHelpAgain(error) || tries === TRIES) throw error;
    }
    await backoff(tries, service, signal);
  }
}

/**
 * What to tell for a service's error.
 * @param doing for example `cannot write to the table t`
 * @param grant the permission that the function needs, for example `dynamodb:PutItem on t`
 */
export function serviceError(error: unknown, doing: string, grant: string): SinkError {
  const code = errorCode(error);
  const said = error instanceof Error && error.message !== '' ? `: ${error.message}` : '';
  const fail = (name: string, advice: string, retryable = false): SinkError =>
    new SinkError(name, `${doing}: the service answered ${code}${said}. ${advice}`, { retryable, cause: error });
  if (mayHelpAgain(error)) return fail('SINK_BUSY', `It was asked ${TRIES} times; raise its limits if this goes on`, true);
  if (/Credentials|ExpiredToken|UnrecognizedClient|InvalidSignature|SecurityToken/i.test(code)) {
    return fail('SINK_CREDENTIALS', 'Sign in to AWS again, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and the like');
  }
  if (/AccessDenied|NotAuthorized/i.test(code) || statusOf(error) === 403) {
    return fail('SINK_DENIED', `Allow the function ${grant}, and the key that encrypts it, if there is one`);
  }
  if (/NotFound|NonExistent|DoesNotExist/i.test(code)) {
    return fail('SINK_MISSING', 'Create it, or correct its name, account and region in the settings of the sink');
  }
  if (/Region/.test(code)) return fail('SINK_REGION', 'Set AWS_REGION');
  return fail('SINK_REFUSED', 'The request was not carried out');
}
