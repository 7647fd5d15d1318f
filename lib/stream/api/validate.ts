/**
 * What a job must be for its results to mean something: the rules that look at the pipeline as a whole, those of its operators among
 * them. They are Spark's, and each refusal says what to change.
 */
import { JobError } from '../../errors.ts';
import {
  eventTimeUnitsOf,
  inputsOf,
  isStateful,
  type StatefulNode,
  type StreamNode,
  watermarksOf,
} from '../graph/graph.ts';
import type { JobDefinition } from '../graph/job-definition.ts';

/** @throws {JobError} */
export function checkGraph(definition: JobDefinition): void {
  const { outputs, options } = definition;
  if (outputs.length === 0)
    throw new JobError('NO_OUTPUT', 'the job has no output: give job() a stream, or streams by name');
  const nodes = reachable(outputs.map((output) => output.node));
  checkSources(nodes);
  checkUnits(nodes);
  const stateful = nodes.filter(isStateful);
  for (const { operator, keyed } of stateful) {
    operator.check?.(
      options,
      keyed.map(({ input }) => ({ hasWatermark: watermarksOf(input).size > 0 })),
    );
  }
  if (options.mode !== 'append') for (const node of stateful) checkNoTableBefore(node, options.mode);
  if (options.mode === 'complete') checkComplete(definition);
}

/** All streams that outputs are made of, inputs before what reads them, in one canonical order. */
export function reachable(roots: readonly StreamNode[]): StreamNode[] {
  const seen = new Set<StreamNode>();
  const visit = (node: StreamNode): void => {
    if (seen.has(node)) return;
    for (const input of inputsOf(node)) visit(input);
    seen.add(node);
  };
  for (const root of roots) visit(root);
  return [...seen];
}

/** Whether rows of this stream replace earlier ones (`update`) or are a whole table (`complete`). */
export function holdsTable(node: StreamNode): boolean {
  return isStateful(node) ? node.operator.table !== undefined : node.inputs.some(holdsTable);
}

function checkSources(nodes: readonly StreamNode[]): void {
  const names = new Set<string>();
  for (const node of nodes) {
    if (node.kind !== 'source') continue;
    if (names.has(node.name)) {
      throw new JobError(
        'DUPLICATE_SOURCE',
        `two source() calls of the name '${node.name}': keep the first in a variable and use it in both places`,
      );
    }
    names.add(node.name);
  }
}

function checkUnits(nodes: readonly StreamNode[]): void {
  for (const node of nodes) {
    if (node.kind !== 'event-time') continue;
    const units = new Set([...eventTimeUnitsOf(node)].map((unit) => unit ?? 'ms'));
    if (units.size < 2) continue;
    throw new JobError(
      'BAD_UNION',
      `withEventTime() after a union() of sources whose eventTimeUnit differs (${[...units].map((unit) => `'${unit}'`).join(', ')}): call it on each before the union, or make the units alike`,
    );
  }
}

function checkNoTableBefore(node: StatefulNode, mode: string): void {
  if (!inputsOf(node).some(tableUpstream)) return;
  throw new JobError(
    'STATE_AFTER_AGGREGATION',
    `a stateful operator after an aggregation would count its unfinished results in mode '${mode}': use outputMode: 'append', or end the job at the aggregation`,
  );
}

function tableUpstream(node: StreamNode): boolean {
  return holdsTable(node) || inputsOf(node).some(tableUpstream);
}

function checkComplete({ outputs }: JobDefinition): void {
  if (!outputs.some((output) => holdsTable(output.node))) {
    throw new JobError(
      'COMPLETE_NEEDS_AGGREGATION',
      "mode 'complete' gives the whole table of an aggregation, and this job has none: use outputMode: 'append'",
    );
  }
  const mixed = outputs.find((output) => mixesTable(output.node));
  if (mixed !== undefined) {
    throw new JobError(
      'COMPLETE_NEEDS_AGGREGATION',
      `output '${mixed.name}' is a union of a table and a stream without one, which mode 'complete' cannot show: make them two outputs`,
    );
  }
}

function mixesTable(node: StreamNode): boolean {
  if (isStateful(node)) return false;
  const holding = node.inputs.map(holdsTable);
  return (holding.includes(true) && holding.includes(false)) || node.inputs.some(mixesTable);
}
