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

/** Requests until a service counts as busy: with the waits between, 5 s on the average, 10 s at most. */
export const TRIES = 10;

/** Refused without effect, for now; the services' names for it, of requests and of entries of a batch. */
const AGAIN = /Throttl|ThroughputExceeded|LimitExceeded|TooManyRequests|SlowDown|RequestTimeout|^Internal|Unavailable/i;
/** Size limits also are called limits, and do not go away. */
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

/** Asks until there is an answer, {@link TRIES} times at most. @throws the client's error, or the signal's reason */
export async function untilAnswered<T>(
  send: (abort: { abortSignal?: AbortSignal }) => Promise<T>,
  service: ServiceOptions,
  { signal }: RequestOptions,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      // One of its own for each request: a signal with many listeners makes node warn of a leak.
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
