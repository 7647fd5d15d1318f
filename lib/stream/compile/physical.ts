/**
 * A job as the engine runs it: a stateless head that every input row goes through once, edges that carry keyed rows to
 * stages, the stateful operators of each stage, and named outputs. `job()` builds this from the pipeline; the engine knows
 * nothing of builders.
 */
import type { InputForm } from '../../source/input-form.ts';
import type { JobSettings } from '../graph/job-settings.ts';
import type { Operator } from '../graph/operator.ts';
import type { TableColumns } from '../graph/operator-definition.ts';
import type { StoredColumn } from '../graph/stored-columns.ts';

/** Where rows go when they leave the head or an operator. */
export interface Collector {
  /** A row for the operators behind edge `edge`; `key` encoded. */
  toEdge(edge: number, key: string, time: number, row: unknown): void;
  /** A result. */
  toOutput(output: number, row: unknown): void;
}

export interface HeadCollector extends Collector {
  /** The event time of a row that reached watermark generator `watermark`. */
  observe(watermark: number, time: number): void;
}

/** A compiled chain of stateless operators that ends in a collector. */
export type Push<C extends Collector = Collector> = (row: unknown, time: number, to: C) => void;

/** How rows whose fields are columns go through a head that need not look at them. Fields are numbers of columns. */
export interface ColumnHead {
  /** `undefined`: rows have no event time. */
  readonly time:
    | {
        readonly field: number;
        /** @throws {BadRowError} */
        readonly toMs: (value: unknown) => number;
        /** Number of the watermark generator that sees the times. */
        readonly generator: number | undefined;
      }
    | undefined;
  /** Each row goes each way; no edge is there twice. */
  readonly ways: readonly ColumnWay[];
}

export interface ColumnWay {
  /** The key: the value of the one field, or the list of their values. */
  readonly fields: readonly number[];
  readonly list: boolean;
  readonly edges: readonly number[];
}

export interface PhysicalSource {
  readonly name: string;
  /** What the job says of the form of its input. */
  readonly form?: InputForm | undefined;
  /**
   * Takes one decoded input row through schema, event time and the stateless operators.
   * @throws {BadRowError} the row cannot be used @throws {OperatorFailure} a function of the user threw
   */
  readonly push: (row: unknown, to: HeadCollector) => void;
  /** Without declared fields: those that are all that the job asks of most rows. Left out: it needs the rows. */
  readonly asked?: readonly string[] | undefined;
  /** What {@link push} does, by columns. Left out: some function needs the rows. */
  readonly columns?: ColumnHead | undefined;
  /** Generators that rows of this source may feed. */
  readonly watermarks: readonly number[];
}

export interface WatermarkSpec {
  /** Stable name: part of the plans. */
  readonly id: string;
  readonly delayMs: number;
  readonly idleAfterMs: number | undefined;
}

/** Carries rows to one input port of one operator, or (in stage 0 only) unkeyed rows straight to an output. */
export interface Edge {
  /** Stage whose operators read it. */
  readonly stage: number;
  /** Index into that stage's operators, -1: rows are results of {@link output}. */
  readonly operator: number;
  readonly port: number;
  readonly output: number;
  /** Where its rows come from: the head, or the operators of this stage. */
  readonly from: 'head' | number;
  /** This edge's watermark, given the job's: rows at or before it are late. `-Infinity` where the stream has none. */
  readonly watermark: (jobWatermark: number) => number;
}

export interface OperatorNode {
  readonly operator: Operator;
  /** Edge of each input port; several edges may feed one port (a union). */
  readonly inputs: readonly (readonly number[])[];
  /** What happens to emitted rows, by output port. */
  readonly emit: readonly Push[];
  /** By output port: the output of its stage that emitted rows go to as they are; `undefined`: somebody looks at them. */
  readonly results: readonly (number | undefined)[];
  /** This operator's input watermark, given the job's. */
  readonly watermark: (jobWatermark: number) => number;
}

export interface OutputSpec {
  readonly name: string;
  /** `append`: rows once; `update`: changed rows; `table`: the whole table after each batch (mode complete). */
  readonly kind: 'append' | 'update' | 'table';
  /** The stage whose batches give its rows. */
  readonly stage: number;
  /** Of a table's rows, in every mode: what is known of their columns. `undefined`: rows of no table. */
  readonly rows?: TableColumns | undefined;
}

export interface PhysicalJob extends JobSettings {
  readonly name: string;
  readonly sources: readonly PhysicalSource[];
  readonly watermarks: readonly WatermarkSpec[];
  readonly edges: readonly Edge[];
  /** At least one; a job without stateful operators has one stage without operators. */
  readonly stages: readonly { readonly operators: readonly OperatorNode[] }[];
  readonly outputs: readonly OutputSpec[];
  /** One output given as a stream, not by name: results are rows, not rows by output name. */
  readonly single: boolean;
  /** Hash of the head's code (all user functions before the first stateful operator, and source options). */
  readonly headHash: string;
  /** Its own state layout, one line an operator and table; what a job with another layout goes on from, `layout-change.ts` says. */
  readonly layout: readonly string[];
  /** By operator (`s0/o1`): the columns of its state, where they are known by name. */
  readonly columns: ReadonlyMap<string, readonly StoredColumn[]>;
  /** The same stages over state that is stored in another layout, which fits it. */
  readonly storedAs: (layout: readonly string[]) => PhysicalJob['stages'];
}
