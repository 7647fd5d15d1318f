/** What the operators of a stage give in one batch: rows by output, as they are published, and rows for each partition of the next stage. */
import type { ColumnBatch } from '../columns/column-batch.ts';
import { outputNames, quarantineOf } from '../job/outputs.ts';
import { edgeRowsIn, type PartitionInput, type QuarantinedRow } from '../plan/rows.ts';
import type { Collector, PhysicalJob } from '../stream/compile/physical.ts';
import { partitionOf } from '../util/hash.ts';
import { OutputRows } from './output-rows.ts';

export class StageResults implements Collector {
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

  /** Names of all outputs, and their rows; rows for the next stage: nothing may be added after. */
  get all(): {
    readonly names: readonly string[];
    readonly outputs: readonly OutputRows[];
    readonly next: readonly PartitionInput[];
  } {
    const quarantined = this.#quarantined;
    return {
      names: quarantined === undefined ? this.#names : [...this.#names, quarantineOf(this.#stage)],
      outputs: quarantined === undefined ? this.#outputs : [...this.#outputs, quarantined],
      next: this.#next.map((edges) => ({ edges, quarantined: [], objects: [] })),
    };
  }

  /** Result rows, without those set aside. */
  get emitted(): number {
    return this.#outputs.reduce((sum, rows) => sum + rows.count, 0);
  }
}
