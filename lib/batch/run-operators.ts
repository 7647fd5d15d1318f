/**
 * Computes one micro-batch of one partition of one stage: operators over their input, results gathered by output and by
 * the next stage's partitions. Touches nothing but the batch's own state view.
 */
import type { ColumnBatch } from '../columns/column-batch.ts';
import { userFunctionError } from '../job/failed-row.ts';
import { outputNames, QUARANTINE_PARTITION, quarantineOf } from '../job/outputs.ts';
import type { BatchCounts } from '../log/entry.ts';
import type { Skip } from '../manifest/manifest.ts';
import { type Plan, watermarksOf } from '../plan/plan.ts';
import { edgeRowsIn, type PartitionInput, portBatch, type QuarantinedRow } from '../plan/rows.ts';
import type { BatchState } from '../state/batch-state.ts';
import { type Changes, UnstorableError } from '../state/changes.ts';
import type { Collector, PhysicalJob } from '../stream/compile/physical.ts';
import { type OperatorContext, OperatorFailure, type RowFates } from '../stream/graph/operator.ts';
import { partitionOf } from '../util/hash.ts';
import { assertPlain } from '../util/plain-data.ts';
import { Asides } from './asides.ts';
import { OutputRows } from './output-rows.ts';

export interface BatchResult {
  /** Names of the outputs: {@link outputNames}, then perhaps the quarantine. */
  readonly names: readonly string[];
  /** Result rows by output. */
  readonly outputs: readonly OutputRows[];
  /** Rows for each partition of the next stage; empty in the last stage. */
  readonly next: readonly PartitionInput[];
  readonly counts: BatchCounts;
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

/**
 * @param options skips: rows of this batch that are to be set aside by hand; keepRows: result rows are wanted themselves
 * @throws {UserFunctionError} a function of the user threw
 */
export async function runOperators(
  job: PhysicalJob,
  { stage, partition }: { readonly stage: number; readonly partition: number },
  plan: Plan,
  input: PartitionInput,
  state: BatchState,
  { skips = [], keepRows = false }: { readonly skips?: readonly Skip[]; readonly keepRows?: boolean | undefined } = {},
): Promise<BatchResult> {
  const { late, evict, previousEvict, flushed } = watermarksOf(plan);
  const results = new Results(job, stage, keepRows);
  const fates = new Fates();
  const asides = new Asides({ job: job.name, onError: job.onError, skips });
  const lateOf = (edge: number): number => {
    const { from, watermark } = job.edges[edge]!;
    // What a flush has closed stays closed, also where a stream has no watermark of its own.
    return Math.max(watermark(from === 'head' ? late : previousEvict), flushed);
  };
  let rows = 0;
  let closedTo = Number.NEGATIVE_INFINITY;
  for (const [edge, edgeRows] of input.edges.entries()) {
    if (edgeRows === undefined) continue;
    rows += edgeRows.primaries;
    const { stage: target, operator, output } = job.edges[edge]!;
    // Rows for a later stage pass through; rows without an operator are results already.
    if (target > stage) results.forward(edge, edgeRows);
    else if (operator < 0) for (let i = 0; i < edgeRows.count; i++) results.toOutput(output, edgeRows.row(i));
  }
  const tables = firstTables(job, stage);
  for (const [i, node] of job.stages[stage]!.operators.entries()) {
    const inputs = node.inputs.map((edges) => portBatch(input, edges, lateOf));
    /** Rows sent on, and results refused, so far. */
    let sent = 0;
    const context: OperatorContext = {
      n: plan.n,
      evict: node.watermark(evict),
      previousEvict: node.watermark(previousEvict),
      processingTime: plan.processingTime,
      mode: job.mode,
      tables: state.tables(node.operator.tables, tables[i]!),
      ordered: (table) => state.ordered(tables[i]! + table),
      fates,
      closed: (time) => {
        if (time > closedTo) closedTo = time;
      },
      mayRefuse: asides.mayRefuse,
      emit(port, row, time, of, index = -1) {
        sent++;
        results.begin();
        try {
          checkEmitted(node.operator.name, row);
          node.emit[port]!(row, time, results);
          return true;
        } catch (error) {
          if (!(error instanceof OperatorFailure)) throw error;
          results.undo();
          asides.refuse(`${i}>${sent}`, error, of === undefined ? row : of.row(index), of, index);
          return false;
        }
      },
      lines(port) {
        const output = node.results[port];
        const to = output === undefined ? undefined : results.linesOf(output);
        return to === undefined
          ? undefined
          : {
              line(text) {
                sent++;
                to.line(text);
              },
            };
      },
      refuse(failure, of) {
        const place = of === undefined ? `${i}>${++sent}` : `${i}<${inputs.indexOf(of)}:${failure.index}`;
        asides.refuse(place, failure, failure.row, of, failure.index);
      },
    };
    try {
      await node.operator.run(inputs, context);
    } catch (error) {
      // An operator that throws what it ought to have handed to `refuse`: its tables may have traces of the row.
      if (!(error instanceof OperatorFailure)) throw error;
      const of = error.index < 0 ? undefined : inputs.find((b) => b.origin(error.index) !== undefined);
      new Asides({ job: job.name, onError: 'fail', skips: [] }).refuse('', error, error.row, of, error.index);
    }
  }
  results.quarantine([...input.quarantined, ...asides.rows], stage === 0 && partition === QUARANTINE_PARTITION);
  const quarantined = input.quarantined.length + asides.primary;
  const setAside = asides.rows.length - asides.primary;
  const closed = plan.kind === 'flush' && closedTo > Number.NEGATIVE_INFINITY;
  return {
    ...results.finish({ rows, ...fates.counts, quarantined, setAside }),
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
    throw userFunctionError(job.name, new OperatorFailure(name, undefined, -1, error.cause), undefined, undefined);
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
  readonly #outputs: readonly OutputRows[];
  /** Index into {@link #outputs} by number of the job's output. */
  readonly #slots: number[];
  readonly #next: (ColumnBatch | undefined)[][];
  readonly #stage: number;
  readonly #names: string[];
  #quarantined: OutputRows | undefined;
  /** What the row that is on its way has sent to the next stage so far. */
  readonly #sent: ColumnBatch[] = [];

  /** @param keepRows whether result rows are wanted themselves, beside their bytes */
  constructor(job: PhysicalJob, stage: number, keepRows: boolean) {
    this.#job = job;
    this.#stage = stage;
    this.#names = outputNames(job, stage);
    this.#outputs = this.#names.map(() => new OutputRows(keepRows));
    let slot = 0;
    this.#slots = job.outputs.map((o) => (o.stage === stage ? slot++ : -1));
    const last = stage === job.stages.length - 1;
    this.#next = last ? [] : Array.from({ length: job.partitions }, () => []);
  }

  toOutput(output: number, row: unknown): void {
    this.#outputs[this.#slots[output]!]!.push(row);
  }

  /** Takes rows of an output as text; `undefined`: rows themselves are wanted. */
  linesOf(output: number): OutputRows | undefined {
    const rows = this.#outputs[this.#slots[output]!]!;
    return rows.kept === undefined ? rows : undefined;
  }

  /** A row is on its way: what it gives can be taken back. */
  begin(): void {
    for (const rows of this.#outputs) rows.mark();
    this.#sent.length = 0;
  }

  /** Takes back what came since {@link begin}. */
  undo(): void {
    for (const rows of this.#outputs) rows.undo();
    for (const to of this.#sent) to.pop();
    this.#sent.length = 0;
  }

  toEdge(edge: number, key: string, time: number, row: unknown): void {
    const to = edgeRowsIn(this.#next[partitionOf(key, this.#job.partitions)]!, edge, false);
    to.push(key, time, row);
    this.#sent.push(to);
  }

  forward(edge: number, rows: ColumnBatch): void {
    for (let i = 0; i < rows.count; i++) this.toEdge(edge, rows.keys.text(i), rows.times[i]!, rows.row(i));
  }

  /** @param always publish it also when there are none */
  quarantine(rows: readonly QuarantinedRow[], always: boolean): void {
    if (rows.length === 0 && !always) return;
    this.#quarantined = new OutputRows(false);
    for (const row of rows) this.#quarantined.push(row);
  }

  finish(counts: Omit<BatchCounts, 'emitted'>): Omit<BatchResult, 'closedTo'> {
    const quarantined = this.#quarantined;
    return {
      names: quarantined === undefined ? this.#names : [...this.#names, quarantineOf(this.#stage)],
      outputs: quarantined === undefined ? this.#outputs : [...this.#outputs, quarantined],
      next: this.#next.map((edges) => ({ edges, quarantined: [], objects: [] })),
      counts: { ...counts, emitted: this.#outputs.reduce((sum, rows) => sum + rows.count, 0) },
    };
  }
}
