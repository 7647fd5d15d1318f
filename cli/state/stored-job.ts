/** A job as its store has it: found by its name, or by the module that makes it. */
import type { Names } from '../../lib/object-store/names.ts';
import { isName, names } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { parseStoreUrl } from '../../lib/object-store/store-spec.ts';
import { type JobFile, readJobFile } from '../../lib/runtime/job-file.ts';
import { UsageError } from '../failure.ts';
import { isJobFile, loadJob } from '../load-job.ts';
import { openReadOnly } from './read-only-store.ts';

export interface StoreOptions {
  readonly store: string;
  readonly endpoint?: string;
}

export interface StoredJob {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly file: JobFile;
}

/** @throws {MisaError} `NO_STORE`, `NO_JOB` */
export async function openStoredJob(job: string, options: StoreOptions): Promise<StoredJob> {
  const name = isJobFile(job) ? (await loadJob(job)).name : job;
  if (!isName(name)) throw new UsageError(`'${job}' is neither a job's name nor its module`);
  const store = await openReadOnly(parseStoreUrl(options.store, options.endpoint));
  const file = await readJobFile(store, name);
  return { store, file, names: names(name, file.epoch) };
}
