/**
 * What a queue's refusals mean, told from plain fields of an error or of a failed entry of a batch. `retryable` says whether
 * the same call may succeed later, without anybody doing anything.
 */
import { errorText, MisaError } from '../errors.ts';
import { failureOf } from '../object-store/s3-errors.ts';

/** A queue did not do what was asked. */
export class QueueError extends MisaError {
  /** Messages (or receipts) of the call that were carried out before it failed, and how many it had. */
  readonly done: number;
  readonly of: number;

  constructor(
    code: string,
    message: string,
    options: { retryable?: boolean; cause?: unknown; done?: number; of?: number } = {},
  ) {
    super(code, message, options);
    this.done = options.done ?? 0;
    this.of = options.of ?? 0;
  }
}

export interface QueueFailure {
  /** `QueueDoesNotExist`, `RequestThrottled`, `ECONNRESET`. */
  readonly code: string;
  readonly message: string;
  /** Worth another try at once. */
  readonly again: boolean;
}

const THROTTLED = /Throttl|SlowDown|OverLimit|TooManyRequests|LimitExceeded/i;

/** Of a call that failed as a whole. */
export function failureOfCall(error: unknown): QueueFailure {
  const { code, kind } = failureOf(error);
  const name = code.replace(/^AWS\.SimpleQueueService\./, '');
  // A send whose answer is lost is sent again: a queue doubles messages anyway, and de-duplication ids tell.
  const again = kind === 'again' || kind === 'unknown' || (THROTTLED.test(name) && name !== 'OverLimit');
  return { code: name, message: errorText(error), again };
}

/** Of one entry of a batch that went through otherwise. */
export function failureOfEntry(entry: {
  readonly Code?: string | undefined;
  readonly Message?: string | undefined;
  readonly SenderFault?: boolean | undefined;
}): QueueFailure {
  const code = (entry.Code ?? 'unknown').replace(/^AWS\.SimpleQueueService\./, '');
  return { code, message: entry.Message ?? code, again: entry.SenderFault !== true || THROTTLED.test(code) };
}

/** The error for people, with what to do. @param doing `send to <url>` */
export function queueError(
  { code, message, again }: QueueFailure,
  doing: string,
  counts: { done: number; of: number },
  cause?: unknown,
): QueueError {
  const went = counts.of > 0 ? ` (${counts.done} of ${counts.of} went)` : '';
  const fail = (stable: string, advice: string, retryable = false): QueueError =>
    new QueueError(stable, `cannot ${doing}${went}: ${code}: ${message}. ${advice}`, { ...counts, retryable, cause });
  if (/QueueDoesNotExist|NonExistentQueue|QueueDeletedRecently/.test(code)) {
    return fail('NO_QUEUE', 'Check the URL of the queue, and its region; deploy the job if it is not deployed');
  }
  if (/Credentials|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient/.test(code)) {
    return fail('QUEUE_CREDENTIALS', 'Sign in to AWS again, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and the like');
  }
  if (/AccessDenied|NotAuthorized/.test(code)) {
    return fail('QUEUE_DENIED', 'Allow this role the action on the queue, and its KMS key if it has one');
  }
  if (/Region|InvalidAddress|InvalidURL|ERR_INVALID/i.test(code)) {
    return fail('QUEUE_URL', 'Set AWS_REGION, and give the URL of the queue as AWS shows it');
  }
  if (/ReceiptHandle|MessageNotInflight/.test(code) || /receipt ?handle/i.test(message)) {
    return fail('RECEIPT_EXPIRED', 'The message was shown to others again: whoever receives it next finishes it');
  }
  if (/TooLong|InvalidMessageContents|InvalidParameterValue|MissingParameter|MissingRequiredParameter/.test(code)) {
    return fail('BAD_MESSAGE', 'The queue does not take such a message; send it no more as it is');
  }
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/.test(code)) {
    return fail('QUEUE_UNREACHABLE', 'Look to the network, and to the endpoint if one is set', true);
  }
  if (again) return fail('QUEUE_BUSY', 'It was asked several times; try again later', true);
  return fail('QUEUE_REFUSED', 'The request was not carried out');
}
