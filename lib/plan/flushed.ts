/**
 * What a flush has closed. A flush is a statement that nothing up to what it closed will come, so the watermark moves there:
 * else later rows would open windows again that were final, and they would come out twice, each time partial. How far that
 * is, only the partitions know, when they have run the batch: each says so in its log entry, folding carries the greatest
 * into the manifest, and whoever plans the batch after a flush reads it from them all first.
 */

import type { JobContext } from '../job/job-context.ts';
import { DataLog } from '../log/data-log.ts';
import { mayConclude } from '../log/partition-log.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { partitionPath } from '../object-store/names.ts';

/**
 * @param n number of the flush batch
 * @returns the greatest time that flushes up to n have closed, in all partitions of all stages; `null`: none has closed
 *   anything; `undefined`: not every partition has committed batch n yet
 * @throws {CorruptionError} @throws {StoreError}
 */
export async function flushedTo(context: JobContext, n: number): Promise<number | null | undefined> {
  const { job } = context;
  const paths = job.stages.flatMap((_, stage) =>
    Array.from({ length: job.partitions }, (_, partition) => partitionPath(stage, partition)),
  );
  const found = await Promise.all(paths.map((path) => flushedIn(context, path, n)));
  let greatest: number | null = null;
  for (const closedTo of found) {
    if (closedTo === undefined) return undefined;
    greatest = later(greatest, closedTo);
  }
  return greatest;
}

/** The greater of two times; `null`: none. */
export function later(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}

async function flushedIn({ store, names, retentionMs }: JobContext, path: string, n: number) {
  for (;;) {
    const { manifest, dateMs } = await loadManifest(store, names.manifest(path));
    if (manifest.through >= n) return manifest.closedTo ?? null;
    const { entry, dateMs: answeredMs } = await new DataLog(store, names, path).readEntry(n);
    // ⚑ fresh-manifest: too long after the manifest the answer means nothing: the entry may have been folded and collected.
    if (!mayConclude(answeredMs, dateMs, retentionMs)) continue;
    return entry === undefined ? undefined : later(manifest.closedTo ?? null, entry.header.closedTo ?? null);
  }
}
