/** How far the planner is, from its state and its last plans. */
import {
  OBJECTS_TABLE,
  type PlannedObject,
  PROGRESS_KEY,
  PROGRESS_TABLE,
  type Progress,
} from '../../lib/batch/planner-log.ts';
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
  let objects = 0;
  let unfinished = 0;
  const { from, to } = tableRange(OBJECTS_TABLE);
  for await (const { value } of planner.scan(from, to)) {
    objects++;
    if (!(unpackValue(value!) as PlannedObject).done) unfinished++;
  }
  const packed = await planner.get(addressPrefix(PROGRESS_TABLE, 'keyed', 0) + PROGRESS_KEY);
  const progress = packed === undefined || packed === null ? undefined : (unpackValue(packed) as Progress);
  return { plans: planner.position, objects, unfinished, watermark: progress?.watermark ?? null };
}
