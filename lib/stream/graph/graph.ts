/**
 * The logical graph: what a user's calls build and `compile.ts` turns into a physical job. Nodes are immutable and shared:
 * a node used in two branches is one node and is computed once. Nodes are plain data and functions, told apart by `kind`,
 * so that it does not matter which copy of the package built them. A stateful operator says itself what it is.
 */
import type { CsvLayout } from '../../source/csv-layout.ts';
import type { Fields } from '../../source/fields.ts';
import type { TimeUnit } from '../../util/epoch-ms.ts';
import type { OperatorDefinition } from './operator-definition.ts';
import type { StandardSchema } from './standard-schema.ts';
import type { UserFunction } from './user-function.ts';

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

/** A stateful operator: the node is the stream of what it emits. */
export interface StatefulNode {
  readonly kind: 'operator';
  /** What it reads, by input port. */
  readonly keyed: readonly KeyNode[];
  readonly operator: OperatorDefinition;
}

export type StatelessNode = TransformNode | UnionNode | EventTimeNode;
export type StreamNode = SourceNode | StatelessNode | StatefulNode;

export function isStateful(node: StreamNode): node is StatefulNode {
  return node.kind === 'operator';
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
    case 'operator':
      return node.operator.eventTime === 'kept' ? inputsOf(node).some(hasEventTime) : node.operator.eventTime === 'own';
    default:
      return hasEventTime(node.inputs[0]);
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
  if (isStateful(node) && (node.operator.eventTime === 'none' || node.operator.isAgeless === true)) return new Set();
  return new Set(followedInputs(node).flatMap((input) => [...watermarksOf(input)]));
}

/** Those of the streams that a node reads whose watermark it follows: not tables that are looked up. */
export function followedInputs(node: StreamNode): readonly StreamNode[] {
  if (!isStateful(node)) return node.inputs;
  const { lookups = [] } = node.operator;
  return inputsOf(node).filter((_, port) => !lookups.includes(port));
}
