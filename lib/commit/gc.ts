/**
 * Garbage collection, and the only code that deletes (results: `collect-results.ts`). ⚑ condemn-first: first the manifest says
 * what goes, by compare-and-set; then it is deleted, so that no edit can name what is going. What a dead collector left over,
 * the next one finds by listing. A manifest that cannot be read stops it before anything is deleted.
 */
import type { LoadedManifest } from '../manifest/manifest.ts';
import { editManifest, loadManifest } from '../manifest/manifest-store.ts';
import { type Names, numberOf, type PartitionPath, PLANNER } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { greatest, smallest } from '../util/numbers.ts';
import { collectResults, type ResultRetention } from './collect-results.ts';
import { type CommitPartition, manifestOf } from './partition.ts';
import { planCollect, planDelete, type StoredSst, settledThrough } from './plan-collect.ts';
import { loadUnnamed, saveUnnamed } from './unnamed.ts';

/** Names in one delete request. */
const DELETE_AT_ONCE = 1000;
/** Partitions that are collected side by side: nearly all of their time they wait for the store. */
const AT_ONCE = 8;

/** How far one call may go. What it leaves, the next finds. */
export interface CollectBounds extends RequestOptions {
  /** False: time is up. No request is begun then but those that end in good order what is begun. */
  readonly goOn?: (() => boolean) | undefined;
  /** Objects of one kind deleted in one turn of a partition, at most, so that others get theirs. Default: all. */
  readonly most?: number | undefined;
}

export interface CollectOptions extends CollectBounds {
  /** Log entries after this are kept for others: {@link keepLogsAfter} of those who read this log. */
  readonly keepLogsAfter: number;
}

export interface Collected {
  readonly loaded: LoadedManifest;
  /** Objects deleted; some may have been gone already. */
  readonly deleted: number;
  /** There is more to delete: bounds were met. */
  readonly left: boolean;
}

/**
 * ⚑ stage-logs: how far a log has been read for good by partitions that read it: those of the next stage; for the plans and
 * segments, all partitions of all stages. Entries after this must be kept for them, a retention longer than they have folded
 * it, for one that slept. Infinity: nobody reads it.
 */
export function keepLogsAfter(readers: readonly LoadedManifest[], retentionMs: number): number {
  return smallest(readers.map((loaded) => settledThrough(loaded, retentionMs)));
}

/**
 * Collects one partition: SSTs that were replaced or never named, log entries, warm packs; for the planner also segments.
 * @throws {CorruptionError} the manifest cannot be read: nothing was deleted @throws {StoreError}
 */
export async function collect(partition: CommitPartition, options: CollectOptions): Promise<Collected> {
  const { store, names, path, random, retentionMs } = partition;
  const { signal, keepLogsAfter } = options;
  const base = await manifestOf(partition, { signal });
  // Without a manifest nothing tells what is needed: it may be the first fold that is on its way, or a lost manifest.
  if (base.etag === undefined) return { loaded: base, deleted: 0, left: false };
  const stored = await listSsts(partition, { signal });
  const { loaded } = await editManifest(
    store,
    names.manifest(path),
    (newest) => planCollect(newest, stored, { retentionMs, keepLogsAfter }),
    { nonce: random.id(), from: base, signal },
  );
  const { manifest, dateMs } = loaded;

  const done = [await collectSsts(partition, loaded, stored, options)];
  const numbered = path === PLANNER ? [names.logPrefix(path), names.segmentPrefix()] : [names.logPrefix(path)];
  for (const prefix of numbered) done.push(await deleteThrough(store, prefix, manifest.collectedThrough, options));
  if (path !== PLANNER) {
    const packs: string[] = [];
    for await (const { name, modifiedMs } of store.list(names.warmPrefix(path), { signal })) {
      if (numberOf(name) <= manifest.through || dateMs - modifiedMs > retentionMs) packs.push(name);
    }
    done.push(await deleteBounded(store, packs, options));
  }
  return {
    loaded,
    deleted: done.reduce((sum, { deleted }) => sum + deleted, 0),
    left: done.some(({ left }) => left),
  };
}

export interface CollectJobOptions extends RequestOptions {
  /** How long published results are kept; left out: for ever. */
  readonly results?: ResultRetention | undefined;
}

/**
 * Collects all partitions of a job, each log as far as its readers have settled, and then results, where they are not kept
 * for ever.
 * @param stages the partitions of each stage
 * @returns objects deleted
 * @throws {CorruptionError} a manifest cannot be read: then nothing was deleted of what its partition reads
 */
export async function collectJob(
  planner: CommitPartition,
  stages: readonly (readonly CommitPartition[])[],
  options: CollectJobOptions = {},
): Promise<number> {
  const { deleted, failures } = await collectRound(planner, stages, options);
  if (failures.length > 0) throw failures[0];
  return deleted;
}

export interface CollectRoundOptions extends CollectJobOptions, CollectBounds {
  /** Turns of this round that are over: `next` of the call before. */
  readonly from?: number | undefined;
}

export interface RoundCollected {
  readonly deleted: number;
  /** Turns of this round that are over now; `undefined`: all are. */
  readonly next: number | undefined;
  /** A turn was too short for what there was to delete. */
  readonly left: boolean;
  /** Why partitions could not be collected; the others were. */
  readonly failures: readonly unknown[];
}

/**
 * A round of garbage collection, or the part of it that there is time for: each partition has its turn, the planner the first,
 * and results the last. Whoever goes on with `next` comes to all of them, however many there are and however short each call is.
 * @throws {CorruptionError} a manifest cannot be read: nothing was deleted @throws {StoreError}
 */
export async function collectRound(
  planner: CommitPartition,
  stages: readonly (readonly CommitPartition[])[],
  { results, from = 0, ...bounds }: CollectRoundOptions = {},
): Promise<RoundCollected> {
  const { goOn = () => true, signal } = bounds;
  const loaded = await allOrFirstError(
    stages.map((stage) => allOrFirstError(stage.map((partition) => manifestOf(partition, { signal })))),
  );
  const work = [
    { partition: planner, readers: loaded.flat() },
    ...stages.flatMap((stage, s) => stage.map((partition) => ({ partition, readers: loaded[s + 1] ?? [] }))),
  ];
  const newest = new Map(stages.flatMap((stage, s) => stage.map(({ path }, p) => [path, loaded[s]![p]!] as const)));
  const failures: unknown[] = [];
  let [next, deleted, left] = [from, 0, false];
  const turns = async (): Promise<void> => {
    while (next < work.length && goOn()) {
      const { partition, readers } = work[next++]!;
      try {
        const limit = keepLogsAfter(readers, partition.retentionMs);
        const done = await collect(partition, { ...bounds, keepLogsAfter: limit });
        deleted += done.deleted;
        left ||= done.left;
        if (partition !== planner) newest.set(partition.path, done.loaded);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, turns));
  if (next < work.length || failures.length > 0 || results === undefined) {
    return { deleted, next: next < work.length ? next : undefined, left, failures };
  }
  if (!goOn()) return { deleted, next, left, failures };
  const { store, names, retentionMs } = planner;
  const manifests = [...newest.values()];
  const through = smallest(manifests.map(({ manifest }) => manifest.collectedThrough));
  const nowMs = smallest(manifests.map(({ dateMs }) => dateMs));
  const options = { ...bounds, ...results, store, names, retentionMs, collectedThrough: through, nowMs };
  try {
    deleted += await collectResults(options);
  } catch (error) {
    failures.push(error);
  }
  return { deleted, next: undefined, left, failures };
}

export type EpochCollected =
  | { readonly outcome: 'collected'; readonly deleted: number }
  /** Something was written there less than a retention ago: not dead yet. */
  | { readonly outcome: 'young' };

/**
 * Deletes an epoch that has ended, but for what its manifests' roots keep alive. Call it again later: an attempt that slept
 * may write there once more.
 * @param paths all partitions of the epoch, the planner included
 * @throws {CorruptionError} a manifest cannot be read: nothing was deleted @throws {StoreError}
 */
export async function collectEpoch(
  store: ObjectStore,
  names: Names,
  paths: readonly PartitionPath[],
  retentionMs: number,
  options: RequestOptions = {},
): Promise<EpochCollected> {
  const manifests = await allOrFirstError(paths.map((path) => loadManifest(store, names.manifest(path), options)));
  const nowMs = greatest(manifests.map((loaded) => loaded.dateMs));
  const kept = new Set<string>();
  for (const [i, { manifest }] of manifests.entries()) {
    if (manifest.roots.length > 0) kept.add(names.manifest(paths[i]!));
    for (const id of manifest.roots.flatMap((root) => root.ssts)) kept.add(names.sst(paths[i]!, id));
  }
  const going: string[] = [];
  for await (const { name, modifiedMs } of store.list(names.epochPrefix(), options)) {
    if (nowMs - modifiedMs <= retentionMs) return { outcome: 'young' };
    if (!kept.has(name)) going.push(name);
  }
  // Manifests last, so that what is left of the epoch can be told to be without roots.
  const roots = new Set(paths.map((path) => names.manifest(path)));
  await deleteAll(
    store,
    going.filter((name) => !roots.has(name)),
    options,
  );
  await deleteAll(
    store,
    going.filter((name) => roots.has(name)),
    options,
  );
  return { outcome: 'collected', deleted: going.length };
}

/** Deletes what is condemned and has been unnamed for a retention, and notes what else is condemned. */
async function collectSsts(
  { store, names, path, retentionMs }: CommitPartition,
  loaded: LoadedManifest,
  stored: readonly StoredSst[],
  options: CollectBounds,
): Promise<{ deleted: number; left: boolean }> {
  const none = new Map<string, number>();
  if (planDelete(loaded, stored, none, retentionMs).unnamed.size === 0) return { deleted: 0, left: false };
  const known = await loadUnnamed(store, names, path, options);
  const { due, unnamed } = planDelete(loaded, stored, known, retentionMs);
  const done = await deleteBounded(
    store,
    due.map((id) => names.sst(path, id)),
    options,
  );
  const gone = new Set(due.slice(0, done.deleted));
  const kept = new Map([...unnamed].filter(([id]) => !gone.has(id)));
  // Nothing new, and nothing of it gone: as it is noted.
  if (kept.size !== known.size || [...kept.keys()].some((id) => !known.has(id))) {
    await saveUnnamed(store, names, path, kept, options);
  }
  return done;
}

async function listSsts({ store, names, path }: CommitPartition, options: RequestOptions): Promise<StoredSst[]> {
  const prefix = names.sstPrefix(path);
  const stored: StoredSst[] = [];
  for await (const { name, modifiedMs } of store.list(prefix, options)) {
    stored.push({ id: name.slice(prefix.length), modifiedMs });
  }
  return stored;
}

/** Deletes numbered objects up to number `last`, lowest first. */
async function deleteThrough(
  store: ObjectStore,
  prefix: string,
  last: number,
  { goOn = () => true, most = Number.POSITIVE_INFINITY, signal }: CollectBounds,
): Promise<{ deleted: number; left: boolean }> {
  let deleted = 0;
  while (last > 0) {
    if (deleted >= most || !goOn()) return { deleted, left: true };
    // What is deleted is not listed again: so however many there are, each request brings the end nearer.
    const going: string[] = [];
    for await (const { name } of store.list(prefix, { signal })) {
      // They sort by number.
      if (numberOf(name) > last || going.length === DELETE_AT_ONCE) break;
      going.push(name);
    }
    await deleteAll(store, going, { signal });
    deleted += going.length;
    if (going.length < DELETE_AT_ONCE) break;
  }
  return { deleted, left: false };
}

/** Deletes these, as far as the bounds allow. */
async function deleteBounded(
  store: ObjectStore,
  going: readonly string[],
  { goOn = () => true, most = Number.POSITIVE_INFINITY, signal }: CollectBounds,
): Promise<{ deleted: number; left: boolean }> {
  let deleted = 0;
  while (deleted < going.length) {
    if (deleted >= most || !goOn()) return { deleted, left: true };
    const some = going.slice(deleted, deleted + DELETE_AT_ONCE);
    await store.delete(some, { signal });
    deleted += some.length;
  }
  return { deleted, left: false };
}

async function deleteAll(store: ObjectStore, going: readonly string[], options: RequestOptions): Promise<void> {
  for (let i = 0; i < going.length; i += DELETE_AT_ONCE) {
    await store.delete(going.slice(i, i + DELETE_AT_ONCE), options);
  }
}
