/**
 * What garbage collection may do to a partition's manifest, as data. There is one way out for an SST: condemned by an edit,
 * then deleted, then forgotten. So an SST that an edit could still name is never deleted, and one that is to be deleted is
 * never lost sight of, wherever a collector dies.
 */
import type { Edit } from '../manifest/edit.ts';
import { type LoadedManifest, type Stamped, sstsOf } from '../manifest/manifest.ts';

/** An SST that is in the store. */
export interface StoredSst {
  readonly id: string;
  /** By the store's clock, epoch ms. */
  readonly modifiedMs: number;
}

export interface CollectLimits {
  /** R, ms. */
  readonly retentionMs: number;
  /** Log entries after this are still to be read by others. */
  readonly keepLogsAfter: number;
}

/**
 * The log up to which a partition has folded for longer than the retention, by the store's clock: nobody who reads its
 * manifest in time goes back there.
 */
export function settledThrough({ manifest, dateMs }: LoadedManifest, retentionMs: number): number {
  const settled = manifest.folds.findLast((fold) => isPast(fold.atMs, dateMs, retentionMs));
  return Math.max(manifest.collectedThrough, settled?.through ?? 0);
}

/**
 * @param stored all SSTs of the partition in the store, listed after some read of the manifest
 * @returns the edit that is due; `undefined`: none
 */
export function planCollect(
  loaded: LoadedManifest,
  stored: readonly StoredSst[],
  { retentionMs, keepLogsAfter }: CollectLimits,
): (Edit & { type: 'collect' }) | undefined {
  const { manifest, dateMs } = loaded;
  const past = ({ atMs }: { readonly atMs: number | null }): boolean => isPast(atMs, dateMs, retentionMs);
  const idOf = ({ id }: { readonly id: string }): string => id;

  const rooted = new Set(manifest.roots.flatMap((root) => root.ssts));
  const known = new Set([...sstsOf(manifest), ...manifest.dropped, ...manifest.condemned].map(idOf));
  const expired = manifest.dropped.filter((sst) => past(sst) && !rooted.has(sst.id));
  const orphans = stored.filter((sst) => !known.has(sst.id) && isPast(sst.modifiedMs, dateMs, retentionMs));
  const condemn = [...expired, ...orphans].map(idOf);

  const there = new Set(stored.map(idOf));
  const forget = manifest.condemned.filter((sst) => past(sst) && !there.has(sst.id)).map(idOf);

  const settled = settledThrough(loaded, retentionMs);
  const collectedThrough = Math.max(
    manifest.collectedThrough,
    Math.min(settled, manifest.publishedThrough, keepLogsAfter),
  );

  const unstamped = ({ atMs }: Pick<Stamped, 'atMs'>): boolean => atMs === null;
  const due =
    condemn.length > 0 ||
    forget.length > 0 ||
    collectedThrough > manifest.collectedThrough ||
    // Nothing to do but to start the clock: without it, an idle partition would keep everything for ever.
    [...manifest.folds, ...manifest.dropped, ...manifest.condemned].some(unstamped);
  return due ? { type: 'collect', condemn, forget, collectedThrough } : undefined;
}

function isPast(atMs: number | null, nowMs: number, retentionMs: number): boolean {
  return atMs !== null && nowMs - atMs > retentionMs;
}
