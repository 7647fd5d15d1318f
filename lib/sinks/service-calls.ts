/**
 * How sinks ask AWS services: one attempt of the client is one request (its own retries are off), and what failed for now is
 * sent again here. Every request of a sink may be repeated, so a broken connection is tried again like a refusal: the answer alone counts.
 */
import type { RequestOptions } from '../object-store/object-store.ts';
import { textAt } from '../object-store/s3-errors.ts';
import type { AwsClientOptions } from '../util/aws-client.ts';
import { backoffMs } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { SinkError } from './sink.ts';

export interface ServiceOptions extends AwsClientOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** Most tries of a request; with the waits between them 5 s on average, 10 s at most. */
export const TRIES = 10;

/** Error codes of refusals without effect that a later try may pass; of requests, and of single entries of a batch. */
const AGAIN = /Throttl|ThroughputExceeded|LimitExceeded|TooManyRequests|SlowDown|RequestTimeout|^Internal|Unavailable/i;
/** Codes that match the pattern above but do not go away, such as size limits. */
const NEVER = /ItemCollectionSize|Credentials|Region|ENOENT|InvalidURL|ERR_INVALID/i;

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
export async function waitAfter(tries: number, { clock, random }: ServiceOptions, signal?: AbortSignal): Promise<void> {
  await clock.sleep(backoffMs(tries, random), signal);
}

/** Repeats a request until it succeeds or fails for good, at most {@link TRIES} times. @throws the client's error, the signal's reason */
export async function untilAnswered<T>(
  send: (abort: { abortSignal?: AbortSignal }) => Promise<T>,
  service: ServiceOptions,
  { signal }: RequestOptions,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      // Each request has a signal of its own: node warns of a leak where one has many listeners.
      return await send(signal === undefined ? {} : { abortSignal: AbortSignal.any([signal]) });
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayHelpAgain(error) || tries === TRIES) throw error;
    }
    await waitAfter(tries, service, signal);
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
  if (mayHelpAgain(error))
    return fail('SINK_BUSY', `It was asked ${TRIES} times; raise its limits if this goes on`, true);
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
