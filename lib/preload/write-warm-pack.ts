/**
 * Brings near what micro-batch n will read for whichever environment will run it: a warm pack, one object with the state of the keys that the
 * batch names. Never needed: without it the batch reads for itself.
 */
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { PartitionInput } from '../plan/rows.ts';
import type { PartitionState } from '../state/partition-state.ts';
import { noCost } from '../state/read-cost.ts';
import { encodeWarmPack } from '../state/warm-pack.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { type PlanOf, stateKeysOf, wantedBy } from './wanted.ts';

/** A larger pack takes longer to read than the blocks it replaces. */
const MAX_PACK_BYTES = 8 << 20;

export interface WarmPackTarget {
  readonly job: PhysicalJob;
  readonly stage: number;
  readonly state: PartitionState;
  readonly store: ObjectStore;
  readonly names: Names;
  readonly path: PartitionPath;
}

/**
 * Writes the warm pack of (partition, n) as of the manifest pinned in `state`.
 * @returns whether there was anything to write
 */
export async function writeWarmPack(
  { job, stage, state, store, names, path }: WarmPackTarget,
  n: number,
  plan: PlanOf,
  input: PartitionInput,
): Promise<boolean> {
  const wanted = wantedBy(job, stage, plan, input);
  const keys = stateKeysOf(wanted, (table, time) => state.isForgotten(table, time)).texts();
  if (keys.length === 0 || state.manifest.through === 0) return false;
  const { version } = state.manifest;
  const values = await state.reads.values(keys, noCost());
  const pack = encodeWarmPack(
    n,
    version,
    keys.map((key, i) => ({ key, value: values[i] ?? null })),
  );
  if (pack.length > MAX_PACK_BYTES) return false;
  await store.put(names.warm(path, n, version), pack);
  return true;
}
