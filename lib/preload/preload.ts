/**
 * Brings near what micro-batch n will read, before its turn. Two ways: into this environment's own tiers while a log entry
 * is under way (`piggyback`), or into a warm pack for whichever environment will run the batch (`writeWarmPack`). Neither is
 * ever needed: with preloading on, off, late or failing, results are the same.
 */

import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { PartitionInput } from '../plan/rows.ts';
import type { PartitionState } from '../state/partition-state.ts';
import { noCost, type ReadCost } from '../state/sst-reads.ts';
import { encodeWarmPack } from '../state/warm-pack.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { type PreloadBudget, planPreload, type SstWish } from './plan-preload.ts';
import { type PlanOf, type Wanted, wantedBy } from './wanted.ts';

/** At most this much a batch and partition. */
export const PRELOAD_BUDGET: PreloadBudget = { bytes: 64 << 20, requests: 256 };
/** A larger pack takes longer to read than the blocks it replaces. */
const MAX_PACK_BYTES = 8 << 20;

export interface PreloadTarget {
  readonly job: PhysicalJob;
  readonly stage: number;
  readonly state: PartitionState;
}

/** Opens SST indexes and filters of the pinned manifest; with `keys` also reads what the batch will read into memory. */
export async function piggyback(target: PreloadTarget, plan: PlanOf, input: PartitionInput): Promise<ReadCost> {
  const { job, stage, state } = target;
  const cost = noCost();
  if (job.preload === 'off' || state.rows.complete) return cost;
  await state.reads.openAll(cost);
  if (job.preload === 'metadata') return cost;
  const wanted = wantedBy(job, stage, plan, input, (table, time, key) => state.isNear(table, time, key));
  await fetchWanted(state, wanted, cost);
  await state.bringNear(wanted.keys, cost);
  return cost;
}

/**
 * Writes the warm pack of (partition, n) as of the manifest pinned in `state`.
 * @returns whether there was anything to write
 */
export async function writeWarmPack(
  target: PreloadTarget & { store: ObjectStore; names: Names; path: PartitionPath },
  n: number,
  plan: PlanOf,
  input: PartitionInput,
): Promise<boolean> {
  const { job, stage, state, store, names, path } = target;
  const wanted = wantedBy(job, stage, plan, input, (table, time) => state.isForgotten(table, time));
  if (wanted.keys.length === 0 || state.manifest.through === 0) return false;
  const { version } = state.manifest;
  const values = await state.reads.lookup(wanted.keys, noCost());
  const pack = encodeWarmPack(
    n,
    version,
    wanted.keys.map((key, i) => ({ key, value: values[i] ?? null })),
  );
  if (pack.length > MAX_PACK_BYTES) return false;
  await store.put(names.warm(path, n, version), pack);
  return true;
}

/** Fetches missing blocks into the local tier, as far as the budget goes. */
async function fetchWanted(state: PartitionState, { keys, ranges }: Wanted, cost: ReadCost): Promise<void> {
  const { reads } = state;
  const missing = await reads.missingBlocks(keys, ranges, cost);
  const wishes: SstWish[] = [];
  for (const [sst, blocks] of missing) {
    const index = await reads.indexOf(sst, cost);
    wishes.push({ sst, index, blocks, local: reads.localBlocks(sst, index.blockCount) });
  }
  await reads.fetchSpans(planPreload(wishes, PRELOAD_BUDGET), cost);
}
