/**
 * What a stateful operator says of itself, in the file that runs it: in what jobs it can stand, what the rows are that it gives, what its
 * rows of state mean, and how it is made. A call of the interface puts it into a node of the graph. `job()` and the compiler go by it
 * alone, and know no operator by name.
 */
import type { Calls } from './calls.ts';
import type { JobSettings } from './job-settings.ts';
import type { Operator } from './operator.ts';
import type { StoredColumn } from './stored-columns.ts';

export interface OperatorDefinition {
  /** In the operator's name (`distinct#0`, shown in errors) and in the job's state layout. No spaces. */
  readonly kind: string;
  /**
   * Event time of what it emits at port 0: that of the rows it comes from, its own (a window's end), or none. Rows without
   * event time follow no watermark either.
   */
  readonly eventTime: 'kept' | 'own' | 'none';
  /** Its rows may be of any time, however far the watermark is: they follow none, and nothing behind it is late or final. */
  readonly isAgeless?: boolean | undefined;
  /** Its rows are those of a table, where one takes the place of the one before. Left out: a row is final when it comes out. */
  readonly table?: TableColumns | undefined;
  /** Input ports whose rows are only looked up by those of the others: they hold no watermark back. */
  readonly lookups?: readonly number[] | undefined;
  /** Gives at this port what a stream beside it, {@link sideOutputOf} the same, would have to be computed for. */
  readonly sideOutput?: { readonly of: object; readonly port: number } | undefined;
  /** The operator is not made where one beside it has the {@link sideOutput} of the same. */
  readonly sideOutputOf?: object | undefined;
  /**
   * @param inputs by port
   * @throws {JobError} in such a job its results would mean nothing
   */
  check?(job: JobSettings, inputs: readonly InputFacts[]): void;
  /**
   * What its rows of state mean, in words without line ends; tables are named beside it. A job does not go on from state of other words: what functions of
   * the user do is no part of them, whatever else decides what is in the tables is.
   */
  layout(job: JobSettings): string;
  /**
   * The columns that rows of state are made of, where these are slots of aggregates: known by name, so that a job with others can go on. Their
   * `columnsText` is part of {@link layout}, and `make` keeps to {@link Making.stored}.
   */
  readonly columns?: readonly StoredColumn[] | undefined;
  /** @param name unique in the job */
  make(name: string, making: Making): Operator;
}

/** What is known of a table's rows, in every mode. */
export interface TableColumns {
  /** Columns that tell rows apart; empty: a function of the user makes the rows. */
  readonly key: readonly string[];
  /** Columns that hold whole numbers, whatever the rows. */
  readonly whole: readonly string[];
}

export interface InputFacts {
  readonly hasWatermark: boolean;
}

export interface Making {
  readonly job: JobSettings;
  /** How functions of the user are called. */
  readonly calls: Calls;
  /** Whether something in the job reads what an output port gives. */
  isRead(port: number): boolean;
  /** How the store has the {@link OperatorDefinition.columns}. Left out: as they are. */
  readonly stored?: readonly StoredColumn[] | undefined;
}
