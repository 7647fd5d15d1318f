/** The commit work of one job: its partitions, and what to fold, compact and collect in them. */
import { PlannerLog } from '../batch/planner-log.ts';
import type { CommitWork } from '../commit/commit-loop.ts';
import { compactOnce } from '../commit/compact-once.ts';
import { fold } from '../commit/fold.ts';
import { collect, keepLogsAfter } from '../commit/gc.ts';
import { type CommitPartition, manifestOf } from '../commit/partition.ts';
import { DataLog } from '../log/data-log.ts';
import { type Names, type PartitionPath, PLANNER, partitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import type { Trace } from '../util/trace.ts';
import type { JobFile } from './job-file.ts';

export interface CommitEnvironment {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly names: Names;
  readonly file: JobFile;
  readonly retentionMs: number;
}

/** Paths of all partitions of a job, the planner's first. */
export function commitPaths(file: JobFile): PartitionPath[] {
  return [PLANNER, ...dataPartitions(file).map(({ stage, partition }) => partitionPath(stage, partition))];
}

export function commitWork(env: CommitEnvironment): CommitWork {
  const { clock, trace } = env;
  const partitions = new Map(commitPartitions(env).map((p) => [p.path, p]));
  return {
    async fold(path, known) {
      const startMs = clock.monotonic();
      const result = await fold(partitions.get(path)!, { expected: known, publishedThrough: known });
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
      let deleted = 0;
      for (const partition of partitions.values()) {
        const readers = await Promise.all(
          readersOf(partition.path, env.file).map((p) => manifestOf(partitions.get(p)!)),
        );
        deleted += (await collect(partition, { keepLogsAfter: keepLogsAfter(readers, env.retentionMs) })).deleted;
      }
      trace.span({ lane: 'gc', path: PLANNER, n: 0, startMs, endMs: clock.monotonic(), detail: { deleted } });
    },
  };
}

/** Who reads a partition's log: every partition of the next stage; the plans, all partitions of all stages. */
function readersOf(path: PartitionPath, file: JobFile): PartitionPath[] {
  const data = dataPartitions(file);
  if (path === PLANNER) return data.map(({ stage, partition }) => partitionPath(stage, partition));
  const { stage } = data.find((d) => partitionPath(d.stage, d.partition) === path)!;
  return data.filter((d) => d.stage === stage + 1).map((d) => partitionPath(d.stage, d.partition));
}

function commitPartitions({ store, names, random, retentionMs, file }: CommitEnvironment): CommitPartition[] {
  const shared = { store, names, random, retentionMs };
  return [
    { ...shared, path: PLANNER, partition: 0, log: new PlannerLog(store, names) },
    ...dataPartitions(file).map(({ stage, partition }): CommitPartition => {
      const path = partitionPath(stage, partition);
      return { ...shared, path, partition, log: new DataLog(store, names, path) };
    }),
  ];
}

function dataPartitions(file: JobFile): { stage: number; partition: number }[] {
  return Array.from({ length: file.stages * file.partitions }, (_, i) => ({
    stage: Math.floor(i / file.partitions),
    partition: i % file.partitions,
  }));
}
