/**
 * What all partitions have said in a batch, which whoever plans the next one must know: each says it in its log entry, and folding carries it on
 * into the manifest.
 */
import type { JobContext } from '../job/job-context.ts';
import { DataLog } from '../log/data-log.ts';
import type { LogHeader } from '../log/entry.ts';
import { mayConclude } from '../log/partition-log.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { partitionPath } from '../object-store/names.ts';

/**
 * @param of what a partition has said, given its manifest, and its log entry n unless that is folded
 * @returns by stage and partition; `undefined`: not every partition has committed batch n yet
 * @throws {CorruptionError} @throws {StoreError}
 */
export async function saidIn<T>(
  context: JobContext,
  n: number,
  of: (manifest: Manifest, header: LogHeader | undefined) => T,
): Promise<T[] | undefined> {
  const { job } = context;
  const paths = job.stages.flatMap((_, stage) =>
    Array.from({ length: job.partitions }, (_, partition) => partitionPath(stage, partition)),
  );
  const found = await Promise.all(paths.map((path) => saidBy(context, path, n, of)));
  const all: T[] = [];
  for (const one of found) {
    if (one === undefined) return undefined;
    all.push(one.said);
  }
  return all;
}

async function saidBy<T>(
  { store, names, retentionMs }: JobContext,
  path: string,
  n: number,
  of: (manifest: Manifest, header: LogHeader | undefined) => T,
): Promise<{ readonly said: T } | undefined> {
  for (;;) {
    const { manifest, dateMs } = await loadManifest(store, names.manifest(path));
    if (manifest.through >= n) return { said: of(manifest, undefined) };
    const { entry, dateMs: answeredMs } = await new DataLog(store, names, path).readEntry(n);
    // ⚑ fresh-manifest: too long after the manifest the answer means nothing: the entry may have been folded and collected.
    if (!mayConclude(answeredMs, dateMs, retentionMs)) continue;
    return entry === undefined ? undefined : { said: of(manifest, entry.header) };
  }
}
