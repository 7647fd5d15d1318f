/** Which objects are input of which source: those under `in/{job}/{source}/` of the job's bucket, and what the stack adds. */

import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { InputPlace } from '../lib/aws/settings.ts';
import { JobError } from '../lib/errors.ts';
import type { JobDescription } from './describe-job.ts';
import type { InputObjects, MisaJobProps } from './props.ts';
import { STORE_PREFIX } from './store-prefix.ts';

/** Prefix of all input in the job's own bucket. */
export function inputPrefix(job: string): string {
  return `in/${job}/`;
}

export interface NamedInput extends InputObjects {
  readonly source: string;
}

/**
 * What the stack adds, one by one.
 * @throws {JobError} `BAD_INPUTS`: no such source, or objects that the job writes itself
 */
export function namedInputs(job: JobDescription, props: MisaJobProps): NamedInput[] {
  return Object.entries(props.inputs ?? {}).flatMap(([source, given]) => {
    if (!job.sources.includes(source)) {
      throw bad(`inputs name the source '${source}': job ${job.name} reads ${job.sources.join(', ')}`);
    }
    const all = Array.isArray(given) ? (given as readonly InputObjects[]) : [given as InputObjects];
    return all.map(({ bucket, prefix = '' }) => {
      if (prefix !== '' && !prefix.endsWith('/')) {
        throw bad(
          `the prefix '${prefix}' of the input of '${source}' must end with '/', or it takes other folders too`,
        );
      }
      const state = `${STORE_PREFIX}/`;
      if (bucket === props.bucket && (state.startsWith(prefix) || prefix.startsWith(state))) {
        throw bad(`the input of '${source}' would hold what the job writes under ${state}: give another prefix`);
      }
      return { source, bucket, prefix };
    });
  });
}

/** The same, as functions read it from their environment. */
export function inputPlaces(job: JobDescription, own: IBucket, added: readonly NamedInput[]): InputPlace[] {
  const places = job.sources.map((source) => ({
    bucket: own.bucketName,
    prefix: `${inputPrefix(job.name)}${source}/`,
    source,
  }));
  return [
    ...places,
    ...added.map(({ bucket, prefix = '', source }) => ({ bucket: bucket.bucketName, prefix, source })),
  ];
}

function bad(message: string): JobError {
  return new JobError('BAD_INPUTS', message);
}
