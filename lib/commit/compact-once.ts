/** Runs the compaction that is due, if one is, and gives other work its turn in between. */
import { setImmediate as turn } from 'node:timers/promises';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { compact } from './compact.ts';
import { type CommitPartition, manifestOf } from './partition.ts';
import { type CompactionOptions, pickCompaction } from './pick-compaction.ts';

export interface Compacted {
  readonly loaded: LoadedManifest;
  /** For the trace. */
  readonly detail: Readonly<Record<string, number>>;
}

/**
 * @param from a manifest in hand, to see without a request that nothing is due
 * @param policy when what is due
 * @returns `undefined`: nothing is due
 */
export async function compactOnce(
  partition: CommitPartition,
  from?: LoadedManifest | undefined,
  policy: CompactionOptions = {},
): Promise<Compacted | undefined> {
  const known = from ?? (await manifestOf(partition));
  if (pickCompaction(known.manifest, policy) === undefined) return undefined;
  const result = await compact(partition, { ...policy, from: known, yieldNow: () => turn() });
  if (result.outcome === 'nothing') return undefined;
  if (result.outcome === 'overtaken') return { loaded: result.loaded, detail: {} };
  const { compaction, outputs, loaded } = result;
  const bytes = compaction.inputs.reduce((sum, sst) => sum + sst.size, 0);
  return {
    loaded,
    detail: { level: compaction.level, inputs: compaction.inputs.length, outputs: outputs.length, bytes },
  };
}
