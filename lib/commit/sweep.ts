/**
 * Finds what lost triggers and commit messages left undone: for each partition the first batch that could run and has no
 * log entry, and the log entries that no manifest has folded. From the objects alone; data out, so that whoever calls it
 * sends the triggers decides when (⚑ sweep-backoff), and gives them a new de-duplication id and a message group beside the
 * partition's (⚑ sweep-group).
 */
import { readTail } from '../log/tail.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { type Names, type PartitionPath, PLANNER, partitionPath } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { smallest } from '../util/numbers.ts';

export interface SweepOptions extends RequestOptions {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly stages: number;
  /** Of each stage. */
  readonly partitions: number;
  /** R, ms. */
  readonly retentionMs: number;
  /** Log entries to look for after a manifest's `through`, at most. Default 64; the commit lag is bounded far below. */
  readonly maxAhead?: number | undefined;
  /** Triggers to return, at most: those of the earliest stages first. Default 100. */
  readonly maxMissing?: number | undefined;
}

export interface MissingBatch {
  readonly path: PartitionPath;
  readonly stage: number;
  readonly partition: number;
  readonly n: number;
  /** Batches n to this one could run by now. */
  readonly upTo: number;
}

export interface Swept {
  /** Batches to trigger, one a partition at most. */
  readonly missing: readonly MissingBatch[];
  /** Partitions with log entries (through, head] to fold; the planner, too. */
  readonly unfolded: readonly { readonly path: PartitionPath; readonly through: number; readonly head: number }[];
  readonly halted: readonly PartitionPath[];
  /** Plans that are made. */
  readonly planned: number;
  /** Plans that not all partitions of the last stage have committed. */
  readonly backlog: number;
}

/** Where a partition stands. */
export interface Standing {
  readonly path: PartitionPath;
  readonly through: number;
  /** Log entries up to this are there or folded. */
  readonly head: number;
  /** Whether entry head + 1 is known to be absent. */
  readonly ended: boolean;
  readonly halted: boolean;
}

/** @throws {CorruptionError} a manifest cannot be read @throws {StoreError} */
export async function sweep(options: SweepOptions): Promise<Swept> {
  const { stages, partitions, maxMissing = 100 } = options;
  const at = (stage: number, p: number): number => 1 + stage * partitions + p;
  const paths: PartitionPath[] = [PLANNER];
  for (let stage = 0; stage < stages; stage++) {
    for (let p = 0; p < partitions; p++) paths.push(partitionPath(stage, p));
  }
  const standings = await allOrFirstError(paths.map((path) => standingOf(path, options)));
  const planned = standings[0]!.head;

  const missing: MissingBatch[] = [];
  for (let stage = 0; stage < stages; stage++) {
    const before = standings.slice(at(stage - 1, 0), at(stage, 0));
    const ready = stage === 0 ? planned : Math.min(planned, smallest(before.map((standing) => standing.head)));
    for (let partition = 0; partition < partitions; partition++) {
      const { path, head, ended, halted } = standings[at(stage, partition)]!;
      if (ended && !halted && head < ready) missing.push({ path, stage, partition, n: head + 1, upTo: ready });
    }
  }
  const unfolded = standings
    .filter((s) => s.head > s.through)
    .map(({ path, through, head }) => ({ path, through, head }));
  const halted = standings.filter((standing) => standing.halted).map(({ path }) => path);
  const done = smallest(standings.slice(at(stages - 1, 0)).map(({ head }) => head));
  const backlog = Math.max(0, planned - done);
  return { missing: missing.slice(0, maxMissing), unfolded, halted, planned, backlog };
}

/** @throws {CorruptionError} its manifest cannot be read @throws {StoreError} */
export async function standingOf(
  path: PartitionPath,
  options: Pick<SweepOptions, 'store' | 'names' | 'retentionMs' | 'maxAhead' | 'signal'>,
): Promise<Standing> {
  const { store, names, retentionMs, maxAhead = 64, signal } = options;
  let head = 0;
  for (;;) {
    const { manifest, dateMs: manifestMs } = await loadManifest(store, names.manifest(path), { signal });
    const { through, halted } = manifest;
    head = Math.max(head, through);
    const end = await readTail(
      {
        next: () => head + 1,
        atOnce: () => (head - through < maxAhead ? 1 : 0),
        async read(n) {
          const { found, dateMs } = await store.get(names.log(path, n), { signal, range: { offset: 0, length: 1 } });
          return { entry: found || undefined, dateMs };
        },
        manifestMs,
        retentionMs,
      },
      () => void head++,
    );
    if (end !== 'stale') return { path, through, head, halted: halted !== null, ended: end === 'end' };
  }
}
