/**
 * The types of streams as users see them. Interfaces only: what a call builds is in `builder.ts`, what it does when the
 * job runs in `compile.ts` and `operators/`.
 */
import type { Duration } from '../../util/duration.ts';
import type { AggregateSpec } from '../aggregates/aggregate.ts';
import type { TopNOptions } from '../aggregates/top-n.ts';
import type { key, row } from '../graph/brands.ts';
import type { Key, WidenKey } from '../operators/key.ts';
import type { JoinAt, JoinOptions, JoinType, SelectArgs } from './join.ts';
import type { ProcessOperator } from './process.ts';
import type { EventTime } from './time.ts';
import type { WatermarkOptions } from './watermark.ts';
import type { FixedWindow, Window } from './window.ts';

/** The row type of a stream. */
export type RowOf<S> = S extends { readonly [row]?: infer T } ? T : never;

type Flat<T> = { [P in keyof T]: T[P] } & {};

/**
 * A stream of rows of type `T`. Immutable: each operator gives a new stream. Functions leave the rows they are given as they
 * are, and return new ones: other branches and windows may be given the same row. `testJob` finds functions that change one.
 */
export interface Stream<T> {
  /** For the compiler only. */
  readonly [row]?: T;

  /** One row out for each row in; keeps the event time. */
  map<U>(f: (row: T) => U): Stream<U>;
  /** Keeps the rows for which `f` is true; a type guard narrows `T`. */
  filter<U extends T>(f: (row: T) => row is U): Stream<U>;
  filter(f: (row: T) => boolean): Stream<T>;
  /** Any number of rows out for each row in; each keeps its event time. `[]` drops the row. */
  flatMap<U>(f: (row: T) => Iterable<U>): Stream<U>;
  /** The rows of both. Either both have event time or neither has. */
  union<U>(other: Stream<U>): Stream<T | U>;
  /**
   * Sets event time (and, with `delay`, a watermark of its own, computed from the rows that get here), in place of the
   * source's. Only before the first stateful operator: later streams have the event time their operator gives.
   * @throws {JobError} `EVENT_TIME_AFTER_STATE`
   */
  withEventTime(f: (row: T) => EventTime | null | undefined, options?: WatermarkOptions): Stream<T>;
  /**
   * Groups rows by key; after a stateful operator this starts a new stage. `1` and `'1'` are two keys: `misa run` and `run()`
   * warn when an operator gets keys of another type than before, since that is mostly a slip that splits counts in two.
   */
  keyBy<K extends Key>(f: (row: T) => K): KeyedStream<K, T>;
}

/** An input, see {@link source}. */
export interface Source<T> extends Stream<T> {
  readonly name: string;
}

/** Rows grouped by key. State is kept per key. */
export interface KeyedStream<K extends Key, T> {
  readonly [row]?: T;
  readonly [key]?: K;

  /** Splits each key's rows into windows of event time. */
  window(window: Window<T>): WindowedStream<K, T>;

  /**
   * Running aggregates, no window. Never final, so `update` or `complete` output only; late rows count too. State is one
   * entry a key, for ever or until `state.ttl`.
   */
  aggregate<R extends object>(aggregates: AggregateSpec<T, R>): Stream<Flat<{ key: K } & R>>;
  /**
   * Running fold of rows of one type: `f(so far, row)`. The first row is the start. `f` may change and return its first
   * argument, and must leave the row as it is. `update` or `complete` only.
   */
  reduce(f: (acc: T, row: T) => T): Stream<{ key: K; value: T }>;

  /** The latest row of each key by event time (by arrival where there is none, or in a tie). `update` or `complete` only. */
  latest(): Stream<T>;
  /**
   * The `n` rows of each key that come first by `by`; one row out for each rank that changed. `update` or `complete` only.
   * For the best of each window use the aggregate {@link topN}.
   */
  topN(n: number, options: TopNOptions<T>): Stream<{ key: K; rank: number; row: T }>;

  /**
   * The first row of each key, all others dropped, at once and finally, in every mode.
   * - `distinct()` remembers keys for ever (or `state.ttl`).
   * - `distinct({ within })` forgets a key when the watermark reaches the event time of the row let through + `within`:
   *   duplicates at most that far apart are certainly dropped, later ones perhaps. Needs a watermark. `within: 0` is for
   *   keys that hold the event time. Rows ≤ watermark are late.
   * @throws {JobError} `NO_EVENT_TIME`: `within` of a stream without event time; by `job()`, `DISTINCT_NEEDS_WATERMARK`
   */
  distinct(options?: { readonly within?: Duration | undefined }): Stream<T>;

  /**
   * Joins rows of equal keys. Matches come out at once; the missing side of an outer row is `null`, and the row comes out
   * when the watermark shows that no match can come. Pairs further narrowed by `within` or `window` and by `where`.
   * @throws {JobError} `JOIN_NEEDS_WATERMARK`: an outer join without `within`/`window` or without a watermark on the side
   *   that must be waited for
   */
  join<R, U, J extends JoinType = 'inner', W extends FixedWindow | undefined = undefined>(
    other: KeyedStream<WidenKey<K> & Key, R>,
    options: JoinOptions<WidenKey<K>, T, R, J, W> & {
      readonly select: (...args: SelectArgs<J, T, R, JoinAt<WidenKey<K>, W>>) => U;
    },
  ): Stream<U>;
  /** Left semi join: left rows that have a match, each once. */
  join<R, W extends FixedWindow | undefined = undefined>(
    other: KeyedStream<WidenKey<K> & Key, R>,
    options: JoinOptions<WidenKey<K>, T, R, 'leftSemi', W>,
  ): Stream<T>;
  /** Looks each row up in a table as it is now: the table's rows of the same batch are applied first. Keeps the left event time. */
  join<R, U, J extends 'inner' | 'left' = 'inner'>(
    other: Table<WidenKey<K> & Key, R>,
    options: {
      readonly type?: J | undefined;
      readonly select: (...args: SelectArgs<J, T, R, { readonly key: WidenKey<K> }>) => U;
    },
  ): Stream<U>;

  /**
   * Your own operator: state and timers a key. Write `process<State, Out>({...})`; without type arguments nothing can be
   * emitted. Sees every row, late ones too (`ctx.eventTime <= ctx.watermark`). What it emits is final.
   */
  process<S, O = never>(operator: ProcessOperator<K, T, S, O>): Stream<O>;
}

/** Rows of each key in windows. */
export interface WindowedStream<K extends Key, T> {
  readonly [row]?: T;
  readonly [key]?: K;

  /**
   * Aggregates of each key and window. Rows out carry event time `windowEnd − 1`, so windows can follow windows.
   * `append`: once, when `windowEnd` ≤ watermark. `update`: after each batch that changed it. `complete`: all, nothing
   * is ever late or forgotten.
   */
  aggregate<R extends object>(aggregates: AggregateSpec<T, R>): Stream<Flat<WindowRow<K> & R>>;
  /**
   * Fold of the window's rows: `f(so far, row)`; associative, as windows may be merged. `f` may change and return its first
   * argument, and must leave the row as it is.
   */
  reduce(f: (acc: T, row: T) => T): Stream<Flat<WindowRow<K> & { value: T }>>;
  /** The rows that came too late for every window they belong to, each once, with their own event time; always appended. */
  late(): Stream<T>;
}

/** What every row of a window result has. Epoch ms; `windowEnd` is exclusive, for sessions last event time + gap. */
export interface WindowRow<K> {
  key: K;
  windowStart: number;
  windowEnd: number;
}

/** The latest row of each key, to look up in a join. */
export interface Table<K extends Key, T> {
  readonly [row]?: T;
  readonly [key]?: K;
  readonly kind: 'table';
}
