/** Waits until the planner has planned given inputs to their end: only then may windows be closed behind them. */

import { PLANNER } from '../../lib/object-store/names.ts';
import { OBJECTS_TABLE, objectKey, type PlannedObject, PlannerLog } from '../../lib/plan/planner-log.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { unpackValue } from '../../lib/util/pack.ts';
import { PartitionView } from './partition-view.ts';
import type { StoredJob } from './stored-job.ts';

/** An input as the planner knows it. */
export interface PlannedName {
  /** '' for a flush, which belongs to no source. */
  readonly source: string;
  readonly name: string;
}

export function openPlanner(job: StoredJob): Promise<PartitionView> {
  return PartitionView.open(PLANNER, new PlannerLog(job.store, job.names), job);
}

/** How far an input is planned; `undefined`: not at all. */
export async function plannedObject(
  planner: PartitionView,
  { source, name }: PlannedName,
): Promise<PlannedObject | undefined> {
  const packed = await planner.get(addressPrefix(OBJECTS_TABLE, 'keyed', 0) + objectKey(source, name));
  return packed === undefined || packed === null ? undefined : (unpackValue(packed) as PlannedObject);
}

/** Finds which of some inputs are not planned to their end. */
export class Unplanned {
  readonly #job: StoredJob;
  #left: readonly PlannedName[];

  constructor(job: StoredJob, names: readonly PlannedName[]) {
    this.#job = job;
    this.#left = names;
  }

  async left(): Promise<readonly PlannedName[]> {
    if (this.#left.length === 0) return [];
    const planner = await openPlanner(this.#job);
    const objects = await Promise.all(this.#left.map((name) => plannedObject(planner, name)));
    this.#left = this.#left.filter((_, i) => objects[i]?.done !== true);
    return this.#left;
  }
}
