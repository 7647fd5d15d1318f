/**
 * What the calls of a pipeline build: thin, immutable wrappers around nodes of the logical graph. A mistake that one call
 * can see is refused there, so that its stack trace shows the line; what depends on the whole job is refused by `job()`.
 */
import { JobError } from '../../errors.ts';
import { type Duration, toMs } from '../../util/duration.ts';
import { type AggregateSpec, aggregateColumns } from '../aggregates/aggregate.ts';
import { type TopNOptions, topN } from '../aggregates/top-n.ts';
import type { AggregateDefinition, Fold } from '../graph/fold-spec.ts';
import { hasEventTime, hasState, type KeyNode, type StreamNode } from '../graph/graph.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { UserFunction } from '../graph/user-function.ts';
import type { WindowSpec } from '../graph/window-spec.ts';
import { distinct } from '../operators/distinct.ts';
import type { Key } from '../operators/key.ts';
import { lateRows } from '../operators/late-rows.ts';
import { LATEST } from '../operators/latest.ts';
import { processRows } from '../operators/process.ts';
import { runningFold } from '../operators/running-fold.ts';
import { sameWindowFold } from '../operators/same-window.ts';
import { sessionFold } from '../operators/session-fold.ts';
import { topRows } from '../operators/top-n.ts';
import { windowFold } from '../operators/window-fold.ts';
import { streamJoinOf, tableJoinOf } from './join.ts';
import type { KeyedStream, Source, Stream, Table, WindowedStream } from './streams.ts';
import type { EventTime } from './time.ts';
import { type WatermarkOptions, watermarkMs } from './watermark.ts';
import { type Window, windowSpec } from './window.ts';

/** A function argument, checked for those who write plain JavaScript. */
function checked(f: unknown, what: string): UserFunction {
  if (typeof f !== 'function') throw new JobError('BAD_ARGUMENT', `${what} takes a function`);
  return f as UserFunction;
}

class PlainStream<T> implements Stream<T> {
  readonly node: StreamNode;

  constructor(node: StreamNode) {
    this.node = node;
  }

  map<U>(f: (row: T) => U): Stream<U> {
    return new PlainStream<U>({ kind: 'map', inputs: [this.node], f: checked(f, 'map()') });
  }

  filter<U extends T>(f: (row: T) => boolean): Stream<U> {
    return new PlainStream<U>({ kind: 'filter', inputs: [this.node], f: checked(f, 'filter()') });
  }

  flatMap<U>(f: (row: T) => Iterable<U>): Stream<U> {
    return new PlainStream<U>({ kind: 'flat-map', inputs: [this.node], f: checked(f, 'flatMap()') });
  }

  union<U>(other: Stream<U>): Stream<T | U> {
    const node = nodeOf(other, 'union()');
    if (hasEventTime(this.node) !== hasEventTime(node)) {
      throw new JobError(
        'BAD_UNION',
        'union() of streams with and without event time: give both event time, or neither',
      );
    }
    return new PlainStream<T | U>({ kind: 'union', inputs: [this.node, node] });
  }

  withEventTime(f: (row: T) => EventTime | null | undefined, options: WatermarkOptions = {}): Stream<T> {
    if (hasState(this.node)) {
      throw new JobError(
        'EVENT_TIME_AFTER_STATE',
        'withEventTime() after a stateful operator: its rows have the event time that the operator gave; call it before',
      );
    }
    const watermark = watermarkMs(options, 'withEventTime()');
    return new PlainStream<T>({
      kind: 'event-time',
      inputs: [this.node],
      f: checked(f, 'withEventTime()'),
      ...watermark,
    });
  }

  keyBy<K extends Key>(f: (row: T) => K): KeyedStream<K, T> {
    return new PlainKeyedStream<K, T>({ kind: 'key', input: this.node, f: checked(f, 'keyBy()') }) as KeyedStream<K, T>;
  }
}

/** What an operator makes of keyed streams, one for each of its input ports. */
export function stateful<T>(operator: OperatorDefinition, ...keyed: KeyNode[]): Stream<T> {
  return new PlainStream<T>({ kind: 'operator', keyed, operator });
}

/** An input; see `source()`. */
export class SourceStream<T> extends PlainStream<T> implements Source<T> {
  readonly name: string;

  constructor(name: string, node: StreamNode) {
    super(node);
    this.name = name;
  }
}

class PlainKeyedStream<K extends Key, T> {
  readonly keyed: KeyNode;

  constructor(keyed: KeyNode) {
    this.keyed = keyed;
  }

  window(window: Window<T>): WindowedStream<K, T> {
    const spec = windowSpec(window);
    if (!hasEventTime(this.keyed.input)) {
      throw new JobError(
        'NO_EVENT_TIME',
        'window() of a stream without event time: give the source an eventTime, or call withEventTime() before keyBy()',
      );
    }
    return new PlainWindowedStream<K, T>(this.keyed, spec) as WindowedStream<K, T>;
  }

  aggregate<R extends object>(aggregates: AggregateSpec<T, R>): Stream<never> {
    return this.#fold({ kind: 'aggregate', columns: aggregateColumns(aggregates) });
  }

  reduce(f: (acc: T, row: T) => T): Stream<never> {
    return this.#fold({ kind: 'reduce', f: checked(f, 'reduce()') });
  }

  #fold(fold: Fold): Stream<never> {
    return stateful(runningFold(fold), this.keyed);
  }

  latest(): Stream<T> {
    return stateful(LATEST, this.keyed);
  }

  topN(n: number, options: TopNOptions<T>): Stream<never> {
    return stateful(topRows(topN(n, options) as AggregateDefinition), this.keyed);
  }

  distinct(options: { readonly within?: Duration | undefined } = {}): Stream<T> {
    const { within } = options;
    if (within !== undefined && !hasEventTime(this.keyed.input)) {
      throw new JobError(
        'NO_EVENT_TIME',
        'distinct({ within }) of a stream without event time: give the source an eventTime, or call withEventTime() before keyBy()',
      );
    }
    return stateful(distinct(within === undefined ? undefined : toMs(within, 'distinct: within')), this.keyed);
  }

  join(other: unknown, options?: unknown): Stream<never> {
    const { kind, keyed: right } = (other ?? {}) as { readonly kind?: unknown; readonly keyed?: KeyNode };
    if (right === undefined) throw new JobError('BAD_ARGUMENT', 'join() takes a keyed stream or a table()');
    const operator = kind === 'table' ? tableJoinOf(options, this.keyed) : streamJoinOf(options, this.keyed, right);
    return stateful(operator, this.keyed, right);
  }

  process(operator: { readonly init: unknown; readonly onRow: unknown; readonly onTimer?: unknown }): Stream<never> {
    const { init, onRow, onTimer } = operator ?? {};
    // Called on what they are given in: they may use `this`.
    const bound = (f: unknown, what: string): never => checked(f, `process(): ${what}`).bind(operator) as never;
    return stateful(
      processRows({
        init: bound(init, 'init'),
        onRow: bound(onRow, 'onRow'),
        onTimer: onTimer === undefined ? undefined : bound(onTimer, 'onTimer'),
      }),
      this.keyed,
    );
  }
}

class PlainWindowedStream<_K extends Key, T> {
  readonly #keyed: KeyNode;
  readonly #window: WindowSpec;
  #late: Stream<T> | undefined;

  constructor(keyed: KeyNode, window: WindowSpec) {
    this.#keyed = keyed;
    this.#window = window;
  }

  aggregate<R extends object>(aggregates: AggregateSpec<T, R>): Stream<never> {
    return this.#fold({ kind: 'aggregate', columns: aggregateColumns(aggregates) });
  }

  reduce(f: (acc: T, row: T) => T): Stream<never> {
    return this.#fold({ kind: 'reduce', f: checked(f, 'reduce()') });
  }

  #fold(fold: Fold): Stream<never> {
    return stateful(this.#foldOf(fold), this.#keyed);
  }

  #foldOf(fold: Fold): OperatorDefinition {
    const window = this.#window;
    switch (window.kind) {
      case 'session':
        return sessionFold(window, fold, this);
      case 'same':
        return sameWindowFold(window, fold, this);
      default:
        return windowFold(window, fold, this);
    }
  }

  late(): Stream<T> {
    // One stream however often it is asked for: it is the side output of one operator.
    this.#late ??= stateful(lateRows(this.#window, this), this.#keyed);
    return this.#late;
  }
}

/** A slowly changing reference table: the latest row of each key, by event time, else by arrival. Never holds the watermark back. */
export function table<K extends Key, T>(rows: KeyedStream<K, T>): Table<K, T> {
  const keyed = (rows as unknown as PlainKeyedStream<K, T> | undefined)?.keyed;
  if (keyed === undefined) throw new JobError('BAD_ARGUMENT', 'table() takes a keyed stream: call keyBy() first');
  const built: Table<K, T> & { readonly keyed: KeyNode } = { kind: 'table', keyed };
  return built;
}

/** The graph node of a stream. @throws {JobError} `BAD_ARGUMENT` */
export function nodeOf(stream: unknown, what: string): StreamNode {
  const node = (stream as { readonly node?: StreamNode } | null | undefined)?.node;
  if (node === undefined) {
    throw new JobError('BAD_ARGUMENT', `${what} takes a stream; after keyBy() or window(), say what to compute first`);
  }
  return node;
}
