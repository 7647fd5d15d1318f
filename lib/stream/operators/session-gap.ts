/**
 * How far the session of one row reaches: from its event time to that + gap. A function of the user gives each row its gap; a row whose gap
 * is 0 or less opens no session and is skipped, one whose gap is no length of time is refused.
 */
import { type Duration, toMs } from '../../util/duration.ts';
import type { Calls } from '../graph/calls.ts';
import { type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import type { SessionSpec } from '../graph/window-spec.ts';

/** Rows of a batch that open a session, by their index, in order; and by row where its session ends. */
export interface RowSessions {
  readonly count: number;
  readonly rows: Int32Array;
  readonly ends: Float64Array;
}

/**
 * @param onLate told each row whose own session has ended by `late`, before it meets others
 * @param operator name of the operator, for errors
 */
export function rowSessions({ gap }: SessionSpec, calls: Calls, operator: string) {
  const gapOf = typeof gap === 'number' ? undefined : calls.reads(gap as (row: unknown) => unknown);
  return (batch: RowBatch, context: OperatorContext, late: number, onLate: (i: number) => void): RowSessions => {
    const { times, primary } = batch;
    const rows = new Int32Array(batch.count);
    const ends = new Float64Array(batch.count);
    let count = 0;
    let skipped = 0;
    for (let i = 0; i < batch.count; i++) {
      const length = gapOf === undefined ? (gap as number) : lengthOf(gapOf, batch, i, context, operator);
      if (length === undefined) continue;
      ends[i] = times[i]! + length;
      if (length <= 0) {
        if (primary?.[i] === 1) skipped++;
      } else if (ends[i]! <= late) onLate(i);
      else rows[count++] = i;
    }
    if (skipped > 0) context.fates.skipped(skipped);
    return { count, rows, ends };
  };
}

/** @returns ms, or `undefined`: the row is refused */
function lengthOf(
  gapOf: (row: unknown) => unknown,
  batch: RowBatch,
  i: number,
  context: OperatorContext,
  operator: string,
): number | undefined {
  try {
    const gap = gapOf(batch.row(i));
    if (typeof gap === 'string' && gap.startsWith('-')) return -toMs(gap.slice(1) as Duration, 'session: gap');
    return typeof gap === 'number' && Number.isFinite(gap) && gap <= 0 ? gap : toMs(gap as Duration, 'session: gap');
  } catch (error) {
    context.refuse(new OperatorFailure(operator, batch.row(i), i, error), batch);
    return undefined;
  }
}
