/** What commit work needs of the partition it works on, wherever it runs. A plain object. */

import type { Expiry } from '../log/expiry.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import type { Random } from '../util/random.ts';

export interface CommitPartition {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly path: PartitionPath;
  /** Its number in its stage, as in the names of its outputs; any for the planner, which has none. */
  readonly partition: number;
  readonly log: PartitionLog;
  readonly random: Random;
  /** R: how long folded log entries and replaced SSTs are kept, ms. The same for everyone who works on this job. */
  readonly retentionMs: number;
  /** Of its state; left out: all of it stays until it is deleted. */
  readonly expiry?: Expiry | undefined;
}

export function manifestOf(partition: CommitPartition, options?: RequestOptions): Promise<LoadedManifest> {
  return loadManifest(partition.store, partition.names.manifest(partition.path), options);
}

/**
 * ⚑ may-name: whether SSTs that were written since `base` was read may be named in an edit of `loaded`. Not if they may have been
 * written before the time from which on that manifest keeps what it does not name: then they may be deleted already.
 */
export function mayName(base: LoadedManifest, loaded: LoadedManifest): boolean {
  return base.dateMs >= loaded.manifest.condemnedMs;
}
