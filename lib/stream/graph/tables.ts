/**
 * The contract of tables: all that an operator keeps between batches is rows of its tables, and this is what it may ask of them
 * (docs/decisions/0040). The engine's tables and those of the tests' model keep one law.
 */
import type { KeyColumn } from '../../columns/key-column.ts';
import type { Chunks } from '../../util/chunks.ts';

export interface ScannedRow<Row> {
  readonly time: number;
  readonly key: string;
  readonly row: Row;
}

/**
 * One named state of an operator, as one batch sees it: what earlier batches left, and this batch's own changes.
 * A `keyed` table is addressed by key alone (`time` is 0); in a `timed` table a row's address is (time, key), and ranges
 * of time can be scanned: windows by their end, timers by when they are due; what follows the key's encoding there is the operator's own. An
 * `ordered` one is an {@link OrderedTable}.
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
  /**
   * As {@link StateTable.scan}: rows with `after < time ≤ upTo`, by time, then key, in chunks. Nothing may be changed in the table before the
   * last of them. `undefined`: not all rows are numbers in memory, and a scan is the way to them.
   */
  within(after: number, upTo: number): Iterable<NumberRows> | undefined;
}

/** Some rows of numbers by column, until the next are asked for: that of row i begins at i × width. */
export interface NumberRows {
  /** At least 1. */
  readonly count: number;
  readonly keys: KeyColumn;
  readonly times: Float64Array;
  readonly numbers: Float64Array;
}

export interface TableSpec {
  /** Unique within the operator; part of the job's state layout. */
  readonly name: string;
  readonly kind: 'keyed' | 'timed' | 'ordered';
  /** Its times are those of `OperatorContext.clock`: a job with another clock does not go on from it. */
  readonly ofClock?: true | undefined;
  /** Rows are arrays of so many numbers, mostly. Left out: they are not. */
  readonly width?: number | undefined;
  /** So many numbers: how a row ends that has fewer, since it is from before there were so many. Left out: no row has fewer. */
  readonly blank?: readonly number[] | undefined;
}
