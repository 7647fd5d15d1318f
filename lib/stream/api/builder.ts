/**
 * What the calls of a pipeline build: thin, immutable wrappers around nodes of the logical graph. A mistake that one call
 * can see is refused there, so that its stack trace shows the line; what depends on the whole job is refused by `job()`.
 */
import { JobError } from '../../errors.ts';
import { toMs } from '../../util/duration.ts';
import { type AggregateSpec, aggregateColumns } from '../aggregates/aggregate.ts';
import type { TopNOptions } from '../aggregates/top-n.ts';
import type { Fold, KeyNode, StreamNode, UnbuiltNode, UserFunction, WindowNode } from '../graph/graph.ts';
import { hasEventTime, hasState } from '../graph/graph.ts';
import type { Key } from '../operators/key.ts';
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

function stream<T>(node: StreamNode): Stream<T> {
  return new PlainStream<T>(node);
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
    return new PlainWindowedStream<K, T>({ kind: 'window', keyed: this.keyed, window: spec }) as WindowedStream<K, T>;
  }

  aggregate<R extends object>(aggregates: AggregateSpec<T, R>): Stream<never> {
    return this.#fold({ kind: 'aggregate', columns: aggregateColumns(aggregates) });
  }

  reduce(f: (acc: T, row: T) => T): Stream<never> {
    return this.#fold({ kind: 'reduce', f: checked(f, 'reduce()') });
  }

  #fold(fold: Fold): Stream<never> {
    return stream({ kind: 'fold', keyed: [this.keyed], windowed: undefined, fold });
  }

  latest(): Stream<T> {
    return this.#unbuilt('latest()', true);
  }

  topN(_n: number, _options: TopNOptions<T>): Stream<never> {
    return this.#unbuilt('topN() of a keyed stream', true);
  }

  distinct(options: { readonly within?: Parameters<typeof toMs>[0] | undefined } = {}): Stream<T> {
    if (options.within !== undefined) toMs(options.within, 'distinct: within');
    return this.#unbuilt('distinct()', false);
  }

  join(other: unknown): Stream<never> {
    const kind = (other as { readonly kind?: unknown } | undefined)?.kind;
    const right = (other as { readonly keyed?: KeyNode } | undefined)?.keyed;
    if (right === undefined) throw new JobError('BAD_ARGUMENT', 'join() takes a keyed stream or a table()');
    return this.#unbuilt(kind === 'table' ? 'join() with a table()' : 'join()', false, right);
  }

  process(): Stream<never> {
    return this.#unbuilt('process()', false);
  }

  #unbuilt(what: string, table: boolean, ...others: KeyNode[]): Stream<never> {
    const node: UnbuiltNode = { kind: 'unbuilt', keyed: [this.keyed, ...others], what, table };
    return stream(node);
  }
}

class PlainWindowedStream<_K extends Key, T> {
  readonly windowed: WindowNode;

  constructor(windowed: WindowNode) {
    this.windowed = windowed;
  }

  aggregate<R extends object>(aggregates: AggregateSpec<T, R>): Stream<never> {
    return this.#fold({ kind: 'aggregate', columns: aggregateColumns(aggregates) });
  }

  reduce(f: (acc: T, row: T) => T): Stream<never> {
    return this.#fold({ kind: 'reduce', f: checked(f, 'reduce()') });
  }

  #fold(fold: Fold): Stream<never> {
    return stream({ kind: 'fold', keyed: [this.windowed.keyed], windowed: this.windowed, fold });
  }

  late(): Stream<T> {
    return stream({ kind: 'late', keyed: [this.windowed.keyed], windowed: this.windowed });
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
