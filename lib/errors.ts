/**
 * The errors Misa throws. `code` is stable and for programs; `message` is for people and says what to do next. A class is
 * named for what the caller can do: repair the job, repair the input, reload and try again, or stop.
 */

export interface MisaErrorOptions {
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** Every error Misa throws. */
export class MisaError extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: MisaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The job cannot work as written. */
export class JobError extends MisaError {}

/** The input cannot be read, or a bad row with `onBadRow: 'fail'`. */
export class InputError extends MisaError {
  readonly sourceObject: string;
  /** The row, where it is one. */
  readonly failed: FailedRow | undefined;

  constructor(
    code: string,
    message: string,
    sourceObject: string,
    options: MisaErrorOptions & { readonly failed?: FailedRow } = {},
  ) {
    super(code, message, options);
    this.sourceObject = sourceObject;
    this.failed = options.failed;
  }
}

/** A row that stopped a batch: where it is, what is wrong with it, and its text (cut). */
export interface FailedRow {
  readonly message: string;
  readonly text: string;
  /** That refused it; `undefined`: it is bad input. */
  readonly operator?: string | undefined;
  readonly source?: string | undefined;
  readonly object?: string | undefined;
  /** In the object, from 1. */
  readonly line?: number | undefined;
  /** Which row it is among those that an operator was given; `undefined`: object and line say so. */
  readonly place?: string | undefined;
}

/** A function of the job threw (`cause`). */
export class UserFunctionError extends MisaError {
  readonly job: string;
  readonly operator: string;
  readonly sourceObject: string | undefined;
  readonly row: unknown;
  readonly failed: FailedRow | undefined;
  /** The batch that failed, where it was planned. */
  at: { readonly path: string; readonly n: number; readonly planHash: string } | undefined;

  constructor(
    message: string,
    where: {
      job: string;
      operator: string;
      sourceObject: string | undefined;
      row: unknown;
      cause: unknown;
      failed?: FailedRow | undefined;
    },
  ) {
    super('USER_FUNCTION', message, { cause: where.cause });
    this.job = where.job;
    this.operator = where.operator;
    this.sourceObject = where.sourceObject;
    this.row = where.row;
    this.failed = where.failed;
  }
}

const REPAIR = 'Nothing was overwritten: put this object back from a copy of the store, or start over with a new store';

/** A stored object is not what it must be. Nothing is overwritten; the message names the object. */
export class CorruptionError extends MisaError {
  readonly object: string;
  /** What is wrong with it. */
  readonly what: string;

  constructor(object: string, what: string, options: MisaErrorOptions = {}) {
    super('CORRUPT', `${object} is corrupted: ${what}. ${REPAIR}`, options);
    this.object = object;
    this.what = what;
  }
}

/** The object store did not do what was asked (disk full, no permission, time-out, unreachable). */
export class StoreError extends MisaError {}

/** A time-out or lost connection: whether the request took effect is not known. */
export class StoreTimeoutError extends StoreError {
  constructor(message: string, options: MisaErrorOptions = {}) {
    super('STORE_TIMEOUT', message, { ...options, retryable: true });
  }
}

/** Another process has taken this place (a newer epoch, a partition that moved on); stop and start from what is durable. */
export class FencedError extends MisaError {
  constructor(message: string) {
    super('FENCED', message, { retryable: true });
  }
}

/** Text for any thrown value. */
export function errorText(error: unknown): string {
  // Messages of the JavaScript engine quote single code units of a text, which may be half a pair.
  return (error instanceof Error ? error.message : String(error)).toWellFormed();
}
