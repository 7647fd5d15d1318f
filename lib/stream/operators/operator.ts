/**
 * The contract between stateful operators and the engine. An operator is a pure function of (its tables, the rows of one
 * micro-batch, the batch's watermarks); it keeps nothing between batches but what it puts into tables, so that a batch can
 * run again anywhere. The engine gives each partition its own tables and runs batches in order.
 *
 * Hot path: `load` answers `undefined` when all rows are in memory, so that an operator need not await; then `get` and
 * `put` are plain map accesses.
 */
import type { KeyColumn } from '../../columns/key-column.ts';
import type { Chunks } from '../../util/chunks.ts';

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

export interface ScannedRow<Row> {
  readonly time: number;
  readonly key: string;
  readonly row: Row;
}

/**
 * One named state of an operator, as one batch sees it: what earlier batches left, and this batch's own changes.
 * A `keyed` table is addressed by key alone (`time` is 0); in a `timed` table a row's address is (time, key), and ranges
 * of time can be scanned: windows by their end, timers by when they are due. An `ordered` one is an {@link OrderedTable}.
 *
 * Rows are plain data and copy-on-write: never change what `get` gave; `put` a new one. What was put belongs to the table.
 */
export interface StateTable<Row = unknown> {
  /**
   * Brings the rows of these addresses near (`times[i]` with `keys[i]`; a keyed table takes `times` undefined). Must be
   * called before `get`. Duplicates are fine. `undefined`: everything is here already.
   */
  load(keys: readonly string[], times?: readonly number[] | undefined): Promise<void> | undefined;
  /** The row, or `undefined` if there is none. Only for addresses that were loaded. */
  get(key: string, time: number): Row | undefined;
  put(key: string, time: number, row: Row): void;
  delete(key: string, time: number): void;
  /**
   * Forgets every row of a timed table with `time ≤ upTo`, those of this batch too, however many: it costs the same as one. There
   * will be none again: to put one there is an error, now and in every later batch. The time must be finite (a flush, which
   * closes all there is, forgets up to the last that there was).
   */
  forget(upTo: number): void;
  /**
   * Rows with `after < time ≤ upTo`, by time, then key; `±Infinity` allowed. They come in chunks, so that a million of them are never
   * in memory at once; at once where all is in memory (`eachOf` takes both). They are what the table held when it was
   * called: what is changed or forgotten meanwhile shows the next time.
   */
  scan(after: number, upTo: number): Chunks<ScannedRow<Row>>;
  /** Another way to the same rows, where they are so many numbers each. Left out: there is none. */
  readonly numbers?: NumberColumns | undefined;
}

export interface OrderedEntry<Row> {
  readonly position: string;
  readonly row: Row;
}

/**
 * A state whose rows have an order within their key: lists, maps, buffered rows of a join or a session. An address is (key, position);
 * positions are encoded as keys are (`encodeKey`), so that their bytes sort as their values do, parts of an array one after the other. A key may have
 * millions of rows. Rows are plain data and copy-on-write, as in a {@link StateTable}.
 */
export interface OrderedTable<Row = unknown> {
  /** As {@link StateTable.load}: what `get` needs. Nothing else does. */
  load(keys: readonly string[], positions: readonly string[]): Promise<void> | undefined;
  get(key: string, position: string): Row | undefined;
  /** Nothing is read for it. */
  put(key: string, position: string, row: Row): void;
  delete(key: string, position: string): void;
  /**
   * Rows of a key with `from ≤ position < to`, in order; left out: no bound. In chunks, as {@link StateTable.scan}, and as the table is when it
   * is called.
   */
  range(key: string, from?: string | undefined, to?: string | undefined): Chunks<OrderedEntry<Row>>;
  /** Deletes what {@link range} would show. It reads them, a chunk at a time. */
  deleteRange(key: string, from?: string | undefined, to?: string | undefined): Promise<void> | undefined;
}

/**
 * Rows of a table as columns of numbers, {@link TableSpec.width} each. An address gets a number when it is first touched, 0, 1, …;
 * the row of address i stands at i × width. No objects are made, and an address is looked up once.
 */
export interface NumberColumns {
  readonly width: number;
  /** Addresses that are touched so far. */
  readonly count: number;
  /** The number of the address of key i and this time. */
  touch(keys: KeyColumn, i: number, time: number): number;
  /** Brings the rows of all touched addresses near. `undefined`: everything is here already. */
  load(): Promise<void> | undefined;
  /**
   * Copies the rows of all touched addresses, which were loaded.
   * @param to room for `count` rows
   * @returns by address whether there is no row yet (nothing is copied then); `undefined`: some row is not just numbers
   */
  copyTo(to: Float64Array): Uint8Array | undefined;
  /** Puts the rows of all touched addresses. The array belongs to the table. */
  keep(numbers: Float64Array): void;
}

export interface TableSpec {
  /** Unique within the operator; part of the job's state layout. */
  readonly name: string;
  readonly kind: 'keyed' | 'timed' | 'ordered';
  /** Rows are arrays of so many numbers, mostly. Left out: they are not. */
  readonly width?: number | undefined;
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
export type Coming = Pick<OperatorContext, 'evict' | 'previousEvict' | 'processingTime' | 'mode'>;

/** What a batch will read, for preloading: rows by their address, or a range of them. `table`: index into {@link Operator.tables}. */
export type ReadPlan = { readonly table: number } & (
  | {
      readonly keys: readonly string[];
      /** As in {@link StateTable.load}. */
      readonly times?: readonly number[] | undefined;
      /** As in {@link OrderedTable.load}. */
      readonly positions?: readonly string[] | undefined;
    }
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
   * The fields of its rows that are all it asks of them, but where it must refuse one: proven, not guessed. Left out: it needs the
   * rows.
   */
  readonly asks?: readonly string[] | undefined;
  /** The watermark of what it emits, given the one it has got: monotone, never greater. */
  outputWatermark(watermark: number): number;
  /**
   * What `run` would read for these rows, and for what it closes at the coming watermark and processing time: asked ahead of the batch, to
   * preload it. May name too much, and the same twice. Left out: nothing is known ahead.
   */
  reads?(inputs: readonly RowBatch[], coming: Coming): readonly ReadPlan[];
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
