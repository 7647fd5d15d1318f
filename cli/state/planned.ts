/** How far the planner is, from its state and its last plans. */
import {
  forgottenMs,
  OBJECTS_TABLE,
  type PlannedObject,
  type PlanProgress,
  PROGRESS_KEY,
  PROGRESS_TABLE,
} from '../../lib/plan/planner-log.ts';
import { addressPrefix, tableRange } from '../../lib/state/address.ts';
import { unpackValue } from '../../lib/util/pack.ts';
import type { PartitionView } from './partition-view.ts';

export interface PlannedStatus {
  readonly plans: number;
  readonly objects: number;
  /** Of these, read in part only. */
  readonly unfinished: number;
  /** Of the last plan, epoch ms. */
  readonly watermark: number | null;
}

export async function planned(planner: PartitionView): Promise<PlannedStatus> {
  const packed = await planner.get(addressPrefix(PROGRESS_TABLE, 'keyed', 0) + PROGRESS_KEY);
  const progress = packed === undefined || packed === null ? undefined : (unpackValue(packed) as PlanProgress);
  let objects = 0;
  let unfinished = 0;
  const { from, to } = tableRange(OBJECTS_TABLE);
  for await (const { value } of planner.scan(from, to)) {
    const object = unpackValue(value!) as PlannedObject;
    // Forgotten, and not compacted away yet.
    if (progress !== undefined && (forgottenMs(object) ?? Number.POSITIVE_INFINITY) <= progress.processingTime)
      continue;
    objects++;
    if (!object.done) unfinished++;
  }
  return { plans: planner.position, objects, unfinished, watermark: progress?.watermark ?? null };
}
