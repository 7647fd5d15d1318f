/**
 * What a join of two streams is, and what follows from it for each side: which rows of the other side are near a row, until when a row
 * may find one, and how far behind the watermark results can come.
 */
import { greatest } from '../../util/numbers.ts';
import type { UserFunction } from '../graph/user-function.ts';
import { type FixedWindowSpec, firstEndAfter, lastWindowEnd, windowText } from '../graph/window-spec.ts';

/** Input ports. */
export const LEFT = 0;
export const RIGHT = 1;
export type Port = typeof LEFT | typeof RIGHT;
export const PORTS: readonly Port[] = [LEFT, RIGHT];

export function other(port: Port): Port {
  return port === LEFT ? RIGHT : LEFT;
}

/** Which pairs of equal keys are near each other. */
export type Near =
  /** left time − before ≤ right time ≤ left time + after. */
  | { readonly kind: 'within'; readonly beforeMs: number; readonly afterMs: number }
  | { readonly kind: 'window'; readonly window: FixedWindowSpec }
  | { readonly kind: 'all' };

export interface JoinSpec {
  readonly type: 'inner' | 'left' | 'right' | 'full' | 'leftSemi';
  readonly near: Near;
  /** Whose event time a result has. */
  readonly eventTime: 'left' | 'right' | 'later';
  readonly where: UserFunction | undefined;
  /** By port: condition on its rows alone. */
  readonly whereOwn: readonly [UserFunction | undefined, UserFunction | undefined];
  /** `undefined`: the left row itself comes out. */
  readonly select: UserFunction | undefined;
  /** By port: its rows follow a watermark. */
  readonly followed: readonly [boolean, boolean];
}

/** The slots of partners: from slot − back to slot + ahead. */
export function reachOf({ near }: JoinSpec, port: Port): { readonly back: number; readonly ahead: number } {
  if (near.kind === 'window') return { back: 0, ahead: 0 };
  if (near.kind === 'all') return { back: Infinity, ahead: Infinity };
  const { beforeMs, afterMs } = near;
  return port === LEFT ? { back: beforeMs, ahead: afterMs } : { back: afterMs, ahead: beforeMs };
}

/** Whether the watermark ends the wait of this side's rows: it must be that of what they wait for. */
export function isBounded(spec: JoinSpec, port: Port): boolean {
  if (spec.near.kind === 'window') return spec.followed.includes(true);
  return spec.near.kind === 'within' && spec.followed[other(port)] && reachOf(spec, port).ahead < Infinity;
}

/** Whether rows of this side without a partner come out, too. */
export function isPreserved({ type }: JoinSpec, port: Port): boolean {
  return type === 'full' || type === (port === LEFT ? 'left' : 'right');
}

/**
 * Where a row stands: at its time, or at the end of each of its windows that is not over; nowhere: it is late. Where nothing is ever
 * forgotten nothing is late.
 * @param late what is at or before it is over
 */
export function slotsOf({ near }: JoinSpec, time: number, late: number): number[] {
  if (near.kind === 'all') return [time];
  if (near.kind === 'within') return time > late ? [time] : [];
  const { window } = near;
  const slots: number[] = [];
  for (let end = lastWindowEnd(window, time); end > time && end > late; end -= window.slideMs) slots.push(end);
  return slots;
}

/** Event time of a result, by the slots of its rows; `NaN`: a row has none, and does not count. */
export function timeOf({ near, eventTime }: JoinSpec, left: number, right: number): number {
  if (near.kind === 'window') return left - 1;
  if (eventTime !== 'later') return eventTime === 'left' ? left : right;
  return left > right || Number.isNaN(right) ? left : right;
}

/**
 * How far results can come behind the watermark; `undefined`: as far as you like. A row that comes is after the watermark, its
 * partner was kept as long as such a row could come; a row without partner comes out when its wait is over.
 */
function lagOf(spec: JoinSpec): number | undefined {
  const { near, eventTime, followed } = spec;
  if (near.kind === 'window') return 0;
  // Rows of any age come in and meet.
  if (near.kind === 'all' || followed.includes(false)) return undefined;
  const alone = PORTS.filter((port) => isPreserved(spec, port) || eventTime === (port === LEFT ? 'left' : 'right'));
  const lag = greatest(
    alone.map((port) => reachOf(spec, port).ahead),
    0,
  );
  return lag < Infinity ? lag : undefined;
}

export function hasOutputWatermark(spec: JoinSpec): boolean {
  return lagOf(spec) !== undefined;
}

/** What {@link Operator.outputWatermark} is; 1 ms more than need be, as in Spark. */
export function outputWatermarkOf(spec: JoinSpec): (watermark: number) => number {
  const { near } = spec;
  const lag = lagOf(spec) ?? Infinity;
  return (watermark) => {
    if (!Number.isFinite(watermark)) return watermark;
    // The next window to give a result ends after the watermark, and its rows are 1 ms before its end: they must not be late.
    if (near.kind === 'window') return Math.min(watermark, firstEndAfter(near.window, watermark) - 2);
    return lag === 0 ? watermark : watermark - lag - 1;
  };
}

/** How it is written in the job's state layout. */
export function joinText({ type, near }: JoinSpec): string {
  if (near.kind === 'window') return `${windowText(near.window)} ${type}`;
  return near.kind === 'all' ? type : `${type} within(${near.beforeMs},${near.afterMs})`;
}
