/**
 * Deletes published results that are old enough and that nobody needs any more, where a job says how long they are kept.
 * ⚑ results-condemned: first a mark says how far they go, then consumers are asked once more, then they are deleted, oldest
 * first. A consumer writes its place and then looks at the mark; so either it is seen here, or it sees the mark.
 *
 * Results of the newest batch with a log collected everywhere stay, and of all after it: folds and batch functions look down from
 * their own batch to the first result that is there. Batches without rows have no objects, here as everywhere (⚑ absent-is-empty).
 */
import { type Names, numberOf } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { greatest, smallest } from '../util/numbers.ts';
import { loadResultsMark, moveResultsMark } from './results-mark.ts';

/** Names of one place that one call looks at, at most, and of all places together: what is left waits for the next. */
const LOOK_AT = 10_000;
const LOOK_AT_ALL = 200_000;
/** Places that are looked at side by side. */
const AT_ONCE = 8;
const DELETE_AT_ONCE = 1000;

export interface ResultRetention {
  /** Results are kept for at least so long, ms. */
  readonly keepMs: number;
  /** Where results are: a prefix an output and partition. */
  readonly prefixes: readonly string[];
  /** Batches up to this are with everyone who is known to take results. */
  readonly takenThrough: () => Promise<number>;
}

export interface CollectResultsOptions extends RequestOptions, ResultRetention {
  readonly store: ObjectStore;
  readonly names: Names;
  /** R, ms: nothing younger is deleted, whatever the job says. */
  readonly retentionMs: number;
  /** The least `collectedThrough` of the manifests of all partitions: published, folded, and settled for R. */
  readonly collectedThrough: number;
  /** The store's time of reading the first of those manifests. */
  readonly nowMs: number;
  /** False: time is up, and what is left waits for the next call. */
  readonly goOn?: (() => boolean) | undefined;
}

/** @returns objects deleted @throws {CorruptionError} the mark or a consumer's place cannot be read: nothing was deleted */
export async function collectResults(options: CollectResultsOptions): Promise<number> {
  const { store, names, keepMs, prefixes, takenThrough, retentionMs, collectedThrough, nowMs, signal } = options;
  const { goOn = () => true } = options;
  const most = Math.min(collectedThrough - 1, await takenThrough());
  if (most < 1) return 0;
  const mark = await loadResultsMark(store, names, { signal });
  const olderThan = nowMs - Math.max(keepMs, retentionMs);
  const lookAt = Math.max(1, Math.min(LOOK_AT, Math.floor(LOOK_AT_ALL / prefixes.length)));
  const looked: Looked[] = [];
  const left = [...prefixes];
  const looking = async (): Promise<void> => {
    for (let prefix = left.pop(); prefix !== undefined && goOn(); prefix = left.pop()) {
      looked.push(await look(store, prefix, { most, marked: mark.through, olderThan, lookAt }, { signal }));
    }
  };
  await allOrFirstError(Array.from({ length: AT_ONCE }, looking));
  // How far they may go is known only when all places are.
  if (looked.length < prefixes.length) return 0;
  const through = Math.max(mark.through, Math.min(most, smallest(looked.map(({ oldThrough }) => oldThrough))));
  const found = looked.flatMap(({ old }) => old).filter((one) => one.n <= through);
  if (found.length === 0) return 0;
  // No further than something goes: who has had that has missed nothing, whatever batches without rows come behind it.
  const last = greatest(found.map(({ n }) => n));
  if (last > mark.through) {
    if (!(await moveResultsMark(store, names, mark, { through: last, retentionMs: keepMs }, { signal }))) return 0;
  }
  // A consumer that began since then has not seen the mark.
  const taken = await takenThrough();
  const going = found
    .filter(({ n }) => n <= taken)
    .sort((a, b) => a.n - b.n)
    .map(({ name }) => name);
  let deleted = 0;
  while (deleted < going.length && goOn()) {
    const some = going.slice(deleted, deleted + DELETE_AT_ONCE);
    await store.delete(some, { signal });
    deleted += some.length;
  }
  return deleted;
}

interface Looked {
  /** Old enough to go. */
  readonly old: readonly { readonly n: number; readonly name: string }[];
  /** Of batches up to this, all are. */
  readonly oldThrough: number;
}

/** Names sort by their number, so that the oldest come first. */
async function look(
  store: ObjectStore,
  prefix: string,
  { most, marked, olderThan, lookAt }: { most: number; marked: number; olderThan: number; lookAt: number },
  options: RequestOptions,
): Promise<Looked> {
  const old: { n: number; name: string }[] = [];
  let oldThrough = Number.POSITIVE_INFINITY;
  for await (const { name, modifiedMs } of store.list(prefix, options)) {
    const n = numberOf(name);
    if (n > most) break;
    if (modifiedMs < olderThan) old.push({ n, name });
    // One that a sleeper published again after it was deleted waits for its time, and holds up nothing.
    else if (n > marked) oldThrough = Math.min(oldThrough, n - 1);
    if (oldThrough < Number.POSITIVE_INFINITY) break;
    if (old.length >= lookAt) return { old, oldThrough: n };
  }
  return { old, oldThrough };
}
