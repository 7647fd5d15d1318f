/**
 * What the embedded engine asks of the input of one source, wherever its rows come from: whether there are rows, and a piece
 * of them. Files and streams stand behind it; `inputs.ts` makes batches of several.
 */
import type { Piece } from '../plan/plan.ts';
import type { SegmentBuilder } from '../plan/segment-builder.ts';

/** `waiting`: no row is there now, and more may come. `ended`: none will come by itself. */
export type SourceState = 'rows' | 'waiting' | 'ended';

export interface SourceInput {
  /** Index of the source in the job. */
  readonly index: number;
  readonly name: string;
  /** Pieces can be read again from where they are, so that a plan need not store their rows. */
  readonly byReference: boolean;
  /** Bytes read so far, and of all known input; for progress. */
  readonly readBytes: number;
  readonly totalBytes: number;
  /** When the first of the rows that wait came, by the run's monotonic clock; `undefined`: rows do not wait here. */
  readonly waitingSinceMs?: number | undefined;
  /** Whether there are rows to take. @throws {InputError} */
  state(): Promise<SourceState>;
  /** Takes up to `max` rows. Only after {@link state} said `rows`. @throws {InputError} @throws {UserFunctionError} */
  take(builder: SegmentBuilder, max: number): Promise<{ readonly piece: Piece; readonly bytes: number }>;
  close(): Promise<void>;
}
