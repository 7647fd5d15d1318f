/** What is wrong with input for good: an object or a message that can never be planned, and not a service that fails for now. */
import { InputError, UserFunctionError } from '../errors.ts';

/** Trying again changes nothing: it is the input's fault, or that of a function of the job. */
export function isFinal(error: unknown): boolean {
  return error instanceof UserFunctionError || (error instanceof InputError && !error.retryable);
}
