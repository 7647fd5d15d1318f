/**
 * Where each stateful operator of a job runs: its stage, one more than the last of those its rows come from, and its
 * number in the stage; and which watermark its rows follow. Rows that an operator emits follow what its `outputWatermark`
 * makes of the watermark it got. Where several ways meet the least counts; ways without a watermark do not count.
 */
import { greatest, smallest } from '../../util/numbers.ts';
import { reachable } from '../api/validate.ts';
import type { Calls } from '../graph/calls.ts';
import {
  followedInputs,
  isStateful,
  type KeyNode,
  type StatefulNode,
  type StreamNode,
  watermarksOf,
} from '../graph/graph.ts';
import type { JobDefinition } from '../graph/job-definition.ts';
import type { JobSettings } from '../graph/job-settings.ts';
import type { Operator } from '../graph/operator.ts';
import type { OperatorDefinition } from '../graph/operator-definition.ts';
import type { StoredColumn } from '../graph/stored-columns.ts';
import { FORWARD } from '../operators/forward.ts';
import { placeName, storedColumns } from './layout-change.ts';
import type { ClockName } from './layout-line.ts';

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
  /** The watermark that it gets. */
  readonly watermark: WatermarkMap;
  /** Its kind and what its state means, for the job's state layout. */
  readonly layout: string;
  /** Of its state, where they are known by name. */
  readonly columns: readonly StoredColumn[] | undefined;
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

export class Places {
  /** All streams, inputs first. */
  readonly nodes: readonly StreamNode[];
  readonly stages: OperatorPlace[][] = [];
  /** Stage of each output. */
  readonly outputStages: readonly number[];
  readonly #settings: JobSettings;
  readonly #calls: Calls;
  readonly #stored: readonly string[] | undefined;
  readonly #emitters = new Map<StreamNode, OperatorPlace>();
  /** Operators so far, by kind. */
  readonly #counts = new Map<string, number>();

  /**
   * @param definition a job that passed `checkGraph`
   * @param calls how functions of the user are called
   * @param stored the layout of the state that it goes on from, which fits it; `undefined`: its own
   */
  constructor({ outputs, options }: JobDefinition, calls: Calls, stored?: readonly string[]) {
    this.#settings = options;
    this.#calls = calls;
    this.#stored = stored;
    this.nodes = reachable(outputs.map((output) => output.node));
    for (const node of this.nodes) {
      if (isStateful(node) && !this.#emitters.has(node)) this.#place(this.#whoGives(node));
    }
    this.outputStages = outputs.map(({ node }) => Math.max(0, this.#lastStage([node])));
    for (const [output, { node }] of outputs.entries()) this.#forward(node, output);
    if (this.stages.length === 0) this.stages.push([]);
  }

  ways(stream: StreamNode): readonly Way[] {
    if (stream.kind === 'source' || stream.kind === 'event-time') {
      return [{ from: HEAD, watermark: stream.delayMs === undefined ? undefined : identity }];
    }
    if (!isStateful(stream)) return this.#waysOf(stream.inputs);
    const { stage, operator, watermark } = this.#emitters.get(stream)!;
    if (watermarksOf(stream).size === 0) return [{ from: stage, watermark: undefined }];
    return [{ from: stage, watermark: (jobWatermark) => operator.outputWatermark(watermark(jobWatermark)) }];
  }

  #waysOf(streams: readonly StreamNode[]): readonly Way[] {
    return streams.flatMap((stream) => this.ways(stream));
  }

  #lastStage(streams: readonly StreamNode[]): number {
    const stages = this.#waysOf(streams).map((way) => way.from);
    return greatest(stages, HEAD);
  }

  /** The stream's own operator, or the first one beside it that has it as its side output. */
  #whoGives(node: StatefulNode): StatefulNode {
    const of = node.operator.sideOutputOf;
    return this.#unplaced((other) => of !== undefined && other.sideOutput?.of === of)[0] ?? node;
  }

  #unplaced(is: (operator: OperatorDefinition) => boolean): StatefulNode[] {
    return this.nodes.filter(isStateful).filter((node) => !this.#emitters.has(node) && is(node.operator));
  }

  #place(node: StatefulNode): void {
    const { operator, keyed } = node;
    const { sideOutput } = operator;
    const emits: StreamNode[][] = [[node]];
    if (sideOutput !== undefined) {
      emits[sideOutput.port] = this.#unplaced(({ sideOutputOf }) => sideOutputOf === sideOutput.of);
    }
    this.#add(operator, {
      stage: this.#lastStage(keyed.map(({ input }) => input)) + 1,
      inputs: keyed,
      emits,
      forwards: undefined,
      watermark: leastWatermark(this.#waysOf(followedInputs(node))),
    });
  }

  /** In stage 0 the head has edges of its own to outputs. */
  #forward(node: StreamNode, output: number): void {
    const stage = this.outputStages[output]!;
    const ways = this.ways(node);
    if (stage === 0 || ways.every((way) => way.from === stage)) return;
    const watermark = leastWatermark(ways);
    this.#add(FORWARD, { stage, inputs: [node], emits: [[]], forwards: output, watermark });
  }

  #add(definition: OperatorDefinition, at: Omit<OperatorPlace, 'operator' | 'index' | 'layout' | 'columns'>): void {
    const { kind, columns } = definition;
    const number = this.#counts.get(kind) ?? 0;
    this.#counts.set(kind, number + 1);
    while (this.stages.length <= at.stage) this.stages.push([]);
    const stage = this.stages[at.stage]!;
    const job = this.#settings;
    const layout = `${kind} ${definition.layout(job)}`.trimEnd();
    const line = `${placeName(at.stage, stage.length)} ${layout}`;
    const operator = definition.make(`${kind}#${number}`, {
      job,
      calls: this.#calls,
      isRead: (port) => (at.emits[port]?.length ?? 0) > 0,
      stored: columns && this.#stored && storedColumns(this.#stored, line, columns),
    });
    const place: OperatorPlace = { ...at, operator, index: stage.length, layout, columns };
    stage.push(place);
    for (const stream of place.emits.flat()) this.#emitters.set(stream, place);
  }
}

function identity(watermark: number): number {
  return watermark;
}

/** By operator that has columns. */
export function columnsOf(stages: readonly (readonly OperatorPlace[])[]): Map<string, readonly StoredColumn[]> {
  return new Map(
    stages
      .flat()
      .flatMap(({ stage, index, columns }) =>
        columns === undefined ? [] : [[placeName(stage, index), columns] as const],
      ),
  );
}

/** The job's state layout: one line an operator and table. @param clock what `OperatorContext.clock` is in the job */
export function layoutOf(stages: readonly (readonly OperatorPlace[])[], clock: ClockName): string[] {
  return stages.flat().flatMap(({ operator, stage, index, layout }) => {
    const line = `${placeName(stage, index)} ${layout}`;
    if (operator.tables.length === 0) return [line];
    return operator.tables.map(
      ({ name, kind, ofClock }) => `${line} table ${name} ${kind}${ofClock === true ? ` by ${clock}` : ''}`,
    );
  });
}
