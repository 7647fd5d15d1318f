import type { JobServices } from '../job/job-context.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Queue } from '../queue/queue.ts';
import type { BlockCache } from '../state/block-cache.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import type { Report } from './report.ts';
import type { Settings } from './settings.ts';

/** What a function works with; tests give their own. */
export interface Services extends Pick<JobServices, 'insideBytes'> {
  readonly job: PhysicalJob;
  readonly settings: Settings;
  readonly store: ObjectStore;
  /** The queue of a URL. */
  readonly queue: (url: string) => Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly report: Report;
  readonly cache: BlockCache | undefined;
  readonly retentionMs: number;
}
