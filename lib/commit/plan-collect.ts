/**
 * What garbage collection may do in a partition, as data. An SST is condemned when the manifest does not name it and it was
 * written before the time that the manifest says; so one that an edit could still name is never deleted, however long a
 * committer sleeps. Then it stays a retention longer, for those who read an older manifest, counted from a collection
 * that found it condemned: it was replaced before that. Nothing else has to be remembered of it: what is in the store and not
 * in the manifest is found by listing, wherever a committer or a collector died.
 */
import type { Edit } from '../manifest/edit.ts';
import { type LoadedManifest, namedBy } from '../manifest/manifest.ts';
import type { Unnamed } from './unnamed.ts';

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
  const settled = manifest.folds.findLast(({ atMs }) => atMs !== null && dateMs - atMs > retentionMs);
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
  // Half a retention: that long a committer has to write SSTs and to name them.
  const condemnedMs = Math.floor(dateMs - retentionMs / 2);
  const condemnable = condemnedAt({ ...manifest, condemnedMs }, stored, retentionMs);
  const more = condemnable.length > condemnedAt(manifest, stored, retentionMs).length;
  const settled = settledThrough(loaded, retentionMs);
  const collectedThrough = Math.max(
    manifest.collectedThrough,
    Math.min(settled, manifest.publishedThrough, keepLogsAfter),
  );
  const due =
    more ||
    collectedThrough > manifest.collectedThrough ||
    // Nothing to do but to start the clock: without it, an idle partition would keep its log for ever.
    manifest.folds.some(({ atMs }) => atMs === null);
  if (!due) return undefined;
  return { type: 'collect', condemnedMs: more ? condemnedMs : manifest.condemnedMs, collectedThrough };
}

export interface SstsToCollect {
  /** To be deleted: condemned, and known for a retention to be so. */
  readonly due: readonly string[];
  /** All that are condemned, with the time since when that is known. */
  readonly unnamed: Unnamed;
}

/**
 * @param loaded as it was before `stored` was listed, or newer
 * @param known what earlier collections have noted
 */
export function planDelete(
  loaded: LoadedManifest,
  stored: readonly StoredSst[],
  known: Unnamed,
  retentionMs: number,
): SstsToCollect {
  const { manifest, dateMs } = loaded;
  const ids = condemnedAt(manifest, stored, retentionMs);
  // ⚑ late-stamps: this manifest does not name it, so the edit that replaced it came before.
  const unnamed = new Map(ids.map((id) => [id, known.get(id) ?? dateMs]));
  return { due: ids.filter((id) => dateMs - unnamed.get(id)! > retentionMs), unnamed };
}

/** SSTs that are not named and surely condemned: an eighth of a retention lies between, should the store's clocks differ. */
function condemnedAt(
  manifest: LoadedManifest['manifest'],
  stored: readonly StoredSst[],
  retentionMs: number,
): string[] {
  const named = namedBy(manifest);
  const before = manifest.condemnedMs - retentionMs / 8;
  return stored.filter(({ id, modifiedMs }) => modifiedMs < before && !named.has(id)).map(({ id }) => id);
}
