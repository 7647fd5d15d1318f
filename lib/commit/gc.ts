/**
 * Garbage collection, and the only code that deletes (results: `collect-results.ts`). ⚑ condemn-first: first the manifest says
 * what goes, by compare-and-set; then it is deleted, so that no edit can name what is going. What a dead collector left over,
 * the next one finds: condemned SSTs by their listing, log entries by their numbers. Whatever cannot be read stops it before
 * anything is deleted.
 */
import type { LoadedManifest } from '../manifest/manifest.ts';
import { editManifest, loadManifest } from '../manifest/manifest-store.ts';
import { type Names, numberOf, type PartitionPath, PLANNER } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { greatest, pushAll, smallest } from '../util/numbers.ts';
import { collectResults, type ResultRetention } from './collect-results.ts';
import { allOrFirstError } from './create-once.ts';
import { type CommitPartition, manifestOf } from './partition.ts';
import { planCollect, type StoredSst, settledThrough } from './plan-collect.ts';

/** Names in one delete request. */
const DELETE_AT_ONCE = 1000;

export interface CollectOptions extends RequestOptions {
  /** Log entries after this are kept for others: {@link keepLogsAfter} of those who read this log. */
  readonly keepLogsAfter: number;
}

export interface Collected {
  readonly loaded: LoadedManifest;
  /** Objects deleted; some may have been gone already. */
  readonly deleted: number;
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
  if (base.etag === undefined) return { loaded: base, deleted: 0 };
  const stored = await listSsts(partition, { signal });
  const { loaded } = await editManifest(
    store,
    names.manifest(path),
    (newest) => planCollect(newest, stored, { retentionMs, keepLogsAfter }),
    { nonce: random.id(), from: base, signal },
  );
  const { manifest, dateMs } = loaded;

  const condemned = new Set(manifest.condemned.map((sst) => sst.id));
  const going = stored.filter((sst) => condemned.has(sst.id)).map((sst) => names.sst(path, sst.id));
  pushAll(going, await listThrough(store, names.logPrefix(path), manifest.collectedThrough, { signal }));
  if (path === PLANNER) {
    pushAll(going, await listThrough(store, names.segmentPrefix(), manifest.collectedThrough, { signal }));
  } else {
    for await (const { name, modifiedMs } of store.list(names.warmPrefix(path), { signal })) {
      if (numberOf(name) <= manifest.through || dateMs - modifiedMs > retentionMs) going.push(name);
    }
  }
  await deleteAll(store, going, { signal });
  return { loaded, deleted: going.length };
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
  { results, ...options }: CollectJobOptions = {},
): Promise<number> {
  const loaded = await allOrFirstError(
    stages.map((stage) => allOrFirstError(stage.map((partition) => manifestOf(partition, options)))),
  );
  const work = [
    { partition: planner, readers: loaded.flat() },
    ...stages.flatMap((stage, s) => stage.map((partition) => ({ partition, readers: loaded[s + 1] ?? [] }))),
  ];
  let deleted = 0;
  const collected: LoadedManifest[] = [];
  for (const { partition, readers } of work) {
    const limit = keepLogsAfter(readers, partition.retentionMs);
    const done = await collect(partition, { ...options, keepLogsAfter: limit });
    deleted += done.deleted;
    if (partition !== planner) collected.push(done.loaded);
  }
  if (results === undefined) return deleted;
  const { store, names, retentionMs } = planner;
  const through = smallest(collected.map(({ manifest }) => manifest.collectedThrough));
  const nowMs = smallest(collected.map(({ dateMs }) => dateMs));
  const settled = { store, names, retentionMs, collectedThrough: through, nowMs };
  return deleted + (await collectResults({ ...options, ...results, ...settled }));
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

async function listSsts({ store, names, path }: CommitPartition, options: RequestOptions): Promise<StoredSst[]> {
  const prefix = names.sstPrefix(path);
  const stored: StoredSst[] = [];
  for await (const { name, modifiedMs } of store.list(prefix, options)) {
    stored.push({ id: name.slice(prefix.length), modifiedMs });
  }
  return stored;
}

/** Names of numbered objects up to number `last`. They sort by number, so this ends with the first that is kept. */
async function listThrough(
  store: ObjectStore,
  prefix: string,
  last: number,
  options: RequestOptions,
): Promise<string[]> {
  const found: string[] = [];
  if (last === 0) return found;
  for await (const { name } of store.list(prefix, options)) {
    if (numberOf(name) > last) break;
    found.push(name);
  }
  return found;
}

async function deleteAll(store: ObjectStore, going: readonly string[], options: RequestOptions): Promise<void> {
  for (let i = 0; i < going.length; i += DELETE_AT_ONCE) {
    await store.delete(going.slice(i, i + DELETE_AT_ONCE), options);
  }
}
