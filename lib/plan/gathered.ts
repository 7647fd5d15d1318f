/** What the planner makes a plan of. */
import type { Piece, Plan, PlanCounts } from './plan.ts';
import type { PartitionInput } from './rows.ts';
import type { SegmentBuilder } from './segment-builder.ts';

/** Rows that wait for a plan. */
export interface Gathered {
  readonly kind: 'data' | 'empty' | 'flush';
  readonly pieces: readonly Piece[];
  readonly counts: PlanCounts;
  /** Greatest event time by watermark generator. */
  readonly seen: ReadonlyMap<string, number>;
  readonly inputs: readonly PartitionInput[];
  /** The pieces can be read again from where they are, so that no segment is stored. */
  readonly byReference: boolean;
  /** See {@link Plan.listed}: of places whose listing was read on. */
  readonly listed?: Readonly<Record<string, string>> | undefined;
}

export function gatheredFrom(builder: SegmentBuilder, pieces: readonly Piece[], byReference = true): Gathered {
  return {
    kind: 'data',
    pieces,
    counts: { rows: builder.rows, dropped: builder.dropped, quarantined: builder.quarantined },
    seen: builder.seen,
    inputs: builder.finish(),
    byReference,
  };
}

export function noRows(kind: 'empty' | 'flush'): Gathered {
  return {
    kind,
    pieces: [],
    counts: { rows: 0, dropped: 0, quarantined: 0 },
    seen: new Map(),
    inputs: [],
    byReference: true,
  };
}
