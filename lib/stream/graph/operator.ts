/**
 * The contract between stateful operators and the engine. An operator is a pure function of (its tables, the rows of one
 * micro-batch, the batch's watermarks); it keeps nothing between batches but what it puts into tables, so that a batch can
 * run again anywhere. The engine gives each partition its own tables and runs batches in order.
 *
 * Hot path: `load` answers `undefined` when all rows are in memory, so that an operator need not await; then `get` and
 * `put` are plain map accesses.
 */
import type { KeyColumn } from '../../columns/key-column.ts';
import type { OrderedTable, StateTable, TableSpec } from './tables.ts';

/** Keyed rows of one micro-batch that come in at one port, as columns. */
export interface RowBatch {
  readonly count: number;
  /** Encoded keys (`key.ts`); `''` on an edge without key. */
  readonly keys: KeyColumn;
  /** Event times, epoch ms; `NaN` where the stream has none. As many as there are rows, or more. */
  readonly times: Float64Array;
  /**
   * 1: row i stands for its input row in the counts (an input row that became several is counted once, by its first).
   * `undefined`: no row does (edges between stages).
   */
  readonly primary: Uint8Array | undefined;
  /** What comes at or before this event time is late on this edge; `-Infinity` before the first watermark. */
  readonly late: number;
  /** Row i; the same one each time. */
  row(i: number): unknown;
  /** As {@link row}, for who changes nothing of it, or alone wants row i: nobody else gets what it gives. */
  peek(i: number): unknown;
  /**
   * The numbers of a declared field by row, `NaN` where it is null. `undefined`: the rows do not have it as a column, or somebody has
   * asked for a {@link row}, which may be changed since.
   */
  numbers(field: string): Float64Array | undefined;
  /** Name of the object row i came from, for error messages. */
  origin(i: number): string | undefined;
}

/** What becomes of an input row; each `primary` row is counted exactly once (default: applied). */
export interface RowFates {
  late(count: number): void;
  skipped(count: number): void;
}

/** Takes result rows as text, in one order with those that are emitted. */
export interface LineSink {
  /** @param text the row's line of NDJSON, line end included */
  line(text: string): void;
  /** Several rows. @param bytes their lines of NDJSON as UTF-8; they are copied */
  lines(count: number, bytes: Uint8Array): void;
}

export interface OperatorContext {
  /** Number of the micro-batch. */
  readonly n: number;
  /** State that ends at or before this is final now; `-Infinity` before there is a watermark, `Infinity` in a flush. */
  readonly evict: number;
  /** `evict` of the batch before: whatever ended at or before it is gone already, so scans start there. */
  readonly previousEvict: number;
  /** The plan's processing time, epoch ms. */
  readonly processingTime: number;
  /**
   * What `state.ttl` goes by, never going back: the job's watermark where it has one (`-Infinity` before the first), else the processing
   * time. A flush does not change it.
   */
  readonly clock: number;
  /** Which time {@link clock} is. */
  readonly clockIs: 'event' | 'processing';
  readonly mode: 'append' | 'update' | 'complete';
  /** By the order of {@link Operator.tables}; those that are ordered are to be had from {@link ordered}. */
  readonly tables: readonly StateTable[];
  /** @param table index into {@link Operator.tables} of one that is `ordered` */
  ordered(table: number): OrderedTable;
  readonly fates: RowFates;
  /**
   * State up to this time was made final and forgotten (windows by their end, timers by when they were due): where a flush
   * did it, the watermark moves there.
   */
  closed(time: number): void;
  /** The operator wants to run when the processing time is `atMs`, even if no row comes. Said anew in each batch; the least counts. */
  wake(atMs: number): void;
  /**
   * Sends a row on.
   * @param port 0: the main output; others as the operator says
   * @param time event time, `NaN`: none
   * @param of where it comes of one input row alone: that row, by its index in its batch
   * @returns false: a function behind the operator refused it; it is set aside, and nothing of it went on
   */
  emit(port: number, row: unknown, time: number, of?: RowBatch, index?: number): boolean;
  /**
   * Where the rows of a port go to an output as they are, they may be given as text. Left out, or `undefined`: somebody looks
   * at them.
   */
  lines?(port: number): LineSink | undefined;
  /**
   * Sets aside what a function of the user refused: row `failure.index` of `of`; without `of`, what belongs to no one row (a
   * window's result), told by `failure.row`. The operator has seen to it that it leaves no trace in its tables.
   * @throws {OperatorFailure} such rows fail the batch
   */
  refuse(failure: OperatorFailure, of?: RowBatch): void;
  /** Whether `refuse` may return at all. */
  readonly mayRefuse: boolean;
}

/** What an operator knows of a batch before it comes, as in its {@link OperatorContext}. */
export type Coming = Pick<OperatorContext, 'evict' | 'previousEvict' | 'processingTime' | 'clock' | 'mode'>;

/** Rows by their address, as columns: of a batch's own keys, mostly. The same address may be named several times. */
export interface ReadAddresses {
  readonly keys: KeyColumn;
  /** Address i is of key `of[i]`. Left out: of key i, each key once. */
  readonly of?: ArrayLike<number> | undefined;
  /** By address, as in {@link StateTable.load}. */
  readonly times?: ArrayLike<number> | undefined;
  /** By address, as in {@link OrderedTable.load}. */
  readonly positions?: readonly string[] | undefined;
}

/** What a batch will read, for preloading: rows by their address, or a range of them. `table`: index into {@link Operator.tables}. */
export type ReadPlan = { readonly table: number } & (
  | ReadAddresses
  /** A scan of a timed table. */
  | { readonly after: number; readonly upTo: number }
  /** A range of a key of an ordered table. */
  | { readonly key: string; readonly from?: string | undefined; readonly to?: string | undefined }
);

export interface Operator {
  /** Unique within the job, stable between versions of it; shown in errors. */
  readonly name: string;
  readonly tables: readonly TableSpec[];
  /** Number of input ports and of output ports. */
  readonly inputs: number;
  readonly outputs: number;
  /**
   * By input port: the fields of its rows that are all it asks of them, but where it must refuse one: proven, not guessed. `undefined`, or
   * left out: it needs the rows.
   */
  readonly asks?: readonly (readonly string[] | undefined)[] | undefined;
  /** The watermark of what it emits, given the one it has got: monotone, never greater. Rows that it emits in later batches have greater times. */
  outputWatermark(watermark: number): number;
  /**
   * What `run` would read for these rows, and for what it closes at the coming watermark and processing time: asked ahead of the batch, to
   * preload it. May name too much, and the same twice. Left out: nothing is known ahead.
   */
  reads?(inputs: readonly RowBatch[], coming: Coming): readonly ReadPlan[];
  /** It may call {@link OperatorContext.wake}. */
  readonly wakes?: boolean | undefined;
  /** @param inputs one batch a port; empty ones too */
  run(inputs: readonly RowBatch[], context: OperatorContext): Promise<void> | void;
}

/** A function of the user threw inside an operator or the stateless head; the engine adds job and source object. */
export class OperatorFailure extends Error {
  readonly operator: string;
  readonly row: unknown;
  /** Index of the row in its {@link RowBatch}, or -1. */
  readonly index: number;

  constructor(operator: string, row: unknown, index: number, cause: unknown) {
    super(`${operator}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.operator = operator;
    this.row = row;
    this.index = index;
  }
}

/** A row that cannot be used (schema, event time, key); the engine quarantines it or fails, by `onBadRow`. */
export class BadRowError extends Error {}
