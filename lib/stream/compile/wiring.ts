/** Who reads what in a job, and the edges that carry it from one stage to another. */
import {
  type EventTimeNode,
  followedInputs,
  isStateful,
  type KeyNode,
  type SourceNode,
  type StreamNode,
  watermarksOf,
} from '../graph/graph.ts';
import type { JobDefinition } from '../graph/job-definition.ts';
import type { Edge, Push } from './physical.ts';
import { HEAD, inputStream, leastWatermark, type OperatorPlace, type Places } from './places.ts';
import type { Consumer, PushTargets } from './push-targets.ts';

/** Edges are made as the chains that end in them are compiled. */
export class Wiring implements PushTargets {
  /** Watermark generators that something in the job follows. */
  readonly generators: readonly (SourceNode | EventTimeNode)[];
  readonly allEdges: Edge[] = [];
  readonly #places: Places;
  readonly #consumers = new Map<StreamNode, Consumer[]>();
  /** Operators, with their port, that read a stream by key. */
  readonly #readers = new Map<KeyNode, { readonly place: OperatorPlace; readonly port: number }[]>();
  readonly #names = new Map<StreamNode | KeyNode, string>();
  /** Edges by what they are for: `from > stage/operator:port`, or `output i`. */
  readonly #edgeNumbers = new Map<string, number>();

  constructor({ outputs }: JobDefinition, places: Places) {
    this.#places = places;
    for (const place of places.stages.flat()) {
      for (const [port, input] of place.inputs.entries()) if (input.kind === 'key') this.#read(input, place, port);
    }
    for (const node of places.nodes) {
      if (isStateful(node)) continue;
      this.#name(node, node.kind === 'event-time' ? 'withEventTime' : node.kind);
      for (const input of node.inputs) this.#consume(input, { kind: 'stream', stream: node });
    }
    for (const [output, { node }] of outputs.entries()) this.#consume(node, { kind: 'output', output });
    const ends = [...outputs.map((output) => output.node), ...places.nodes.filter(isStateful).flatMap(followedInputs)];
    const live = new Set<StreamNode>(ends.flatMap((stream) => [...watermarksOf(stream)]));
    this.generators = places.nodes.filter((n): n is SourceNode | EventTimeNode => live.has(n));
  }

  consumers(stream: StreamNode): readonly Consumer[] {
    return this.#consumers.get(stream) ?? [];
  }

  /** Operators that read this key, as `stage/operator:port`. */
  readersOf(keyed: KeyNode): readonly string[] {
    return this.#readers.get(keyed)!.map(({ place, port }) => `s${place.stage}/o${place.index}:${port}`);
  }

  edges(keyed: KeyNode, from: number): readonly number[] {
    return this.#readers.get(keyed)!.map(({ place, port }) => this.#edgeTo(place, port, from));
  }

  asks(keyed: KeyNode): readonly string[] | undefined {
    const asked = this.#readers.get(keyed)!.map(({ place, port }) => place.operator.asks?.[port]);
    return asked.includes(undefined) ? undefined : asked.flatMap((fields) => fields!);
  }

  toOutput(output: number, from: number): Push {
    const stage = this.#places.outputStages[output]!;
    if (from === stage) return (row, _time, to) => to.toOutput(output, row);
    const edge = stage === 0 ? this.#outputEdge(output) : this.#edgeTo(this.#forwardTo(output), 0, from);
    return (row, time, to) => to.toEdge(edge, '', time, row);
  }

  /** The output that rows of these streams go to as they are, and nowhere else. */
  onlyOutput(streams: readonly StreamNode[], from: number): number | undefined {
    const [consumer, ...others] = streams.flatMap((stream) => this.consumers(stream));
    if (consumer?.kind !== 'output' || others.length > 0) return undefined;
    return this.#places.outputStages[consumer.output] === from ? consumer.output : undefined;
  }

  generator(stream: StreamNode): number | undefined {
    const at = this.generators.indexOf(stream as SourceNode | EventTimeNode);
    return at < 0 ? undefined : at;
  }

  nameOf(node: StreamNode | KeyNode): string {
    return this.#names.get(node)!;
  }

  edgesInto(place: OperatorPlace, port: number): number[] {
    const wanted = edgeName(place, port);
    return [...this.#edgeNumbers].filter(([name]) => name.endsWith(wanted)).map(([, number]) => number);
  }

  #read(keyed: KeyNode, place: OperatorPlace, port: number): void {
    const readers = this.#readers.get(keyed);
    if (readers !== undefined) {
      readers.push({ place, port });
      return;
    }
    this.#readers.set(keyed, [{ place, port }]);
    this.#name(keyed, 'keyBy');
    this.#consume(keyed.input, { kind: 'key', keyed });
  }

  #consume(stream: StreamNode, consumer: Consumer): void {
    const consumers = this.#consumers.get(stream);
    if (consumers === undefined) this.#consumers.set(stream, [consumer]);
    else consumers.push(consumer);
  }

  #name(node: StreamNode | KeyNode, kind: string): void {
    const number = [...this.#names.values()].filter((name) => name.startsWith(`${kind}#`)).length;
    this.#names.set(node, node.kind === 'source' ? `eventTime of source ${node.name}` : `${kind}#${number}`);
  }

  #forwardTo(output: number): OperatorPlace {
    return this.#places.stages.flat().find((place) => place.forwards === output)!;
  }

  #edgeTo(place: OperatorPlace, port: number, from: number): number {
    const ways = this.#places.ways(inputStream(place.inputs[port]!)).filter((way) => way.from === from);
    return this.#edge(`${from} > ${edgeName(place, port)}`, {
      stage: place.stage,
      operator: place.index,
      port,
      output: -1,
      from: from === HEAD ? 'head' : from,
      watermark: leastWatermark(ways),
    });
  }

  #outputEdge(output: number): number {
    const watermark = (jobWatermark: number): number => jobWatermark;
    return this.#edge(`output ${output}`, { stage: 0, operator: -1, port: 0, output, from: 'head', watermark });
  }

  #edge(name: string, edge: Edge): number {
    const known = this.#edgeNumbers.get(name);
    if (known !== undefined) return known;
    this.#edgeNumbers.set(name, this.allEdges.length);
    return this.allEdges.push(edge) - 1;
  }
}

function edgeName(place: OperatorPlace, port: number): string {
  return ` s${place.stage}/o${place.index}:${port}`;
}
