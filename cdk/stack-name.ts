/** Stacks of jobs are found by their name. */

/** Of CloudFormation: letters, digits and hyphens, 128 at most. */
const MAX_CHARS = 128;

export function stackName(job: string): string {
  return `Misa-${job.replace(/[^A-Za-z0-9-]/g, '-')}`.slice(0, MAX_CHARS);
}
