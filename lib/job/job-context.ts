/**
 * What everything that works on one job in one process shares: where the job is, what it is, and what it is worked on with.
 * Opened once; whoever needs less takes it whole all the same.
 */
import { type Names, names } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { BlockCache } from '../state/block-cache.ts';
import type { BlockSource } from '../state/block-source.ts';
import type { ColumnChange } from '../stream/compile/layout-change.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import type { Trace } from '../util/trace.ts';
import type { Committer } from './committer.ts';
import { type JobFile, openJobFile } from './job-file.ts';

/** What a process provides for the job that it opens. */
export interface JobServices {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  /** R: how long folded log entries and replaced SSTs are kept, ms. The same for everyone who works on the job. */
  readonly retentionMs: number;
  readonly cache: BlockCache | undefined;
  /** Where blocks of SSTs come from that are not local. Default: the store, in this thread. */
  readonly blocks?: BlockSource | undefined;
  /** Whether the processors have time for more work beside the batches. Default: they always have. */
  readonly spareTime?: (() => boolean) | undefined;
  /** Whether cold partitions look for warm packs, which preload functions write. */
  readonly warmPacks?: boolean | undefined;
  /** Embedded: a halted partition is tried again by the next run; the halt only records the failure. */
  readonly triesHalted?: boolean | undefined;
  /** A segment of at most so many bytes stands in the object of its plan; 0: none does. Default: as the planner has it. */
  readonly insideBytes?: number | undefined;
  /** Keep result rows as objects beside their bytes, for `testJob`. */
  readonly keepRows?: boolean | undefined;
  /** The layout of the state is not changed here: a job with other columns is refused. */
  readonly fixedLayout?: boolean | undefined;
}

/** A job as the store has it: all that commit work needs, which may run in a thread without the job's code. */
export interface StoredJobContext extends Pick<JobServices, 'store' | 'clock' | 'random' | 'trace' | 'retentionMs'> {
  readonly file: JobFile;
  readonly names: Names;
  /** How long results are kept, ms; left out: for ever. */
  readonly keepResultsMs?: number | undefined;
}

export interface JobContext extends StoredJobContext, JobServices {
  /** It keeps to the layout of the stored state. */
  readonly job: PhysicalJob;
  /** What was changed in that layout when the job was opened. */
  readonly changes: readonly ColumnChange[];
}

/** A job that is run: with its commit side, which learns of what is planned and committed. */
export interface RunContext extends JobContext {
  readonly committer: Committer;
}

/** Opens a job on a store: reads its file, or makes it. @throws {MisaError} `JOB_CHANGED` */
export async function openJob(job: PhysicalJob, services: JobServices): Promise<JobContext> {
  const { store, random, fixedLayout } = services;
  const { file, changes } = await openJobFile(store, job, random, fixedLayout);
  const isOwn = job.layout.every((line) => file.layout.includes(line));
  const opened = isOwn ? job : { ...job, stages: job.storedAs(file.layout) };
  const { retentionMs: keepResultsMs } = job.results;
  return { ...services, job: opened, file, changes, names: names(file.name, file.epoch), keepResultsMs };
}
