/**
 * The head of a source whose rows nobody needs to look at: each function between source and operators is proven to be an access to
 * fields that are declared or, where none are, that are all that is asked of the rows. Then event times and keys come straight out of
 * the columns.
 */
import type { ColumnKind } from '../../columns/field-columns.ts';
import { epochMsIn } from '../api/time.ts';
import { fieldAccess, fieldOf } from '../graph/field-access.ts';
import { eventTimeUnitOf, type SourceNode } from '../graph/graph.ts';
import type { ColumnHead, ColumnWay } from './physical.ts';
import { HEAD } from './places.ts';
import type { PushTargets } from './push-targets.ts';

/**
 * Where no fields are declared: those that are all that the job asks of the rows of a source. `undefined`: something needs the rows.
 */
export function askedFields(node: SourceNode, targets: PushTargets): readonly string[] | undefined {
  if (node.fields !== undefined || node.schema !== undefined) return undefined;
  const asked = new Set<string>();
  for (const consumer of targets.consumers(node)) {
    if (consumer.kind !== 'key') return undefined;
    const access = fieldAccess(consumer.keyed.f);
    const further = targets.asks(consumer.keyed);
    if (access === undefined || further === undefined) return undefined;
    for (const name of [...access.fields, ...further]) asked.add(name);
  }
  if (node.eventTime !== undefined) {
    const name = fieldOf(node.eventTime);
    if (name === undefined) return undefined;
    asked.add(name);
  }
  // To a function it may be the prototype.
  return asked.has('__proto__') ? undefined : [...asked];
}

/**
 * @param fields that are columns; without `kinds` they may hold anything that is no JSON object or array
 * @returns `undefined`: some function needs the rows, or rows go where keys are not all that is asked of them
 */
export function columnHead(
  node: SourceNode,
  fields: { readonly names: readonly string[]; readonly kinds?: readonly ColumnKind[] } | undefined,
  targets: PushTargets,
): ColumnHead | undefined {
  if (fields === undefined || node.schema !== undefined) return undefined;
  const { names, kinds } = fields;
  const ways: ColumnWay[] = [];
  for (const consumer of targets.consumers(node)) {
    if (consumer.kind !== 'key') return undefined;
    const access = fieldAccess(consumer.keyed.f);
    const at = access?.fields.map((name) => names.indexOf(name)) ?? [];
    if (access === undefined || at.some((i) => i < 0 || kinds?.[i] === 'json')) return undefined;
    ways.push({ fields: at, list: access.list, edges: targets.edges(consumer.keyed, HEAD) });
  }
  const edges = ways.flatMap((way) => way.edges);
  // An edge that is reached twice gets a row twice, one after the other.
  if (edges.length === 0 || new Set(edges).size < edges.length) return undefined;
  if (node.eventTime === undefined) return { time: undefined, ways };
  const name = fieldOf(node.eventTime);
  const field = name === undefined ? -1 : names.indexOf(name);
  if (field < 0 || (kinds !== undefined && kinds[field] !== 'number')) return undefined;
  return { time: { field, toMs: epochMsIn(eventTimeUnitOf(node)), generator: targets.generator(node) }, ways };
}
