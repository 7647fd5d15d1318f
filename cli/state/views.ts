/** All partitions of a stored job, as views. */

import { DataLog } from '../../lib/log/data-log.ts';
import { PLANNER, partitionPath } from '../../lib/object-store/names.ts';
import { PlannerLog } from '../../lib/plan/planner-log.ts';
import { PartitionView } from './partition-view.ts';
import type { StoredJob } from './stored-job.ts';

export interface JobViews {
  readonly planner: PartitionView;
  /** By stage and partition. */
  readonly stages: readonly (readonly PartitionView[])[];
}

export function openPartition(job: StoredJob, stage: number, partition: number): Promise<PartitionView> {
  const path = partitionPath(stage, partition);
  return PartitionView.open(path, new DataLog(job.store, job.names, path), job);
}

export async function openViews(job: StoredJob): Promise<JobViews> {
  const { stages, partitions } = job.file;
  const opened = Array.from({ length: stages }, (_, stage) =>
    Promise.all(Array.from({ length: partitions }, (_, p) => openPartition(job, stage, p))),
  );
  const [planner, ...views] = await Promise.all([
    PartitionView.open(PLANNER, new PlannerLog(job.store, job.names), job),
    ...opened,
  ]);
  return { planner, stages: views };
}
