/** Names of a job's outputs in the store, those of rows that were set aside among them. */
import type { PhysicalJob } from '../stream/compile/physical.ts';

/** The output that quarantined rows go to, in every job; of stages after the first see {@link quarantineOf}. */
export const QUARANTINE = '_quarantine';

/**
 * The partition of stage 0 that has the rows which the head set aside, of all partitions; it publishes a quarantine with every
 * batch. The others do so only with rows of their own, which an operator refused: most never have any.
 */
export const QUARANTINE_PARTITION = 0;

/** Where a stage's quarantined rows go: results are named by output, partition and batch alone. */
export function quarantineOf(stage: number): string {
  return stage === 0 ? QUARANTINE : `${QUARANTINE}.s${stage}`;
}

export function isQuarantine(output: string): boolean {
  return output.startsWith(QUARANTINE);
}

/** Names of the outputs of a stage, the quarantine aside. */
export function outputNames(job: PhysicalJob, stage: number): string[] {
  return job.outputs.filter((o) => o.stage === stage).map((o) => o.name);
}
