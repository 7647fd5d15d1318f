/**
 * Mode `sync`, the baseline: the batch waits for its own commit. The SST goes out side by side with the log entry, so the
 * log costs nothing; then the manifest's compare-and-set, then whatever compaction is due, remote reads included. The same
 * fold and compaction as behind the batches, only waited for.
 */

import { foldable } from '../log/data-log.ts';
import type { LogEntry } from '../log/entry.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { Clock } from '../util/clock.ts';
import type { Trace } from '../util/trace.ts';
import { compactOnce } from './compact-once.ts';
import { fold, publishFold, type StartedFold, startFold } from './fold.ts';
import type { CommitPartition } from './partition.ts';
import { COMPACTION, type CompactionOptions } from './pick-compaction.ts';

/**
 * A batch's own SST is a quarter of what a fold behind the batches makes of four: so more of them are merged at once, and fewer batches
 * wait for that. See `docs/decisions/0054-where-asynchronous-commit-pays.md`.
 */
const SYNC_COMPACTION: CompactionOptions = { l0Trigger: 2 * COMPACTION.l0Trigger };

export class SyncCommit {
  readonly #partition: CommitPartition;
  readonly #clock: Clock;
  readonly #trace: Trace;

  constructor(partition: CommitPartition, clock: Clock, trace: Trace) {
    this.#partition = partition;
    this.#clock = clock;
    this.#trace = trace;
  }

  /** Builds and sends the SST of a log entry that is about to be created. */
  start(entry: LogEntry, bytes: number, base: LoadedManifest): StartedFold {
    return startFold(this.#partition, base, [foldable(entry, bytes)]);
  }

  /**
   * Publishes the fold, and runs compactions until none is due.
   * @param publishedThrough the batch's own outputs come after this
   */
  async finish(started: StartedFold, publishedThrough: number): Promise<LoadedManifest> {
    const { path } = this.#partition;
    const n = publishedThrough + 1;
    const startMs = this.#clock.monotonic();
    const { loaded } = await publishFold(this.#partition, started, { publishedThrough });
    this.#trace.span({ lane: 'fold', path, n, startMs, endMs: this.#clock.monotonic() });
    return this.#compact(loaded, n);
  }

  /** Folds what a crash left behind. */
  async catchUp(): Promise<LoadedManifest> {
    const { loaded } = await fold(this.#partition);
    return this.#compact(loaded, loaded.manifest.through);
  }

  async #compact(from: LoadedManifest, n: number): Promise<LoadedManifest> {
    let newest = from;
    for (;;) {
      const startMs = this.#clock.monotonic();
      const compacted = await compactOnce(this.#partition, newest, SYNC_COMPACTION);
      if (compacted === undefined) return newest;
      newest = compacted.loaded;
      this.#trace.span({
        lane: 'compact',
        path: this.#partition.path,
        n,
        startMs,
        endMs: this.#clock.monotonic(),
        detail: compacted.detail,
      });
    }
  }
}
