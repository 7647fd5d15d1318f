/**
 * Rows on their way to a partition: by edge and column, as the head or the stage before made them. The same shape in
 * memory, in segments and in log entries.
 */
import type { RowBatch } from '../stream/operators/operator.ts';
import { smallest } from '../util/numbers.ts';
import { packRows, unpackRows } from '../util/pack.ts';

/** Rows of one edge, by column. */
export interface EdgeRows {
  readonly keys: string[];
  /** `NaN`: the stream has no event time. */
  readonly times: number[];
  readonly rows: unknown[];
  /** See {@link RowBatch.primary}. */
  readonly primary: boolean[] | undefined;
  /** Index of the piece each row came from; `undefined` between stages. */
  readonly pieces: number[] | undefined;
}

/** A row that could not be used, with what a person needs to find and repair it. */
export interface QuarantinedRow {
  readonly source?: string;
  /** Left out: it comes from an earlier stage, or is a result. */
  readonly object?: string;
  /** Line, or number of the record where the format has no lines; from 1. Left out: an operator refused it. */
  readonly line?: number;
  /** Whose function refused it; left out: it is bad input. */
  readonly operator?: string;
  readonly reason: string;
  /** The row as it was read, or as the operator got it, cut to 500 characters; of a window's result key and window. */
  readonly text: string;
}

/** All that one partition gets in one micro-batch. */
export interface PartitionInput {
  /** By edge number; absent: no rows. */
  readonly edges: (EdgeRows | undefined)[];
  readonly quarantined: QuarantinedRow[];
  /** Names of the objects that `pieces` of the rows refer to. */
  readonly objects: readonly string[];
}

export const NO_INPUT: PartitionInput = { edges: [], quarantined: [], objects: [] };

export function newEdgeRows(fromHead: boolean): EdgeRows {
  return { keys: [], times: [], rows: [], primary: fromHead ? [] : undefined, pieces: fromHead ? [] : undefined };
}

/** The rows of one edge in a list by edge, begun where there are none yet. */
export function edgeRowsIn(edges: (EdgeRows | undefined)[], edge: number, fromHead: boolean): EdgeRows {
  const known = edges[edge];
  if (known !== undefined) return known;
  // Dense, so that the list is stored and looped over as it is.
  while (edges.length < edge) edges.push(undefined);
  const begun = newEdgeRows(fromHead);
  edges[edge] = begun;
  return begun;
}

/** The rows of an edge as an operator sees them. */
export function rowBatch(input: PartitionInput, edge: number, late: number): RowBatch {
  const rows = input.edges[edge];
  if (rows === undefined) return { ...EMPTY, late };
  return {
    keys: rows.keys,
    times: rows.times,
    rows: rows.rows,
    primary: rows.primary,
    late,
    origin: (i) => (rows.pieces === undefined ? undefined : input.objects[rows.pieces[i]!]),
  };
}

const EMPTY = { keys: [], times: [], rows: [], primary: undefined, origin: () => undefined };

/** The rows of several edges that feed one port, in the order of the edges. */
export function joinBatches(batches: readonly RowBatch[]): RowBatch {
  const filled = batches.filter((b) => b.rows.length > 0);
  if (filled.length <= 1) return filled[0] ?? batches[0]!;
  const ends: number[] = [];
  let rows = 0;
  for (const batch of filled) {
    rows += batch.rows.length;
    ends.push(rows);
  }
  return {
    keys: filled.flatMap((b) => b.keys),
    times: filled.flatMap((b) => b.times),
    rows: filled.flatMap((b) => b.rows),
    primary: filled.flatMap((b) => b.primary ?? b.rows.map(() => false)),
    late: smallest(filled.map((b) => b.late)),
    origin(i) {
      const at = ends.findIndex((end) => i < end);
      return filled[at]!.origin(i - (at === 0 ? 0 : ends[at - 1]!));
    },
  };
}

/** Rows from several partitions of the stage before, in the order of the partitions. */
export function joinInputs(inputs: readonly PartitionInput[]): PartitionInput {
  if (inputs.length === 1) return inputs[0]!;
  const edges: (EdgeRows | undefined)[] = [];
  for (const input of inputs) {
    for (const [edge, rows] of input.edges.entries()) {
      if (rows === undefined) continue;
      const to = edgeRowsIn(edges, edge, false);
      for (let i = 0; i < rows.rows.length; i++) {
        to.keys.push(rows.keys[i]!);
        to.times.push(rows.times[i]!);
        to.rows.push(rows.rows[i]);
      }
    }
  }
  return { edges, quarantined: [], objects: [] };
}

/** The sorted distinct keys of an input, each edge's for itself: what a preload looks up. */
export function distinctKeys(input: PartitionInput): (string[] | undefined)[] {
  return input.edges.map((rows) => (rows === undefined ? undefined : [...new Set(rows.keys)].sort()));
}

export function encodeInput(input: PartitionInput): Uint8Array {
  return packRows([input.edges, input.quarantined, input.objects]);
}

export function decodeInput(bytes: Uint8Array): PartitionInput {
  if (bytes.length === 0) return NO_INPUT;
  const [edges, quarantined, objects] = unpackRows(bytes) as [EdgeRows[], QuarantinedRow[], string[]];
  return { edges: edges.map((e) => e ?? undefined), quarantined, objects };
}
