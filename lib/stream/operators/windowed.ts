/** What all operators of windows share, of whatever kind the windows are. */
import { JobError } from '../../errors.ts';
import type { Slots } from '../graph/accumulator.ts';
import { type Fold, foldText } from '../graph/fold-spec.ts';
import type { JobSettings } from '../graph/job-settings.ts';
import type { OperatorContext, RowBatch } from '../graph/operator.ts';
import type { InputFacts } from '../graph/operator-definition.ts';
import type { StateTable } from '../graph/tables.ts';
import { type WindowSpec, windowText } from '../graph/window-spec.ts';
import { type ShowGroups, showWithin } from './show-groups.ts';

/** Output port of rows that are too late for all their windows. */
export const LATE_PORT = 1;

/** @throws {JobError} windows that never close cannot be appended */
export function checkCloses({ mode }: JobSettings, [input]: readonly InputFacts[]): void {
  if (mode !== 'append' || input!.hasWatermark) return;
  throw new JobError(
    'APPEND_NEEDS_WATERMARK',
    "windows of a stream without watermark never close, so they cannot be appended: give the source a delay, or set outputMode: 'update' or 'complete'",
  );
}

/** How an operator of windows is written in the job's state layout. */
export function windowsLayout(spec: WindowSpec, fold: Fold): (job: JobSettings) => string {
  return ({ mode }) => `${windowText(spec)} ${foldText(fold)}${mode === 'complete' ? ' complete' : ''}`;
}

/** Windows that ended before are forgotten, also where rows come without a watermark of their own. */
export function lateOf(batch: RowBatch, { mode, previousEvict }: OperatorContext): number {
  return mode === 'complete' ? -Infinity : Math.max(batch.late, previousEvict);
}

/**
 * Sees to rows that are late, told one by one.
 * @param send whether somebody reads {@link LATE_PORT}
 * @returns `count` says how many there were when all are told
 */
export function lateRowsOf(batch: RowBatch, context: OperatorContext, send: boolean) {
  let late = 0;
  return {
    add(i: number): void {
      const refused = send && !context.emit(LATE_PORT, batch.peek(i), batch.times[i]!, batch, i);
      if (batch.primary?.[i] === 1 && !refused) late++;
    },
    count(): void {
      if (late > 0) context.fates.late(late);
    },
  };
}

/**
 * Closes the windows of a timed table with `after < end ≤ upTo`, in their order: they are shown, then forgotten. In `complete` all windows are shown, and
 * none is forgotten.
 * @param show `undefined`: none is shown
 */
export function closeWindows(
  context: OperatorContext,
  table: StateTable<Slots>,
  show: ShowGroups | undefined,
  after: number,
  upTo: number,
): void | Promise<void> {
  const isComplete = context.mode === 'complete';
  if (!isComplete && !(upTo > after)) return;
  // Nothing is shown of them: they need not be read. A flush must find out how far it closes.
  if (show === undefined && upTo < Infinity) return table.forget(upTo);
  const finish = (last: number): void => {
    if (last === -Infinity || isComplete) return;
    context.closed(last);
    table.forget(last);
  };
  const shown = isComplete ? showWithin(show, table, -Infinity, Infinity) : showWithin(show, table, after, upTo);
  return typeof shown === 'number' ? finish(shown) : shown.then(finish);
}
