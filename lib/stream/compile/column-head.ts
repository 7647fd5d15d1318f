/**
 * The head of a source whose rows nobody needs to look at: their fields are declared, and each function between source and
 * operators is proven to be an access to these. Then event times and keys come straight out of the columns.
 */
import type { DeclaredFields } from '../../source/declared-fields.ts';
import { epochMsIn } from '../api/time.ts';
import { fieldAccess, fieldOf } from '../graph/field-access.ts';
import { eventTimeUnitOf, type SourceNode } from '../graph/graph.ts';
import type { ColumnHead, ColumnWay } from './physical.ts';
import { HEAD } from './places.ts';
import type { PushTargets } from './push-targets.ts';

/** `undefined`: some function needs the rows, or rows go where keys are not all that is asked of them. */
export function columnHead(
  node: SourceNode,
  fields: DeclaredFields | undefined,
  targets: PushTargets,
): ColumnHead | undefined {
  if (fields === undefined || node.schema !== undefined) return undefined;
  const ways: ColumnWay[] = [];
  for (const consumer of targets.consumers(node)) {
    if (consumer.kind !== 'key') return undefined;
    const access = fieldAccess(consumer.keyed.f);
    const at = access?.fields.map((name) => fields.names.indexOf(name)) ?? [];
    if (access === undefined || at.some((i) => i < 0 || fields.kinds[i] === 'json')) return undefined;
    ways.push({ fields: at, list: access.list, edges: targets.edges(consumer.keyed, HEAD) });
  }
  const edges = ways.flatMap((way) => way.edges);
  // An edge that is reached twice gets a row twice, one after the other.
  if (edges.length === 0 || new Set(edges).size < edges.length) return undefined;
  if (node.eventTime === undefined) return { time: undefined, ways };
  const name = fieldOf(node.eventTime);
  const field = name === undefined ? -1 : fields.names.indexOf(name);
  if (field < 0 || fields.kinds[field] !== 'number') return undefined;
  return { time: { field, toMs: epochMsIn(eventTimeUnitOf(node)), generator: targets.generator(node) }, ways };
}
