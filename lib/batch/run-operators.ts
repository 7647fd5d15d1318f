/**
 * Computes one micro-batch of one partition of one stage: operators over their input, results gathered by output and by
 * the next stage's partitions. Touches nothing but the batch's own state view.
 */
import { userFunctionError } from '../job/failed-row.ts';
import { QUARANTINE_PARTITION } from '../job/outputs.ts';
import type { BatchCounts } from '../log/entry.ts';
import type { Skip } from '../manifest/manifest.ts';
import { type Plan, watermarksOf } from '../plan/plan.ts';
import { type PartitionInput, portBatch } from '../plan/rows.ts';
import type { BatchState } from '../state/batch-state.ts';
import { type Changes, UnstorableError } from '../state/changes.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import {
  type Operator,
  type OperatorContext,
  OperatorFailure,
  type RowBatch,
  type RowFates,
} from '../stream/graph/operator.ts';
import { Asides } from './asides.ts';
import { emitting } from './emitting.ts';
import type { OutputRows } from './output-rows.ts';
import { StageResults } from './stage-results.ts';

export interface BatchResult {
  /** Names of the outputs: `outputNames`, then perhaps the quarantine. */
  readonly names: readonly string[];
  /** Result rows by output. */
  readonly outputs: readonly OutputRows[];
  /** Rows for each partition of the next stage; empty in the last stage. */
  readonly next: readonly PartitionInput[];
  readonly counts: BatchCounts;
  /** The processing time at which an operator wants to run even if no row comes; `undefined`: none does. */
  readonly wakeMs: number | undefined;
  /** In a flush: the greatest time that an operator closed; `undefined`: there was nothing open. */
  readonly closedTo: number | undefined;
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

/** What operators of a stage get in a batch. */
export interface StageInput {
  readonly plan: Plan;
  readonly input: PartitionInput;
  readonly state: BatchState;
  /** Rows of this batch that are to be set aside by hand. */
  readonly skips?: readonly Skip[] | undefined;
  /** Result rows are wanted themselves. */
  readonly keepRows?: boolean | undefined;
}

/** @throws {UserFunctionError} a function of the user threw */
export async function runOperators(
  job: PhysicalJob,
  { stage, partition }: { readonly stage: number; readonly partition: number },
  given: StageInput,
): Promise<BatchResult> {
  const { plan, input, skips = [], keepRows = false } = given;
  const results = new StageResults(job, stage, keepRows);
  const fates = new Fates();
  const asides = new Asides({ job: job.name, onError: job.onError, skips });
  const rows = passOn(job, stage, input, results);
  let closedTo = Number.NEGATIVE_INFINITY;
  const closed = (time: number): void => {
    if (time > closedTo) closedTo = time;
  };
  let wakeMs = Number.POSITIVE_INFINITY;
  const wake = (atMs: number): void => {
    wakeMs = Math.min(wakeMs, atMs);
  };
  const tables = firstTables(job, stage);
  const { late, evict, previousEvict, flushed } = watermarksOf(plan);
  const lateOf = (edge: number): number => {
    const { from, watermark } = job.edges[edge]!;
    // What a flush has closed stays closed, also where a stream has no watermark of its own.
    return Math.max(watermark(from === 'head' ? late : previousEvict), flushed);
  };
  for (const [i, node] of job.stages[stage]!.operators.entries()) {
    const inputs = node.inputs.map((edges) => portBatch(input, edges, lateOf));
    const { operator, watermark } = node;
    const context: OperatorContext = {
      n: plan.n,
      evict: watermark(evict),
      previousEvict: watermark(previousEvict),
      processingTime: plan.processingTime,
      clock: clockOf(job, plan),
      clockIs: job.watermarks.length === 0 ? 'processing' : 'event',
      mode: job.mode,
      tables: given.state.tables(operator.tables, tables[i]!),
      ordered: (table) => given.state.ordered(tables[i]! + table),
      fates,
      closed,
      wake,
      ...emitting({ node, number: i, inputs, results, asides }),
    };
    await run(operator, inputs, context, job.name);
  }
  results.quarantine([...input.quarantined, ...asides.rows], stage === 0 && partition === QUARANTINE_PARTITION);
  const quarantined = input.quarantined.length + asides.primary;
  const setAside = asides.rows.length - asides.primary;
  return {
    ...results.all,
    counts: { rows, ...fates.counts, quarantined, setAside, emitted: results.emitted },
    wakeMs: wakeMs < Number.POSITIVE_INFINITY ? wakeMs : undefined,
    closedTo: plan.kind === 'flush' && closedTo > Number.NEGATIVE_INFINITY ? closedTo : undefined,
  };
}

/** What `state.ttl` goes by: {@link OperatorContext.clock}. */
export function clockOf(job: PhysicalJob, plan: Pick<Plan, 'watermark' | 'processingTime'>): number {
  return job.watermarks.length === 0 ? plan.processingTime : (plan.watermark ?? Number.NEGATIVE_INFINITY);
}

/**
 * Rows for a later stage pass through; rows without an operator are results already.
 * @returns how many of the rows stand for input rows
 */
function passOn(job: PhysicalJob, stage: number, { edges }: PartitionInput, results: StageResults): number {
  let primaries = 0;
  for (const [edge, rows] of edges.entries()) {
    if (rows === undefined) continue;
    primaries += rows.primaries;
    const { stage: target, operator, output } = job.edges[edge]!;
    if (target > stage) results.forward(edge, rows);
    else if (operator < 0) for (let i = 0; i < rows.count; i++) results.toOutput(output, rows.row(i));
  }
  return primaries;
}

async function run(
  operator: Operator,
  inputs: readonly RowBatch[],
  context: OperatorContext,
  job: string,
): Promise<void> {
  try {
    await operator.run(inputs, context);
  } catch (error) {
    // An operator that throws what it ought to have handed to `refuse`: its tables may have traces of the row.
    if (!(error instanceof OperatorFailure)) throw error;
    const of = inputs.find((b) => error.index >= 0 && error.index < b.count && b.row(error.index) === error.row);
    new Asides({ job, onError: 'fail', skips: [] }).refuse('', error, error.row, of, error.index);
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
    throw userFunctionError(job.name, new OperatorFailure(name, undefined, -1, error.cause), undefined, undefined);
  }
}

class Fates implements RowFates {
  readonly counts = { late: 0, skipped: 0 };

  late(count: number): void {
    this.counts.late += count;
  }

  skipped(count: number): void {
    this.counts.skipped += count;
  }
}
