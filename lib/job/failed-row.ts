/**
 * A row that stopped a batch, as people and `misa resume --skip-row` need it: where it is, what was thrown, and its text. It
 * travels with the error, and is written down where the batch halts.
 */
import { type FailedRow, InputError, UserFunctionError } from '../errors.ts';
import type { OperatorFailure } from '../stream/graph/operator.ts';

export type { FailedRow } from '../errors.ts';

/** An error that is the fault of one row, which could be quarantined. */
export type RowError = (UserFunctionError | InputError) & { readonly failed: FailedRow };

/** Whether an error is the fault of one row, which could be quarantined. */
export function isOfRow(error: unknown): error is RowError {
  return (error instanceof UserFunctionError || error instanceof InputError) && error.failed !== undefined;
}

/** What the user's function threw. */
export function failureText({ cause }: OperatorFailure): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/**
 * The public error for what a function of the user threw. @param failed the row at fault; `undefined`: there is no single one
 */
export function userFunctionError(
  job: string,
  failure: OperatorFailure,
  row: unknown,
  failed: FailedRow | undefined,
): UserFunctionError {
  const { operator, cause } = failure;
  const { object, line } = failed ?? {};
  const at = object === undefined ? '' : ` at ${object}${line === undefined ? '' : `, line ${line}`}`;
  const aside =
    failed === undefined
      ? ''
      : `, or set the row aside: misa resume ${job} --skip-row (all such rows: onError: 'quarantine'). The row: ${failed.text}`;
  return new UserFunctionError(
    `job ${job}, operator ${operator}${at}: ${failureText(failure)}. Nothing of this batch was kept; correct the function or the row and run again${aside}`,
    { job, operator, sourceObject: object, row, cause, failed },
  );
}
