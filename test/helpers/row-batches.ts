/** Batches of rows by hand, and what they hold as plain data. */
import { ColumnBatch } from '../../lib/columns/column-batch.ts';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import type { PartitionInput } from '../../lib/plan/rows.ts';
import type { RowBatch } from '../../lib/stream/graph/operator.ts';

export interface Counts {
  readonly primary?: readonly boolean[] | undefined;
  readonly late?: number;
}

/** What an operator gets at a port. */
export function rowBatchOf(
  keys: readonly string[],
  times: readonly number[],
  rows: readonly unknown[],
  { primary, late = Number.NEGATIVE_INFINITY }: Counts = {},
): RowBatch {
  return {
    count: rows.length,
    keys: KeyColumn.of(keys),
    times: Float64Array.from(times),
    primary: primary === undefined ? undefined : Uint8Array.from(primary, Number),
    late,
    row: (i) => rows[i],
    peek: (i) => rows[i],
    numbers: () => undefined,
    origin: () => undefined,
  };
}

/** Rows of an edge, by column. */
export interface PlainRows {
  readonly keys: readonly string[];
  readonly times: readonly number[];
  readonly rows: readonly unknown[];
  /** `undefined`: between stages, as are `pieces`. */
  readonly primary: readonly boolean[] | undefined;
  readonly pieces: readonly number[] | undefined;
}

export function columnBatchOf({ keys, times, rows, primary, pieces }: PlainRows): ColumnBatch {
  const batch = new ColumnBatch(primary !== undefined);
  for (const [i, key] of keys.entries()) {
    if (primary === undefined) batch.push(key, times[i]!, rows[i]);
    else batch.pushCounted(key, times[i]!, rows[i], primary[i]!, pieces![i]!);
  }
  return batch;
}

export function plainRows(batch: ColumnBatch): PlainRows {
  const { count, keys, times, primary } = batch;
  const all = Array.from({ length: count }, (_, i) => i);
  return {
    keys: keys.texts(),
    times: [...times.subarray(0, count)],
    rows: all.map((i) => batch.row(i)),
    primary: primary === undefined ? undefined : all.map((i) => primary[i] === 1),
    pieces: primary === undefined ? undefined : all.map((i) => batch.piece(i)),
  };
}

/** All that a partition gets. */
export function plainInput({ edges, quarantined, objects }: PartitionInput): unknown {
  return { edges: edges.map((batch) => (batch === undefined ? undefined : plainRows(batch))), quarantined, objects };
}
