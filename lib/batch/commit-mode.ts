/**
 * The two ways in which the state of a batch gets into the manifest: behind the batches, which wait only when the commit side is
 * too far behind; or with each batch, which ends when it is there (the baseline).
 */
import type { CommitPartition } from '../commit/partition.ts';
import { SyncCommit } from '../commit/sync-commit.ts';
import { MisaError } from '../errors.ts';
import type { RunContext } from '../job/job-context.ts';
import type { LogEntry } from '../log/entry.ts';
import type { PartitionState } from '../state/partition-state.ts';

export interface CommitMode {
  /** Step 2: returns when batch n may begin. */
  makeRoom(n: number): Promise<void>;
  /**
   * Step 4: the log entry of a batch is about to be created.
   * @returns what the batch waits for once it is applied; `undefined`: nothing
   */
  beside(entry: LogEntry, bytes: number): (() => Promise<void>) | undefined;
  /** Step 6: results of batch n, and of those before it, are out. */
  published(n: number): void;
}

export interface CommitModeOptions {
  readonly context: RunContext;
  readonly partition: CommitPartition;
  readonly state: PartitionState;
  readonly reload: () => Promise<void>;
}

export function commitMode(options: CommitModeOptions): CommitMode {
  return options.context.job.commit.mode === 'sync' ? new WithTheBatch(options) : new BehindTheBatches(options);
}

/** In a row, half a minute in all: then the store is broken, and the batch fails. */
const MAX_RELIEF_FAILURES = 20;

class BehindTheBatches implements CommitMode {
  readonly #options: CommitModeOptions;

  constructor(options: CommitModeOptions) {
    this.#options = options;
  }

  /** ⚑ lag-bound */
  async makeRoom(n: number): Promise<void> {
    const { context, partition, state, reload } = this.#options;
    const { job, committer, trace, clock } = context;
    const { path } = partition;
    const startMs = clock.monotonic();
    let waited = false;
    let failures = 0;
    while (n - 1 - state.manifest.through > job.commit.maxLag) {
      waited = true;
      const before = state.manifest.through;
      try {
        await committer.relieve(path);
      } catch (error) {
        // What may pass by itself is no reason to fail the batch, for a while.
        if (!(error instanceof MisaError && error.retryable) || ++failures > MAX_RELIEF_FAILURES) throw error;
        trace.trouble?.('a fold that a batch waits for failed and is tried again', error);
        await clock.sleep(Math.min(2000, 20 * 2 ** failures));
      }
      if (state.manifest.through === before) await reload();
    }
    if (waited) trace.span({ lane: 'wait', path, n, startMs, endMs: clock.monotonic() });
  }

  beside(): undefined {}

  published(n: number): void {
    const { context, partition } = this.#options;
    context.committer.committed(partition.path, n);
  }
}

class WithTheBatch implements CommitMode {
  readonly #state: PartitionState;
  readonly #commit: SyncCommit;

  constructor({ context, partition, state }: CommitModeOptions) {
    this.#state = state;
    this.#commit = new SyncCommit(partition, context.clock, context.trace);
  }

  /** Only a crash leaves anything unfolded. */
  async makeRoom(n: number): Promise<void> {
    if (this.#state.manifest.through < n - 1) this.#state.adopt(await this.#commit.catchUp());
  }

  beside(entry: LogEntry, bytes: number): () => Promise<void> {
    const folding = this.#commit.start(entry, bytes, this.#state.pinned);
    return async () => {
      this.#state.adopt(await this.#commit.finish(folding, entry.header.n - 1));
    };
  }

  published(): void {}
}
