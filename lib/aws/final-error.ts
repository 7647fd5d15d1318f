/** What is wrong with input for good: an object or a message that can never be planned, and not a service that fails for now. */
import { InputError, UserFunctionError } from '../errors.ts';

/** Whether a retry cannot help, because the input or a function of the job is at fault. */
export function isFinal(error: unknown): boolean {
  return error instanceof UserFunctionError || (error instanceof InputError && !error.retryable);
}
