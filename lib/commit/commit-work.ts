/** The commit work of one job: its partitions, and what to fold, compact and collect in them. */

import { consumedThrough } from '../job/consumer-cursor.ts';
import type { StoredJobContext } from '../job/job-context.ts';
import type { JobFile } from '../job/job-file.ts';
import { quarantineOf } from '../job/outputs.ts';
import { DataLog } from '../log/data-log.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { type PartitionPath, PLANNER, partitionPath, placeOf } from '../object-store/names.ts';
import { PlannerLog, plannerExpiry } from '../plan/planner-log.ts';
import type { ResultRetention } from './collect-results.ts';
import type { CommitWork } from './commit-loop.ts';
import { compactOnce } from './compact-once.ts';
import { fold } from './fold.ts';
import { collectJob } from './gc.ts';
import type { CommitPartition } from './partition.ts';

/** Batches up to this are where this process takes results to; left out: it takes them nowhere. */
export type TakenThrough = () => number;

/** Paths of all partitions of a job, the planner's first. */
export function commitPaths(file: JobFile): PartitionPath[] {
  return [PLANNER, ...stagePaths(file).flat()];
}

export function commitWork(context: StoredJobContext, takenThrough?: TakenThrough): CommitWork {
  const { clock, trace } = context;
  const planner = commitPartition(context, PLANNER);
  const stages = stagePaths(context.file).map((paths) => paths.map((path) => commitPartition(context, path)));
  const partitions = new Map([planner, ...stages.flat()].map((p) => [p.path, p]));
  /** The newest that are known here: where nobody else edits them, none is read. */
  const manifests = new Map<PartitionPath, LoadedManifest>();
  const learn = (path: PartitionPath, loaded: LoadedManifest): void => {
    if (loaded.manifest.version >= (manifests.get(path)?.manifest.version ?? 0)) manifests.set(path, loaded);
  };
  return {
    async fold(path, known, upTo) {
      const startMs = clock.monotonic();
      const from = manifests.get(path);
      const result = await fold(partitions.get(path)!, { from, expected: known, upTo, publishedThrough: known });
      learn(path, result.loaded);
      if (result.outcome === 'nothing') return undefined;
      const { through } = result.loaded.manifest;
      const entries = result.outcome === 'folded' ? result.entries : 0;
      trace.span({ lane: 'fold', path, n: through, startMs, endMs: clock.monotonic(), detail: { entries } });
      return result.loaded;
    },
    async compact(path) {
      const startMs = clock.monotonic();
      const compacted = await compactOnce(partitions.get(path)!, manifests.get(path));
      if (compacted === undefined) return undefined;
      const { loaded, detail } = compacted;
      learn(path, loaded);
      const n = loaded.manifest.through;
      trace.span({ lane: 'compact', path, n, startMs, endMs: clock.monotonic(), detail });
      return loaded;
    },
    async collect() {
      const startMs = clock.monotonic();
      const deleted = await collectJob(planner, stages, { results: resultRetention(context, takenThrough) });
      trace.span({ lane: 'gc', path: PLANNER, n: 0, startMs, endMs: clock.monotonic(), detail: { deleted } });
    },
  };
}

/** What garbage collection must know of results; `undefined`: they are kept for ever. */
export function resultRetention(
  context: StoredJobContext,
  takenThrough: TakenThrough = () => Number.POSITIVE_INFINITY,
): ResultRetention | undefined {
  const { store, names, file, keepResultsMs } = context;
  if (keepResultsMs === undefined) return undefined;
  const outputs = [...file.outputs.map(({ name }) => name), ...stagePaths(file).map((_, stage) => quarantineOf(stage))];
  return {
    keepMs: keepResultsMs,
    prefixes: outputs.flatMap((output) =>
      Array.from({ length: file.partitions }, (_, p) => names.outPrefix(output, p)),
    ),
    takenThrough: async () => Math.min(takenThrough(), await consumedThrough(store, names)),
  };
}

/** The partition at a path, for commit work on it alone. */
export function commitPartition(context: StoredJobContext, path: PartitionPath): CommitPartition {
  const { store, names, random, retentionMs } = context;
  const place = placeOf(path);
  const shared = { store, names, random, retentionMs, path };
  return place === undefined
    ? { ...shared, partition: 0, log: new PlannerLog(store, names), expiry: plannerExpiry }
    : { ...shared, partition: place.partition, log: new DataLog(store, names, path) };
}

export function stagePaths({ stages, partitions }: JobFile): PartitionPath[][] {
  return Array.from({ length: stages }, (_, stage) =>
    Array.from({ length: partitions }, (_, partition) => partitionPath(stage, partition)),
  );
}
