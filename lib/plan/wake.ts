/**
 * When a batch is to be run though no row comes and no watermark moves: timers by processing time are due then. Each partition says in its log entry
 * when its next one is; manifests keep it.
 */
import type { JobContext } from '../job/job-context.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { smallest } from '../util/numbers.ts';
import { saidIn } from './said.ts';

/** Whether any operator of the job ever says so. */
export function mayWake({ stages }: PhysicalJob): boolean {
  return stages.some(({ operators }) => operators.some(({ operator }) => operator.wakes));
}

/**
 * @param n number of the last plan
 * @returns the least of what all partitions said in batch n, epoch ms; `null`: none said anything, or not every one has committed it yet
 * @throws {CorruptionError} @throws {StoreError}
 */
export async function wakeAfter(context: JobContext, n: number): Promise<number | null> {
  if (n === 0 || !mayWake(context.job)) return null;
  const said = await saidIn(context, n, (manifest, header) => (header === undefined ? manifest.wakeMs : header.wakeMs));
  return leastWake(said ?? []);
}

/** @returns `null`: there is none */
export function leastWake(said: readonly (number | undefined)[]): number | null {
  const least = smallest(said.flatMap((ms) => ms ?? []));
  return least === Number.POSITIVE_INFINITY ? null : least;
}
