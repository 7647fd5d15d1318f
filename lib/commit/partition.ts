/** What commit work needs of the partition it works on, wherever it runs. A plain object. */
import type { PartitionLog } from '../log/partition-log.ts';
import type { LoadedManifest, SstRef } from '../manifest/manifest.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import type { Random } from '../util/random.ts';
import type { Expiry } from './expiry.ts';

export interface CommitPartition {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly path: PartitionPath;
  /** Its number in its stage, as in the names of its outputs; any for the planner, which has none. */
  readonly partition: number;
  readonly log: PartitionLog;
  readonly random: Random;
  /** R: how long folded log entries and dropped SSTs are kept, ms. The same for everyone who works on this job. */
  readonly retentionMs: number;
  /** Of its state; left out: all of it stays until it is deleted. */
  readonly expiry?: Expiry | undefined;
}

export function manifestOf(partition: CommitPartition, options?: RequestOptions): Promise<LoadedManifest> {
  return loadManifest(partition.store, partition.names.manifest(partition.path), options);
}

/**
 * ⚑ may-name: whether SSTs that were written since `base` was read may be named in an edit of `loaded`. An orphan is
 * condemned when it is R old, by an edit; it may then be deleted and forgotten. So: yes if there was no edit at all; else
 * only if the SSTs are surely younger than R/2, and (should someone run with another R) not condemned.
 */
export function mayName(
  ssts: readonly SstRef[],
  base: LoadedManifest,
  loaded: LoadedManifest,
  retentionMs: number,
): boolean {
  if (loaded.manifest.version === base.manifest.version) return true;
  if (loaded.dateMs - base.dateMs >= retentionMs / 2) return false;
  const condemned = new Set(loaded.manifest.condemned.map((c) => c.id));
  return !ssts.some((sst) => condemned.has(sst.id));
}
