/**
 * What all functions of a job share in one environment of one function: clients, the job and its names, the local cache. It
 * outlives invocations, so it holds nothing that belongs to one: every request looks for the invocation of its caller.
 */
import type { Environment } from '../batch/partition-runner.ts';
import type { CommitEnvironment } from '../job/commit-work.ts';
import { type JobFile, openJobFile } from '../job/job-file.ts';
import { type Names, names } from '../object-store/names.ts';
import type { Trace } from '../util/trace.ts';
import { QueueCommitter } from './committer.ts';
import type { Services } from './services.ts';

/** Services with the job's file: from here on names are known. */
export interface FunctionEnvironment extends Services {
  readonly file: JobFile;
  readonly names: Names;
  readonly commit: CommitEnvironment;
  readonly committer: QueueCommitter;
  readonly engine: Environment;
}

/** Reads (or, where the deployment has not, makes) the job's file. @throws {MisaError} `JOB_CHANGED` */
export async function openEnvironment(services: Services): Promise<FunctionEnvironment> {
  const { job, store, clock, random, cache, retentionMs, report } = services;
  const file = await openJobFile(store, job, random);
  const jobNames = names(job.name, file.epoch);
  const trace: Trace = report;
  const keepResultsMs = job.results.retentionMs;
  const commit: CommitEnvironment = { store, clock, random, trace, names: jobNames, file, retentionMs, keepResultsMs };
  const committer = new QueueCommitter(services, commit);
  const engine: Environment = {
    job,
    store,
    names: jobNames,
    clock,
    random,
    trace,
    committer,
    cache,
    warmPacks: job.preload === 'keys',
    retentionMs,
  };
  return { ...services, file, names: jobNames, commit, committer, engine };
}
