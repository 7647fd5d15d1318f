/**
 * What the batch side asks of the commit side, wherever that runs: a worker thread, the same thread, commit functions
 * behind a queue. All of it is a hint but for `relieve`, which waits.
 */
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { PartitionPath } from '../object-store/names.ts';

export interface Committer {
  /** Log entry n (or plan n) of a partition is durable, and (⚑ published-known) its outputs are published. Best effort. */
  committed(path: PartitionPath, n: number): void;
  /**
   * Batches up to n are where this run takes results to, besides consumers that have a place in the store; later results stay.
   * Until it is called, none is deleted.
   */
  taken?(n: number): void;
  /** Called for each manifest that the commit side has published, if it is near enough to tell. */
  onManifest(listener: (path: PartitionPath, loaded: LoadedManifest) => void): void;
  /** Throws what made commit work fail for good, so that a run does not go on without it. */
  check(): void;
  /** Backpressure: returns when a fold of this partition has been published, or nothing is left to fold. */
  relieve(path: PartitionPath): Promise<void>;
  /** Ends the commit side, with `drain` after everything durable is folded. @throws what made commit work fail */
  close(options: { drain: boolean }): Promise<void>;
}
