/**
 * What all functions of a job share in one environment of one function: clients, the job and its names, the local cache. It
 * outlives invocations, so it holds nothing that belongs to one: every request looks for the invocation of its caller.
 */
import { type JobContext, openJob } from '../job/job-context.ts';
import { QueueCommitter } from './committer.ts';
import type { Services } from './services.ts';

/** Services with the job opened. */
export interface FunctionEnvironment extends Services, JobContext {
  readonly committer: QueueCommitter;
}

/** Reads (or, where the deployment has not, makes) the job's file. @throws {MisaError} `JOB_CHANGED` */
export async function openEnvironment(services: Services): Promise<FunctionEnvironment> {
  const { job, report } = services;
  const warmPacks = job.preload === 'keys';
  const context = await openJob(job, { ...services, trace: report, warmPacks, fixedLayout: true });
  return { ...services, ...context, committer: new QueueCommitter(services, context) };
}
