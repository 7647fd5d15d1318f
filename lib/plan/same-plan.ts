/** ⚑ same-plan: a log entry counts only for the plan that it was made for. */
import { CorruptionError } from '../errors.ts';
import type { LogHeader } from '../log/entry.ts';

/** @throws {CorruptionError} a log entry was made for another plan of that number */
export function assertSamePlan({ n, planHash }: LogHeader, hash: string, object: string): void {
  if (planHash === hash) return;
  throw new CorruptionError(
    object,
    `it was made for another plan ${n}: objects of two histories are mixed. Restore the store from a copy, or start over with a new one; and let one process run a job.`,
  );
}
