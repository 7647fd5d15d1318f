/**
 * Which of several sources is read next: the one that is furthest behind in event time, so that their watermarks move
 * together and little state waits. The same wherever a job runs, since which rows are late depends on it.
 */
import type { PhysicalJob } from '../stream/compile/physical.ts';
import type { Planner } from './planner.ts';
import type { SegmentBuilder } from './segment-builder.ts';

interface Readable {
  /** Index of the source in the job. */
  readonly index: number;
  /** `rows`: there are some to take. */
  state(): Promise<string>;
}

/** The furthest behind of the sources that have rows; of equals the first. */
export async function furthestBehind<S extends Readable>(
  sources: readonly S[],
  job: PhysicalJob,
  planner: Planner,
  builder: SegmentBuilder,
): Promise<S | undefined> {
  let best: S | undefined;
  let bestTime = Number.POSITIVE_INFINITY;
  for (const source of sources) {
    if ((await source.state()) !== 'rows') continue;
    const time = reachedBy(source.index, job, planner, builder);
    if (best === undefined || time < bestTime) {
      best = source;
      bestTime = time;
    }
  }
  return best;
}

/** The event time that a source's generators have reached. */
function reachedBy(source: number, job: PhysicalJob, planner: Planner, builder: SegmentBuilder): number {
  let reached = Number.NEGATIVE_INFINITY;
  for (const generator of job.sources[source]!.watermarks) {
    const { id } = job.watermarks[generator]!;
    reached = Math.max(
      reached,
      builder.seen.get(id) ?? planner.progress?.inputs[id]?.maxEventTime ?? Number.NEGATIVE_INFINITY,
    );
  }
  return reached;
}
