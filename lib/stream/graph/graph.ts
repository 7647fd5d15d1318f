/**
 * The logical graph: what a user's calls build and `compile.ts` turns into a physical job. Nodes are immutable and shared:
 * a node used in two branches is one node and is computed once. Nodes are plain data and functions, told apart by `kind`,
 * so that it does not matter which copy of the package built them.
 */
import type { CsvLayout } from '../../source/csv-layout.ts';
import type { Fields } from '../../source/fields.ts';
import type { TimeUnit } from '../../util/epoch-ms.ts';
import type { Accumulator } from './accumulator.ts';
import type { Calls } from './calls.ts';
import type { StandardSchema } from './standard-schema.ts';
import type { WindowSpec } from './window-spec.ts';

/** A function of a job; what it takes and gives is checked by the compiler where the job is written. */
export type UserFunction = (...args: never[]) => unknown;

export interface SourceNode {
  readonly kind: 'source';
  readonly inputs: readonly [];
  readonly name: string;
  readonly schema: StandardSchema | undefined;
  readonly eventTime: UserFunction | undefined;
  readonly csv?: CsvLayout | undefined;
  readonly fields?: Fields | undefined;
  readonly eventTimeUnit?: TimeUnit | undefined;
  /** `undefined`: event time, if any, but no watermark. */
  readonly delayMs: number | undefined;
  readonly idleAfterMs: number | undefined;
}

export interface TransformNode {
  readonly kind: 'map' | 'filter' | 'flat-map';
  readonly inputs: readonly [StreamNode];
  readonly f: UserFunction;
}

export interface UnionNode {
  readonly kind: 'union';
  readonly inputs: readonly [StreamNode, StreamNode];
}

export interface EventTimeNode {
  readonly kind: 'event-time';
  readonly inputs: readonly [StreamNode];
  readonly f: UserFunction;
  readonly delayMs: number | undefined;
  readonly idleAfterMs: number | undefined;
}

/** Rows by key: not a stream by itself, but what stateful operators read. */
export interface KeyNode {
  readonly kind: 'key';
  readonly input: StreamNode;
  readonly f: UserFunction;
}

/** Rows by key and window; its identity ties `late()` to the aggregation beside it. */
export interface WindowNode {
  readonly kind: 'window';
  readonly keyed: KeyNode;
  readonly window: WindowSpec;
}

/** What a group of rows is folded into. */
export type Fold =
  | { readonly kind: 'aggregate'; readonly columns: readonly AggregateColumn[] }
  | { readonly kind: 'reduce'; readonly f: UserFunction };

/** What the aggregate functions (`count()`, `sum()`, …) really give. */
export interface AggregateDefinition {
  /** With the parameters that give its state another meaning; part of the job's state layout. */
  readonly kind: string;
  /** @param label name of the result column, for messages @param calls how functions that keep rows are called */
  accumulator(label: string, calls?: Calls): Accumulator;
}

export interface AggregateColumn {
  readonly name: string;
  readonly aggregate: AggregateDefinition;
}

/** `aggregate` or `reduce`, of windows or running. */
export interface FoldNode {
  readonly kind: 'fold';
  readonly keyed: readonly [KeyNode];
  /** `undefined`: running, one group a key. */
  readonly windowed: WindowNode | undefined;
  readonly fold: Fold;
}

export interface LateNode {
  readonly kind: 'late';
  readonly keyed: readonly [KeyNode];
  readonly windowed: WindowNode;
}

/** Operators that `job()` refuses so far. */
export interface UnbuiltNode {
  readonly kind: 'unbuilt';
  readonly keyed: readonly KeyNode[];
  /** As the user wrote it, such as `join()`. */
  readonly what: string;
  /** Whether the result is a table, which must not be appended. */
  readonly table: boolean;
}

/** A stateful operator: the node is the stream of what it emits. */
export type StatefulNode = FoldNode | LateNode | UnbuiltNode;
export type StatelessNode = TransformNode | UnionNode | EventTimeNode;
export type StreamNode = SourceNode | StatelessNode | StatefulNode;

export function isStateful(node: StreamNode): node is StatefulNode {
  return 'keyed' in node;
}

/** The streams that a node reads. */
export function inputsOf(node: StreamNode): readonly StreamNode[] {
  return isStateful(node) ? node.keyed.map((keyed) => keyed.input) : node.inputs;
}

/** Whether rows of this stream have event time. */
export function hasEventTime(node: StreamNode): boolean {
  switch (node.kind) {
    case 'source':
      return node.eventTime !== undefined;
    case 'event-time':
      return true;
    case 'fold':
      return node.windowed !== undefined;
    case 'unbuilt':
      return node.keyed.some((keyed) => hasEventTime(keyed.input));
    default:
      return hasEventTime(inputsOf(node)[0]!);
  }
}

/** The units of event times that are numbers, of the sources that a stream is of: declared timestamps are in ms by then. */
export function eventTimeUnitsOf(node: StreamNode): ReadonlySet<TimeUnit | undefined> {
  if (node.kind === 'source') return new Set([node.fields === undefined ? node.eventTimeUnit : undefined]);
  return new Set(inputsOf(node).flatMap((input) => [...eventTimeUnitsOf(input)]));
}

/** What numbers are that its function of event time gives; `job()` has checked that it is one unit. */
export function eventTimeUnitOf(node: SourceNode | EventTimeNode): TimeUnit | undefined {
  return [...eventTimeUnitsOf(node)].find((unit) => unit !== undefined);
}

/** Whether a stateful operator comes before; `withEventTime` is refused then. */
export function hasState(node: StreamNode): boolean {
  return isStateful(node) || node.inputs.some(hasState);
}

/** The sources and `withEventTime` calls whose watermark this stream follows; none: nothing in it is late or final. */
export function watermarksOf(node: StreamNode): ReadonlySet<SourceNode | EventTimeNode> {
  if (node.kind === 'source' || node.kind === 'event-time') {
    return new Set(node.delayMs === undefined ? [] : [node]);
  }
  if (node.kind === 'fold' && node.windowed === undefined) return new Set();
  return new Set(inputsOf(node).flatMap((input) => [...watermarksOf(input)]));
}
