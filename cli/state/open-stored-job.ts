/** Finds a job in its store, by its name or by the module that makes it. */

import { readJobFile } from '../../lib/job/job-file.ts';
import { isName, names } from '../../lib/object-store/names.ts';
import { parseStoreUrl } from '../../lib/object-store/store-spec.ts';
import { UsageError } from '../failure.ts';
import { isJobFile, loadJob } from '../load-job.ts';
import { openReadOnly } from './read-only-store.ts';
import type { StoredJob } from './stored-job.ts';

export interface StoreOptions {
  readonly store: string;
  readonly endpoint?: string;
  /** Name of the stack that deployed the job, which knows the store; `true`: the one that `misa deploy` gives it. */
  readonly stack?: string | true;
}

/**
 * A job by its name or module, in a store that is named, or in that of its stack.
 * @throws {MisaError} `NO_STORE`, `NO_JOB`, `NO_STACK`
 */
export async function openStoredJob(job: string, options: StoreOptions): Promise<StoredJob> {
  const name = isJobFile(job) ? (await loadJob(job)).name : job;
  if (!isName(name)) throw new UsageError(`'${job}' is neither a job's name nor its module`);
  if (options.stack !== undefined) return openFromStack(name, options);
  const store = await openReadOnly(parseStoreUrl(options.store, options.endpoint));
  const file = await readJobFile(store, name);
  return { where: options.store, store, file, names: names(name, file.epoch) };
}

async function openFromStack(name: string, { stack, endpoint }: StoreOptions): Promise<StoredJob> {
  // The AWS SDK is not loaded for stores on this machine.
  const { openDeployedJob } = await import('../aws/deployed-job.ts');
  if (endpoint !== undefined) process.env.AWS_ENDPOINT_URL = endpoint;
  return openDeployedJob({ job: name, ...(typeof stack === 'string' ? { stack } : {}) });
}
