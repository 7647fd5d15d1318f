/** The commit side of the embedded engine in the same thread (tests, `testJob`), and what holds for it in any thread. */
import { CommitLoop } from '../commit/commit-loop.ts';
import { commitPaths, commitWork } from '../commit/commit-work.ts';
import { MisaError } from '../errors.ts';
import type { Committer } from '../job/committer.ts';
import type { StoredJobContext } from '../job/job-context.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { type PartitionPath, PLANNER } from '../object-store/names.ts';

/**
 * Log entries that are folded together: of a partition half of what its batches may be ahead, of the planner more, since nobody
 * waits for its folds, and a plan is small.
 */
export const foldEvery = (path: PartitionPath): number => (path === PLANNER ? 16 : 4);
/** The oldest unfolded log entry waits no longer than this. */
export const FOLD_AFTER_MS = 2000;
export const COLLECT_EVERY_MS = 60_000;
export const COMMIT_TROUBLE = 'commit work failed and is tried again';

export type ManifestListener = (path: PartitionPath, loaded: LoadedManifest) => void;

/** The commit side in this thread: folds when enough log entries wait, or when asked. */
export function inlineCommitter(context: StoredJobContext): Committer {
  const listeners: ManifestListener[] = [];
  let taken: number | undefined;
  let failure: unknown;
  const onError = (error: unknown): void => {
    // A retryable failure is not the end: the next hint tries again.
    if (error instanceof MisaError && error.retryable) context.trace.trouble?.(COMMIT_TROUBLE, error);
    else failure ??= error;
  };
  const loop = new CommitLoop(
    {
      work: commitWork(context, () => taken ?? 0),
      foldEvery,
      foldAfterMs: FOLD_AFTER_MS,
      collectEveryMs: COLLECT_EVERY_MS,
      onManifest: (path, loaded) => {
        for (const listener of listeners) listener(path, loaded);
      },
      onError,
    },
    context.clock.now(),
  );
  let closed = false;
  return {
    committed(path, n) {
      if (closed) return;
      loop.hint(path, n, context.clock.now());
      loop.tick(context.clock.now());
    },
    taken(n) {
      const first = taken === undefined;
      taken = n;
      // A short run might never come to its next collection, so garbage of earlier runs is collected at the start.
      if (first && context.keepResultsMs !== undefined) loop.collect().catch(onError);
    },
    onManifest: (listener) => void listeners.push(listener),
    check() {
      if (failure !== undefined) throw failure;
    },
    async relieve(path) {
      if (failure !== undefined) throw failure;
      await loop.foldNow(path);
    },
    async close({ drain }) {
      if (closed) return;
      closed = true;
      if (drain) await loop.drain(commitPaths(context.file));
      await loop.close();
      if (drain && failure !== undefined) throw failure;
    },
  };
}
