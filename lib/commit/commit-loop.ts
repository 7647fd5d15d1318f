/**
 * The commit side of one environment: takes hints that log entries are durable, and folds, compacts and collects behind
 * the batches. Work on one partition is serialised per kind; folds never wait for compactions. The loop owns no clock of
 * its own: whoever runs it calls `tick` now and then.
 */
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { PartitionPath } from '../object-store/names.ts';

/** The work itself; each call does a bounded piece. */
export interface CommitWork {
  /**
   * Folds what is there.
   * @param known entries up to this are known to be durable and published; a hint
   * @param upTo nothing after this entry is taken; default: no bound
   * @returns the newest manifest if anything was folded
   */
  fold(path: PartitionPath, known: number, upTo?: number): Promise<LoadedManifest | undefined>;
  /** Runs one compaction if one is due. @returns the newest manifest, or `undefined`: none was due */
  compact(path: PartitionPath): Promise<LoadedManifest | undefined>;
  /** Deletes what nobody needs any more, in all partitions. */
  collect(): Promise<void>;
}

export interface CommitLoopOptions {
  readonly work: CommitWork;
  /** A partition is folded when it has this many new log entries … */
  readonly foldEvery: (path: PartitionPath) => number;
  /** … or when the oldest of them is this old, ms. */
  readonly foldAfterMs: number;
  readonly collectEveryMs: number;
  readonly onManifest: (path: PartitionPath, loaded: LoadedManifest) => void;
  /** Commit work failed; the same is tried again with the next hint. */
  readonly onError: (error: unknown) => void;
}

interface Pending {
  entries: number;
  sinceMs: number;
}

export class CommitLoop {
  readonly #options: CommitLoopOptions;
  readonly #pending = new Map<PartitionPath, Pending>();
  /** Greatest batch hinted at. */
  readonly #known = new Map<PartitionPath, number>();
  readonly #folding = new Map<PartitionPath, Promise<void>>();
  readonly #compacting = new Map<PartitionPath, Promise<void>>();
  #collecting: Promise<void> | undefined;
  #collectedMs: number;
  #closed = false;

  constructor(options: CommitLoopOptions, nowMs: number) {
    this.#options = options;
    this.#collectedMs = nowMs;
  }

  /** Log entry n of a partition is durable, and its outputs are published. */
  hint(path: PartitionPath, n: number, nowMs: number): void {
    this.#known.set(path, Math.max(n, this.#known.get(path) ?? 0));
    const pending = this.#pending.get(path) ?? { entries: 0, sinceMs: nowMs };
    pending.entries++;
    this.#pending.set(path, pending);
    if (pending.entries >= this.#options.foldEvery(path)) this.#fold(path);
  }

  /** Does what has become due by time. */
  tick(nowMs: number): void {
    const { foldAfterMs, collectEveryMs } = this.#options;
    for (const [path, { sinceMs }] of this.#pending) if (nowMs - sinceMs >= foldAfterMs) this.#fold(path);
    if (nowMs - this.#collectedMs >= collectEveryMs) {
      this.#collectedMs = nowMs;
      this.collect().catch(this.#options.onError);
    }
  }

  /** Folds a partition now, after whatever fold of it is running, waits for it, and throws what it throws. */
  async foldNow(path: PartitionPath): Promise<void> {
    // Several may have waited for the same one.
    while (this.#folding.has(path)) await this.#folding.get(path);
    await this.#startFold(path);
  }

  /** Runs compactions of a partition until none is due. */
  async compactAll(path: PartitionPath): Promise<void> {
    await this.#compacting.get(path);
    while (!this.#closed && (await this.#compactOnce(path)));
  }

  /** Folds everything and waits for what is running. */
  async drain(paths: readonly PartitionPath[]): Promise<void> {
    await Promise.all(paths.map((path) => this.foldNow(path)));
    await Promise.all([...this.#compacting.values()]);
    await this.#collecting;
  }

  collect(): Promise<void> {
    this.#collecting ??= this.#options.work.collect().finally(() => {
      this.#collecting = undefined;
    });
    return this.#collecting;
  }

  /** No new work; resolves when what is running has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pending.clear();
    await Promise.allSettled([...this.#folding.values(), ...this.#compacting.values(), this.#collecting]);
  }

  #fold(path: PartitionPath): void {
    if (this.#closed || this.#folding.has(path)) return;
    this.#startFold(path, this.#known.get(path)).catch(this.#options.onError);
  }

  /** Only where none of the partition is running. */
  #startFold(path: PartitionPath, upTo?: number): Promise<void> {
    this.#pending.delete(path);
    const folding = this.#foldOnce(path, upTo);
    const ended = (): void => {
      this.#folding.delete(path);
      const pending = this.#pending.get(path);
      if (pending !== undefined && pending.entries >= this.#options.foldEvery(path)) this.#fold(path);
    };
    this.#folding.set(path, folding.then(ended, ended));
    return folding;
  }

  /**
   * @param upTo ⚑ fold-known: an entry after this one may be on its way, its maker not told yet: to him, folding it would look
   *   like the work of another environment
   */
  async #foldOnce(path: PartitionPath, upTo?: number): Promise<void> {
    const loaded = await this.#options.work.fold(path, this.#known.get(path) ?? 0, upTo);
    if (loaded === undefined) return;
    this.#options.onManifest(path, loaded);
    this.#compact(path);
  }

  #compact(path: PartitionPath): void {
    if (this.#closed || this.#compacting.has(path)) return;
    const compacting = (async () => {
      while (!this.#closed && (await this.#compactOnce(path)));
    })()
      .catch(this.#options.onError)
      .finally(() => this.#compacting.delete(path));
    this.#compacting.set(path, compacting);
  }

  async #compactOnce(path: PartitionPath): Promise<boolean> {
    const loaded = await this.#options.work.compact(path);
    if (loaded === undefined) return false;
    this.#options.onManifest(path, loaded);
    return true;
  }
}
