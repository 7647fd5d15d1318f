/** Errors of AWS's clients as errors that say what to do next. */
import { errorText, MisaError } from '../../lib/errors.ts';

/** Errors that ask to try again later. */
const PASSING = /Throttl|TooManyRequests|RequestLimit|ServiceUnavailable|InternalFailure|InternalError|SlowDown/i;
const UNREACHABLE = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ECONNRESET|TimeoutError|ETIMEDOUT/;
const CREDENTIALS =
  /Credentials|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|InvalidAccessKeyId|InvalidToken|AuthFailure|SSO|ProviderError/i;

interface ClientError {
  readonly name?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/**
 * What an error of a client means for a person.
 * @param doing such as `looking for the stack Misa-clicks`
 */
export function awsError(error: unknown, doing: string, endpoint?: string): MisaError {
  if (error instanceof MisaError) return error;
  const { name = '', code = '', $metadata } = (error ?? {}) as ClientError;
  const said = errorText(error).trim().replace(/\.$/, '') || code || name;
  const what = `${name} ${code} ${$metadata?.httpStatusCode === undefined ? said : ''}`;
  const fail = (kind: string, advice: string, retryable = false): MisaError =>
    new MisaError(kind, `${doing}: ${said}. ${advice}`, { cause: error, retryable });
  if (/Region is missing/.test(what)) {
    return fail('AWS_REGION', 'Set AWS_REGION, or AWS_PROFILE to a profile that has a region');
  }
  if (UNREACHABLE.test(what)) {
    const where = endpoint === undefined ? 'to the network, and to the region' : `whether ${endpoint} is up`;
    return fail('AWS_UNREACHABLE', `It was not reached: look ${where}`, true);
  }
  if (CREDENTIALS.test(what)) {
    const advice = 'Sign in to AWS (aws sso login), or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and the like';
    return fail('AWS_CREDENTIALS', advice);
  }
  if ($metadata?.httpStatusCode === 403 || /AccessDenied|NotAuthorized/.test(what)) {
    return fail('AWS_DENIED', 'Use a role that may do this; docs/aws.md lists the permissions');
  }
  if (PASSING.test(what)) return fail('AWS_BUSY', 'Try again in a moment', true);
  return fail('AWS_FAILED', 'What was done before this is done; the command can be given again');
}
