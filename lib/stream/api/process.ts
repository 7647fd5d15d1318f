/** The types of `process`, a user's own operator with state and timers, and what makes maps and lists of its state. */
import type { Duration } from '../../util/duration.ts';
import type { KeyPart } from '../operators/key.ts';
import { placeholder } from '../operators/process-collections.ts';

/** An operator of your own over one key's rows. Functions may be async only to read {@link MapState} and {@link ListState}. */
export interface ProcessOperator<K, T, S, O> {
  /** The state of a key not seen before, or forgotten. */
  init(key: K): S;
  onRow(row: T, ctx: RowContext<K, S, O>): void | Promise<void>;
  /**
   * A timer of this key is due. Event time: when the watermark ≥ `time`. A row's state changes of the batch come before. Timers fire in the
   * order of time and key; what is thrown sets the timer aside, which is gone.
   */
  onTimer?(time: number, ctx: TimerContext<K, S, O>): void | Promise<void>;
}

/** What `onRow` and `onTimer` of a {@link ProcessOperator} can do. */
export interface ProcessContext<K, S, O> {
  readonly key: K;
  /** Change it in place or assign it; kept when the batch commits. */
  state: S;
  /** Sends a row on. Its event time is `eventTime` given here, else the row's or the timer's. */
  emit(row: O, options?: { readonly eventTime?: number | undefined }): void;
  readonly timers: Timers;
  /** Forgets the key when nothing touches it for `after` (see `state.ttl` for which clock); `null`: never. */
  ttl(after: Duration | null): void;
  /** Forgets the state now; the next row starts from `init`. Timers stay. */
  clear(): void;
  /** Event-time watermark this batch uses, epoch ms; 0 before there is one. In a flush, for a timer by event time: its time. */
  readonly watermark: number;
  /**
   * The batch's processing time from its plan, epoch ms: the same whenever the batch is run again. In a flush, for a timer by processing time:
   * its time.
   */
  readonly processingTime: number;
}

/** The context of a row. */
export interface RowContext<K, S, O> extends ProcessContext<K, S, O> {
  /** The row's event time, epoch ms; `undefined` where the stream has none. */
  readonly eventTime: number | undefined;
}

/** The context of a timer. */
export interface TimerContext<K, S, O> extends ProcessContext<K, S, O> {
  readonly clock: Clock;
}

/** What a timer goes by: the watermark, or the time of the plans. */
export type Clock = 'event' | 'processing';

/**
 * Timers of the current key: at most one for each clock and time. A time already reached fires at the end of this batch. In a flush what
 * `onTimer` sets for later fires only if another timer of the key and clock, which was there, is due behind it; else it stays.
 */
export interface Timers {
  set(time: number, clock?: Clock): void;
  delete(time: number, clock?: Clock): void;
}

/**
 * A map in the state of `process`, at the top level of what `init` gives; read entry by entry, however large. Goes over its entries in the order
 * of keys, as they were when it began.
 */
export interface MapState<K extends KeyPart, V> extends AsyncIterable<[K, V]> {
  get(key: K): Promise<V | undefined>;
  set(key: K, value: V): void;
  delete(key: K): void;
  clear(): void;
}
/** A list in the state of `process`, at the top level of what `init` gives; appended to without being read. */
export interface ListState<V> extends AsyncIterable<V> {
  push(...values: V[]): void;
  clear(): void;
}

export function mapState<K extends KeyPart, V>(): MapState<K, V> {
  return placeholder('map') as MapState<K, V>;
}

export function listState<V>(): ListState<V> {
  return placeholder('list') as ListState<V>;
}
