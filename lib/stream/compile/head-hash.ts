/**
 * One hash over the head's code: the text of all functions that rows go through before the first stateful operator, and
 * the options beside them, in one canonical order. A plan that names its rows by reference may be run again only under
 * the same head. What functions close over cannot be seen.
 */
import { contentHash } from '../../util/hash.ts';
import { isStateful, type StreamNode } from '../graph/graph.ts';
import type { Wiring } from './wiring.ts';

/** @param nodes all streams of the job, inputs first */
export function headHash(nodes: readonly StreamNode[], wiring: Wiring): string {
  const numbers = new Map<StreamNode, number>();
  const lines: unknown[] = [];
  for (const node of nodes) {
    if (isStateful(node)) continue;
    const inputs = node.inputs.flatMap((input) => numbers.get(input) ?? []);
    if (node.kind !== 'source' && inputs.length === 0) continue;
    numbers.set(node, numbers.size);
    lines.push([node.kind, inputs, optionsOf(node)]);
    for (const consumer of wiring.consumers(node)) {
      if (consumer.kind === 'key') lines.push(['key', text(consumer.keyed.f), wiring.readersOf(consumer.keyed)]);
      if (consumer.kind === 'output') lines.push(['output', consumer.output]);
    }
  }
  return contentHash(JSON.stringify(lines));
}

function optionsOf(node: StreamNode): unknown[] {
  switch (node.kind) {
    case 'source':
      return [
        node.name,
        node.schema?.['~standard'].vendor ?? null,
        text(node.eventTime),
        node.delayMs ?? null,
        node.idleAfterMs ?? null,
        // Only where they are given, so that the hash of other jobs is what it was.
        ...(node.csv === undefined ? [] : [{ csv: [node.csv.delimiter ?? null, node.csv.header ?? null] }]),
        ...(node.fields === undefined ? [] : [{ fields: Object.entries(node.fields) }]),
        ...(node.eventTimeUnit === undefined ? [] : [{ eventTimeUnit: node.eventTimeUnit }]),
      ];
    case 'event-time':
      return [text(node.f), node.delayMs ?? null, node.idleAfterMs ?? null];
    case 'map':
    case 'filter':
    case 'flat-map':
      return [text(node.f)];
    default:
      return [];
  }
}

function text(f: unknown): string | null {
  return typeof f === 'function' ? String(f) : null;
}
