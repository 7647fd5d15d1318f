/**
 * Computes one micro-batch of one partition of one stage: operators over their input, results gathered by output and by
 * the next stage's partitions. Touches nothing but the batch's own state view.
 */
import type { BatchCounts } from '../log/entry.ts';
import { type BatchState, type Changes, UnstorableError } from '../state/batch-state.ts';
import { type OperatorContext, OperatorFailure, type RowFates } from '../stream/operator.ts';
import type { Collector, PhysicalJob } from '../stream/physical.ts';
import { partitionOf } from '../util/hash.ts';
import { assertPlain } from '../util/plain-data.ts';
import { type Plan, watermarksOf } from './plan.ts';
import { type EdgeRows, edgeRowsIn, joinBatches, type PartitionInput, rowBatch } from './rows.ts';
import { userFunctionError } from './segment-builder.ts';

/** The output that quarantined rows go to, in every job. */
export const QUARANTINE = '_quarantine';

export interface BatchResult {
  /** Result rows by output, in the order of {@link outputNames}. */
  readonly outputs: readonly (readonly unknown[])[];
  /** Rows for each partition of the next stage; empty in the last stage. */
  readonly next: readonly PartitionInput[];
  readonly counts: BatchCounts;
  /** In a flush: the greatest time that an operator closed; `undefined`: there was nothing open. */
  readonly closedTo: number | undefined;
}

/** The partition of stage 0 that has the quarantined rows of them all. */
export const QUARANTINE_PARTITION = 0;

/** Names of the outputs that a partition of a stage publishes. */
export function outputNames(job: PhysicalJob, stage: number, partition: number): string[] {
  const own = job.outputs.filter((o) => o.stage === stage).map((o) => o.name);
  return stage === 0 && partition === QUARANTINE_PARTITION ? [...own, QUARANTINE] : own;
}

/** Numbers of the first table of each operator of a stage. */
export function firstTables(job: PhysicalJob, stage: number): number[] {
  let next = 0;
  return job.stages[stage]!.operators.map(({ operator }) => {
    const first = next;
    next += operator.tables.length;
    return first;
  });
}

/** @throws {UserFunctionError} a function of the user threw */
export async function runOperators(
  job: PhysicalJob,
  { stage, partition }: { readonly stage: number; readonly partition: number },
  plan: Plan,
  input: PartitionInput,
  state: BatchState,
): Promise<BatchResult> {
  const { late, evict, previousEvict, flushed } = watermarksOf(plan);
  const results = new Results(job, stage, outputNames(job, stage, partition).length);
  const fates = new Fates();
  const lateOf = (edge: number): number => {
    const { from, watermark } = job.edges[edge]!;
    // What a flush has closed stays closed, also where a stream has no watermark of its own.
    return Math.max(watermark(from === 'head' ? late : previousEvict), flushed);
  };
  let rows = 0;
  let closedTo = Number.NEGATIVE_INFINITY;
  for (const [edge, edgeRows] of input.edges.entries()) {
    if (edgeRows === undefined) continue;
    for (const primary of edgeRows.primary ?? []) if (primary) rows++;
    const { stage: target, operator, output } = job.edges[edge]!;
    // Rows for a later stage pass through; rows without an operator are results already.
    if (target > stage) results.forward(edge, edgeRows);
    else if (operator < 0) for (const row of edgeRows.rows) results.toOutput(output, row);
  }
  const tables = firstTables(job, stage);
  for (const [i, node] of job.stages[stage]!.operators.entries()) {
    const inputs = node.inputs.map((edges) => joinBatches(edges.map((e) => rowBatch(input, e, lateOf(e)))));
    const context: OperatorContext = {
      n: plan.n,
      evict: node.watermark(evict),
      previousEvict: node.watermark(previousEvict),
      processingTime: plan.processingTime,
      mode: job.mode,
      tables: state.tables(node.operator.tables, tables[i]!),
      fates,
      closed: (time) => {
        if (time > closedTo) closedTo = time;
      },
      emit: (port, row, time) => {
        checkEmitted(node.operator.name, row);
        node.emit[port]!(row, time, results);
      },
    };
    try {
      await node.operator.run(inputs, context);
    } catch (error) {
      if (!(error instanceof OperatorFailure)) throw error;
      const origin =
        error.index < 0 ? undefined : inputs.map((b) => b.origin(error.index)).find((o) => o !== undefined);
      throw userFunctionError(job.name, error, origin, origin, error.row);
    }
  }
  if (input.quarantined.length > 0) results.quarantine(input.quarantined);
  const closed = plan.kind === 'flush' && closedTo > Number.NEGATIVE_INFINITY;
  return {
    ...results.finish({ rows, ...fates.counts, quarantined: input.quarantined.length }),
    closedTo: closed ? closedTo : undefined,
  };
}

/** What an operator makes of the values of user functions must be plain data, too, or it would leave as something else. */
function checkEmitted(operator: string, row: unknown): void {
  try {
    assertPlain(row);
  } catch (error) {
    throw new OperatorFailure(operator, undefined, -1, error);
  }
}

/** The state that the batch changed, as bytes. @throws {UserFunctionError} a function of the user put there what is no plain data */
export function encodeState(job: PhysicalJob, stage: number, state: BatchState): Changes {
  try {
    return state.encode();
  } catch (error) {
    if (!(error instanceof UnstorableError)) throw error;
    const at = firstTables(job, stage).findLastIndex((first) => first <= error.table);
    const { name } = job.stages[stage]!.operators[at]!.operator;
    throw userFunctionError(
      job.name,
      new OperatorFailure(name, undefined, -1, error.cause),
      undefined,
      undefined,
      undefined,
    );
  }
}

class Fates implements RowFates {
  #late = 0;
  #skipped = 0;

  late(count: number): void {
    this.#late += count;
  }

  skipped(count: number): void {
    this.#skipped += count;
  }

  get counts(): { late: number; skipped: number } {
    return { late: this.#late, skipped: this.#skipped };
  }
}

class Results implements Collector {
  readonly #job: PhysicalJob;
  readonly #outputs: unknown[][];
  /** Index into {@link #outputs} by number of the job's output. */
  readonly #slots: number[];
  readonly #next: (EdgeRows | undefined)[][];

  constructor(job: PhysicalJob, stage: number, outputs: number) {
    this.#job = job;
    this.#outputs = Array.from({ length: outputs }, () => []);
    let slot = 0;
    this.#slots = job.outputs.map((o) => (o.stage === stage ? slot++ : -1));
    const last = stage === job.stages.length - 1;
    this.#next = last ? [] : Array.from({ length: job.partitions }, () => []);
  }

  toOutput(output: number, row: unknown): void {
    this.#outputs[this.#slots[output]!]!.push(row);
  }

  toEdge(edge: number, key: string, time: number, row: unknown): void {
    const to = edgeRowsIn(this.#next[partitionOf(key, this.#job.partitions)]!, edge, false);
    to.keys.push(key);
    to.times.push(time);
    to.rows.push(row);
  }

  forward(edge: number, rows: EdgeRows): void {
    for (const [i, key] of rows.keys.entries()) this.toEdge(edge, key, rows.times[i]!, rows.rows[i]);
  }

  quarantine(rows: readonly unknown[]): void {
    const to = this.#outputs[this.#outputs.length - 1]!;
    for (const row of rows) to.push(row);
  }

  finish(counts: Omit<BatchCounts, 'emitted'>): Omit<BatchResult, 'closedTo'> {
    const emitted = this.#outputs.reduce((sum, rows) => sum + rows.length, 0) - counts.quarantined;
    return {
      outputs: this.#outputs,
      next: this.#next.map((edges) => ({ edges, quarantined: [], objects: [] })),
      counts: { ...counts, emitted },
    };
  }
}
