/**
 * Rows on their way to a partition: by edge and column, as the head or the stage before made them. The same shape in
 * memory, in segments and in log entries.
 */
import { ColumnBatch } from '../columns/column-batch.ts';
import type { RowBatch } from '../stream/graph/operator.ts';
import { smallest } from '../util/numbers.ts';
import { packRows, unpackRows } from '../util/pack.ts';
import { decodeBatch, type EncodedBatch, encodeBatch } from './batch-bytes.ts';

/** A row that could not be used, with what a person needs to find and repair it. */
export interface QuarantinedRow {
  readonly source?: string;
  /** Left out: it comes from an earlier stage, or is a result. */
  readonly object?: string;
  /** Line, or number of the record where the format has no lines; from 1. Left out: an operator refused it. */
  readonly line?: number;
  /** The operator whose function failed on it; left out: the input was bad. */
  readonly operator?: string;
  readonly reason: string;
  /** The row as it was read, or as the operator got it, cut to 500 characters; of a window's result key and window. */
  readonly text: string;
}

/** All rows of one partition in one micro-batch. */
export interface PartitionInput {
  /** By edge number; absent: no rows. */
  readonly edges: (ColumnBatch | undefined)[];
  readonly quarantined: QuarantinedRow[];
  /** Names of the objects that the rows' pieces are of: see {@link ColumnBatch.piece}. */
  readonly objects: readonly string[];
}

export const NO_INPUT: PartitionInput = { edges: [], quarantined: [], objects: [] };

/** The rows of one edge in a list by edge, begun where there are none yet. @param fromHead rows may stand for input rows */
export function edgeRowsIn(edges: (ColumnBatch | undefined)[], edge: number, fromHead: boolean): ColumnBatch {
  const known = edges[edge];
  if (known !== undefined) return known;
  // Without holes, so that the list can be stored and looped over.
  while (edges.length < edge) edges.push(undefined);
  const begun = new ColumnBatch(fromHead);
  edges[edge] = begun;
  return begun;
}

/**
 * The rows of an operator's input port: those of its edges, in their order. @param lateOf which rows of an edge are late
 */
export function portBatch(input: PartitionInput, edges: readonly number[], lateOf: (edge: number) => number): RowBatch {
  const filled = edges.filter((edge) => input.edges[edge] !== undefined);
  const rows = joined(filled.map((edge) => input.edges[edge]!));
  const late = smallest((filled.length === 0 ? edges.slice(0, 1) : filled).map(lateOf));
  return {
    count: rows.count,
    keys: rows.keys,
    times: rows.times,
    primary: rows.primary,
    late,
    row: (i) => rows.row(i),
    peek: (i) => rows.peek(i),
    numbers: (field) => rows.numbers(field),
    origin: (i) => input.objects[rows.piece(i)],
  };
}

/** The rows that have come since there were so many on each edge. */
export function rowsSince(input: PartitionInput, counts: readonly number[]): PartitionInput {
  const edges = input.edges.map((rows, edge) => {
    const first = counts[edge] ?? 0;
    if (rows === undefined || first === 0) return rows;
    const since = new ColumnBatch(rows.primary !== undefined, rows.count - first);
    since.append(rows, first);
    return since;
  });
  return { ...input, edges };
}

/** Rows from several partitions of the stage before, in the order of the partitions. */
export function joinInputs(inputs: readonly PartitionInput[]): PartitionInput {
  if (inputs.length === 1) return inputs[0]!;
  const edges: (ColumnBatch | undefined)[] = [];
  for (const input of inputs) {
    for (const [edge, rows] of input.edges.entries()) {
      if (rows !== undefined) edgeRowsIn(edges, edge, false).append(rows);
    }
  }
  return { edges, quarantined: [], objects: [] };
}

function joined(batches: readonly ColumnBatch[]): ColumnBatch {
  const filled = batches.filter(({ count }) => count > 0);
  if (filled.length === 1) return filled[0]!;
  const rows = new ColumnBatch(filled.some(({ primary }) => primary !== undefined));
  for (const batch of filled) rows.append(batch);
  return rows;
}

/** The sorted distinct keys of an input, each edge's for itself: what a preload looks up. */
export function distinctKeys(input: PartitionInput): (string[] | undefined)[] {
  return input.edges.map((rows) => (rows === undefined ? undefined : [...new Set(rows.keys.texts())].sort()));
}

export function encodeInput(input: PartitionInput): Uint8Array {
  const edges = input.edges.map((rows) => (rows === undefined ? undefined : encodeBatch(rows)));
  return packRows([edges, input.quarantined, input.objects]);
}

export function decodeInput(bytes: Uint8Array): PartitionInput {
  if (bytes.length === 0) return NO_INPUT;
  const [edges, quarantined, objects] = unpackRows(bytes) as [(EncodedBatch | null)[], QuarantinedRow[], string[]];
  return {
    edges: edges.map((e) => (e === null || e === undefined ? undefined : decodeBatch(e))),
    quarantined,
    objects,
  };
}
