/**
 * Turns a checked job into the physical job that the engine runs: places the stateful operators, compiles the stateless
 * chains between them, and gives every way from one stage to another its edge. A chain behind a union is compiled once
 * for each stage its rows come from, because that decides which edges they take.
 */

import { definitionOf, type Job } from '../api/job.ts';
import { holdsTable } from '../api/validate.ts';
import { type Calls, PLAIN_CALLS } from '../graph/calls.ts';
import { type EventTimeNode, isStateful, type SourceNode, type StreamNode } from '../graph/graph.ts';
import type { JobDefinition } from '../graph/job-definition.ts';
import type { TableColumns } from '../graph/operator-definition.ts';
import { headHash } from './head-hash.ts';
import type { OperatorNode, OutputSpec, PhysicalJob, Push, WatermarkSpec } from './physical.ts';
import { columnsOf, layoutOf, type OperatorPlace, Places } from './places.ts';
import { fanOut, PushCompiler } from './push.ts';
import { Wiring } from './wiring.ts';

/**
 * @param calls how functions of the user are called; tests of jobs look at what they do to their arguments
 * @throws {JobError} `NOT_A_JOB`
 */
export function compileJob(job: Job<unknown>, calls: Calls = PLAIN_CALLS): PhysicalJob {
  return compile(definitionOf(job), calls, undefined);
}

/** @param stored the layout of the state that it is to go on from; `undefined`: its own */
function compile(definition: JobDefinition, calls: Calls, stored: readonly string[] | undefined): PhysicalJob {
  const places = new Places(definition, calls, stored);
  const wiring = new Wiring(definition, places);
  const compiler = new PushCompiler(wiring, calls);
  const { nodes, stages, outputStages } = places;
  const sources = nodes.flatMap((node) => (node.kind === 'source' ? compiler.source(node) : []));
  const emitOf = (place: OperatorPlace): Push[] => {
    if (place.forwards !== undefined) return [wiring.toOutput(place.forwards, place.stage)];
    return place.emits.map((streams) => fanOut(streams.map((stream) => compiler.after(stream, place.stage))));
  };
  // Compiled before the inputs are read off: it is what creates the edges.
  const emits = new Map(stages.flat().map((place) => [place, emitOf(place)]));
  return {
    name: definition.name,
    ...definition.options,
    sources,
    watermarks: wiring.generators.map((node) => watermarkSpec(node, wiring)),
    edges: wiring.allEdges,
    stages: stages.map((operators) => ({
      operators: operators.map(
        (place): OperatorNode => ({
          operator: place.operator,
          inputs: place.inputs.map((_, port) => wiring.edgesInto(place, port)),
          emit: emits.get(place)!,
          results: place.emits.map((streams) => wiring.onlyOutput(streams, place.stage)),
          watermark: place.watermark,
        }),
      ),
    })),
    outputs: definition.outputs.map(
      ({ name, node }, i): OutputSpec => ({
        name,
        kind: outputKind(definition, node),
        stage: outputStages[i]!,
        rows: holdsTable(node) ? tableColumns(node) : undefined,
      }),
    ),
    single: definition.single,
    headHash: headHash(nodes, wiring),
    layout: layoutOf(stages, wiring.generators.length === 0 ? 'processing-time' : 'watermark'),
    columns: columnsOf(stages),
    storedAs: (layout) => compile(definition, calls, layout).stages,
  };
}

function outputKind({ options }: JobDefinition, node: StreamNode): OutputSpec['kind'] {
  if (options.mode === 'append' || !holdsTable(node)) return 'append';
  return options.mode === 'update' ? 'update' : 'table';
}

/** A filter leaves rows as they are; what other functions make of them is not known. */
function tableColumns(node: StreamNode): TableColumns {
  if (node.kind === 'filter') return tableColumns(node.inputs[0]);
  return (isStateful(node) ? node.operator.table : undefined) ?? { key: [], whole: [] };
}

function watermarkSpec(node: SourceNode | EventTimeNode, wiring: Wiring): WatermarkSpec {
  const id = node.kind === 'source' ? `source:${node.name}` : wiring.nameOf(node);
  return { id, delayMs: node.delayMs!, idleAfterMs: node.idleAfterMs };
}
