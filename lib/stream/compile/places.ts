/**
 * Where each stateful operator of a job runs: its stage, one more than the last of those its rows come from, and its
 * number in the stage; and which watermark its rows follow. Rows that an operator emits follow what its `outputWatermark`
 * makes of the watermark it got. Where several ways meet the least counts; ways without a watermark do not count.
 */
import { greatest, smallest } from '../../util/numbers.ts';
import { reachable } from '../api/validate.ts';
import { type Calls, PLAIN_CALLS } from '../graph/calls.ts';
import {
  type FoldNode,
  isStateful,
  type KeyNode,
  type LateNode,
  type StreamNode,
  watermarksOf,
} from '../graph/graph.ts';
import type { JobDefinition } from '../graph/job-definition.ts';
import type { Operator } from '../graph/operator.ts';
import { type FixedWindowSpec, windowText } from '../graph/window-spec.ts';
import { foldText } from '../operators/fold.ts';
import { forward } from '../operators/forward.ts';
import { lateRows } from '../operators/late-rows.ts';
import { runningFold } from '../operators/running-fold.ts';
import { windowFold } from '../operators/window-fold.ts';

/** The stateless head, seen as the stage before the first. */
export const HEAD = -1;

/** A watermark at some place, given the job's. */
export type WatermarkMap = (jobWatermark: number) => number;

/** One way on which rows reach a stream. */
export interface Way {
  /** Stage that emits them, or {@link HEAD}. */
  readonly from: number;
  /** `undefined`: the rows have no watermark. */
  readonly watermark: WatermarkMap | undefined;
}

export interface OperatorPlace {
  readonly operator: Operator;
  readonly stage: number;
  /** Number within the stage. */
  readonly index: number;
  /** What feeds each input port: a keyed stream, or for {@link forwards} a stream whose rows have no key. */
  readonly inputs: readonly (KeyNode | StreamNode)[];
  /** The streams that each output port gives. */
  readonly emits: readonly (readonly StreamNode[])[];
  /** The job output that rows of port 0 go straight to. */
  readonly forwards: number | undefined;
  /** The operator in the job's state layout, without its place and tables. */
  readonly text: string;
}

export interface Places {
  /** All streams, inputs first. */
  readonly nodes: readonly StreamNode[];
  readonly stages: readonly (readonly OperatorPlace[])[];
  /** Stage of each output. */
  readonly outputStages: readonly number[];
  ways(stream: StreamNode): readonly Way[];
}

export function inputStream(input: KeyNode | StreamNode): StreamNode {
  return input.kind === 'key' ? input.input : input;
}

/** The watermark where these ways meet. */
export function leastWatermark(ways: readonly Way[]): WatermarkMap {
  const maps = ways.flatMap((way) => way.watermark ?? []);
  if (maps.length === 0) return (watermark) => (watermark === Infinity ? Infinity : -Infinity);
  if (maps.every((map) => map === maps[0])) return maps[0]!;
  return (watermark) => smallest(maps.map((map) => map(watermark)));
}

/** @param definition a job that passed `checkGraph` @param calls how functions of the user are called */
export function placeOperators({ outputs, options }: JobDefinition, calls: Calls = PLAIN_CALLS): Places {
  const nodes = reachable(outputs.map((output) => output.node));
  const stages: OperatorPlace[][] = [];
  const emitters = new Map<StreamNode, OperatorPlace>();
  const names = new Map<string, number>();

  const ways = (stream: StreamNode): readonly Way[] => {
    if (stream.kind === 'source' || stream.kind === 'event-time') {
      return [{ from: HEAD, watermark: stream.delayMs === undefined ? undefined : identity }];
    }
    if (!isStateful(stream)) return stream.inputs.flatMap(ways);
    const place = emitters.get(stream)!;
    if (watermarksOf(stream).size === 0) return [{ from: place.stage, watermark: undefined }];
    const input = leastWatermark(place.inputs.flatMap((i) => ways(inputStream(i))));
    return [{ from: place.stage, watermark: (w) => place.operator.outputWatermark(input(w)) }];
  };
  const lastStage = (streams: readonly StreamNode[]): number =>
    greatest(
      streams.flatMap(ways).map((way) => way.from),
      HEAD,
    );

  const add = (
    kind: string,
    stage: number,
    make: (name: string) => Operator,
    rest: Pick<OperatorPlace, 'inputs' | 'emits' | 'forwards' | 'text'>,
  ): void => {
    const number = names.get(kind) ?? 0;
    names.set(kind, number + 1);
    while (stages.length <= stage) stages.push([]);
    const place: OperatorPlace = { operator: make(`${kind}#${number}`), stage, index: stages[stage]!.length, ...rest };
    stages[stage]!.push(place);
    for (const stream of place.emits.flat()) emitters.set(stream, place);
  };

  const addFold = (node: FoldNode, lates: readonly LateNode[]): void => {
    const stage = lastStage(node.keyed.map((keyed) => keyed.input)) + 1;
    const { fold, windowed, keyed } = node;
    if (windowed === undefined) {
      const make = (name: string): Operator => runningFold(name, fold, calls);
      add(fold.kind, stage, make, { inputs: keyed, emits: [[node]], forwards: undefined, text: foldText(fold) });
      return;
    }
    const window = windowed.window as FixedWindowSpec;
    const kept = options.mode === 'complete' ? ' complete' : '';
    add(`window-${fold.kind}`, stage, (name) => windowFold(name, window, fold, lates.length > 0, calls), {
      inputs: keyed,
      emits: [[node], lates],
      forwards: undefined,
      text: `${windowText(window)} ${foldText(fold)}${kept}`,
    });
  };

  for (const node of nodes) {
    if (!isStateful(node) || emitters.has(node)) continue;
    if (node.kind === 'unbuilt') throw new Error(`${node.what} cannot be compiled`);
    // The first aggregation of a windowed stream also gives its late rows.
    const { windowed } = node;
    const lates = nodes.filter((n): n is LateNode => n.kind === 'late' && n.windowed === windowed && !emitters.has(n));
    const fold =
      node.kind === 'fold'
        ? node
        : nodes.find((n): n is FoldNode => n.kind === 'fold' && n.windowed === windowed && !emitters.has(n));
    if (fold !== undefined) {
      addFold(fold, lates);
      continue;
    }
    const window = windowed!.window as FixedWindowSpec;
    add('late', lastStage([node.keyed[0].input]) + 1, (name) => lateRows(name, window), {
      inputs: node.keyed,
      emits: [lates],
      forwards: undefined,
      text: windowText(window),
    });
  }

  const outputStages = outputs.map(({ node }) => Math.max(0, lastStage([node])));
  for (const [i, { node }] of outputs.entries()) {
    const stage = outputStages[i]!;
    // In stage 0 the head has edges of its own to outputs.
    if (stage === 0 || ways(node).every((way) => way.from === stage)) continue;
    add('forward', stage, forward, { inputs: [node], emits: [[]], forwards: i, text: '' });
  }
  if (stages.length === 0) stages.push([]);
  return { nodes, stages, outputStages, ways };
}

function identity(watermark: number): number {
  return watermark;
}

/** The job's state layout: one line an operator and table. */
export function layoutOf(stages: readonly (readonly OperatorPlace[])[]): string[] {
  return stages.flat().flatMap(({ operator, stage, index, text }) => {
    const kind = operator.name.slice(0, operator.name.indexOf('#'));
    const line = `s${stage}/o${index} ${kind}${text === '' ? '' : ` ${text}`}`;
    if (operator.tables.length === 0) return [line];
    return operator.tables.map((table) => `${line} table ${table.name} ${table.kind}`);
  });
}
