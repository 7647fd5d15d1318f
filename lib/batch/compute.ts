/** Step 3 of a batch: what it makes of its rows, as the bytes of its log entry. Touches nothing but its own view of the state. */
import { UserFunctionError } from '../errors.ts';
import type { JobContext } from '../job/job-context.ts';
import { encodeLogEntry, type LogHeader } from '../log/entry.ts';
import type { Skip } from '../manifest/manifest.ts';
import { type PartitionPlace, partitionPath } from '../object-store/names.ts';
import type { StoredPlan } from '../plan/plan.ts';
import { encodeInput, type PartitionInput } from '../plan/rows.ts';
import type { BatchState } from '../state/batch-state.ts';
import type { Changes } from '../state/changes.ts';
import type { PartitionState } from '../state/partition-state.ts';
import { MissingSstError } from '../state/sst-files.ts';
import { type BatchResult, encodeState, runOperators } from './run-operators.ts';

/** A batch to compute. */
export interface Work {
  readonly plan: StoredPlan;
  readonly input: PartitionInput;
  readonly batch: BatchState;
}

export interface Computed {
  readonly header: LogHeader;
  readonly bytes: Uint8Array;
  readonly hash: string;
  readonly changes: Changes;
  readonly result: BatchResult;
}

export interface Computing {
  readonly context: JobContext;
  readonly place: PartitionPlace;
  readonly state: PartitionState;
  /** Reads the manifest. */
  readonly reload: () => Promise<void>;
  readonly publishedThrough: () => number;
}

/**
 * @returns `undefined`: it was computed from what is not so any more, begin again
 * @throws {UserFunctionError} @throws {CorruptionError} @throws {StoreError}
 */
export async function compute(computing: Computing, { plan, input, batch }: Work): Promise<Computed | undefined> {
  const { context, place, state } = computing;
  const { job, keepRows } = context;
  const { n } = plan.plan;
  const { version } = state.manifest;
  const skips = skipsOf(state, plan);
  let result: BatchResult;
  let changes: Changes;
  try {
    [result, changes] = await state.pinnedFor(async () => {
      const computed = await runOperators(job, place, { plan: plan.plan, input, state: batch, skips, keepRows });
      return [computed, encodeState(job, place.stage, batch)];
    });
  } catch (error) {
    // Another environment has moved on, and this one with it: whatever went wrong, it was computed from two states.
    if (state.position !== n - 1) return undefined;
    if (!(error instanceof UserFunctionError || error instanceof MissingSstError)) throw error;
    await computing.reload();
    if (error instanceof UserFunctionError) {
      // A person may have said meanwhile that the row is to be skipped.
      if (state.position !== n - 1 || skipsOf(state, plan).length !== skips.length) return undefined;
      error.at = { path: partitionPath(place.stage, place.partition), n, planHash: plan.hash };
      throw error;
    }
    // ⚑ missing-sst: under a cached manifest another one has replaced it. Under a fresh one it is corruption.
    if (state.manifest.version === version) throw error;
    return undefined;
  }
  if (state.position !== n - 1) return undefined;
  const header: LogHeader = {
    n,
    attempt: context.random.id(),
    planHash: plan.hash,
    previousHash: state.hash,
    // ⚑ published-known: what is committed and not out yet is not in it.
    publishedThrough: computing.publishedThrough(),
    outputs: result.names,
    nextPartitions: result.next.length,
    changes: changes.count,
    ...(changes.forgotten.length === 0 ? {} : { forgotten: changes.forgotten }),
    counts: result.counts,
    reads: batch.reads,
    ...(result.wakeMs === undefined ? {} : { wakeMs: result.wakeMs }),
    ...(result.closedTo === undefined ? {} : { closedTo: result.closedTo }),
    ...(context.file.layoutVersion === undefined ? {} : { layoutVersion: context.file.layoutVersion }),
  };
  const outputs = result.outputs.map((rows) => rows.bytes());
  const encoded = encodeLogEntry(header, changes.bytes, outputs, result.next.map(encodeInput));
  return { ...encoded, header, changes, result };
}

/** Rows of this batch to be set aside by hand. */
function skipsOf(state: PartitionState, { plan, hash }: StoredPlan): readonly Skip[] {
  const { skips = [] } = state.manifest;
  return skips.filter((skip) => skip.n === plan.n && (skip.planHash === undefined || skip.planHash === hash));
}
