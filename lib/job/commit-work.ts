/** The commit work of one job: its partitions, and what to fold, compact and collect in them. */

import { quarantineOf } from '../batch/run-operators.ts';
import type { ResultRetention } from '../commit/collect-results.ts';
import type { CommitWork } from '../commit/commit-loop.ts';
import { compactOnce } from '../commit/compact-once.ts';
import { fold } from '../commit/fold.ts';
import { collectJob } from '../commit/gc.ts';
import type { CommitPartition } from '../commit/partition.ts';
import { DataLog } from '../log/data-log.ts';
import { type Names, type PartitionPath, PLANNER, partitionPath, placeOf } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { PlannerLog, plannerExpiry } from '../plan/planner-log.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import type { Trace } from '../util/trace.ts';
import { consumedThrough } from './consumer-cursor.ts';
import type { JobFile } from './job-file.ts';

export interface CommitEnvironment {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly names: Names;
  readonly file: JobFile;
  readonly retentionMs: number;
  /** How long results are kept, ms; left out: for ever. */
  readonly keepResultsMs?: number | undefined;
  /** Batches up to this are where this process takes results to; left out: it takes them nowhere. */
  readonly takenThrough?: (() => number) | undefined;
}

/** Paths of all partitions of a job, the planner's first. */
export function commitPaths(file: JobFile): PartitionPath[] {
  return [PLANNER, ...stagePaths(file).flat()];
}

export function commitWork(env: CommitEnvironment): CommitWork {
  const { clock, trace } = env;
  const planner = commitPartition(env, PLANNER);
  const stages = stagePaths(env.file).map((paths) => paths.map((path) => commitPartition(env, path)));
  const partitions = new Map([planner, ...stages.flat()].map((p) => [p.path, p]));
  return {
    async fold(path, known, upTo) {
      const startMs = clock.monotonic();
      const result = await fold(partitions.get(path)!, { expected: known, upTo, publishedThrough: known });
      if (result.outcome === 'nothing') return undefined;
      const { through } = result.loaded.manifest;
      const entries = result.outcome === 'folded' ? result.entries : 0;
      trace.span({ lane: 'fold', path, n: through, startMs, endMs: clock.monotonic(), detail: { entries } });
      return result.loaded;
    },
    async compact(path) {
      const startMs = clock.monotonic();
      const compacted = await compactOnce(partitions.get(path)!);
      if (compacted === undefined) return undefined;
      const { loaded, detail } = compacted;
      const n = loaded.manifest.through;
      trace.span({ lane: 'compact', path, n, startMs, endMs: clock.monotonic(), detail });
      return loaded;
    },
    async collect() {
      const startMs = clock.monotonic();
      const deleted = await collectJob(planner, stages, { results: resultRetention(env) });
      trace.span({ lane: 'gc', path: PLANNER, n: 0, startMs, endMs: clock.monotonic(), detail: { deleted } });
    },
  };
}

/** What garbage collection must know of results; `undefined`: they are kept for ever. */
export function resultRetention(env: CommitEnvironment): ResultRetention | undefined {
  const { store, names, file, keepResultsMs, takenThrough = () => Number.POSITIVE_INFINITY } = env;
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
export function commitPartition(env: CommitEnvironment, path: PartitionPath): CommitPartition {
  const { store, names, random, retentionMs } = env;
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
