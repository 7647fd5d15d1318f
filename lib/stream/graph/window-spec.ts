/**
 * Windows as the graph has them. A fixed window is known by its end: all windows of one kind have one size, so the end alone
 * is its address, and the order of ends is the order of windows.
 */
import type { Duration } from '../../util/duration.ts';

/** A fixed window in milliseconds: `[k·slide + offset, k·slide + offset + size)` for every whole k. */
export interface FixedWindowSpec {
  readonly kind: 'tumbling' | 'sliding';
  readonly sizeMs: number;
  readonly slideMs: number;
  /** In [0, slideMs). */
  readonly offsetMs: number;
}
/** Sessions: windows that rows stretch. */
export interface SessionSpec {
  readonly kind: 'session';
  /** ms, or the function that gives each row's gap. */
  readonly gap: number | ((row: never) => Duration);
}
export interface SameWindowSpec {
  readonly kind: 'same';
}
export type WindowSpec = FixedWindowSpec | SessionSpec | SameWindowSpec;

/** How a fixed window is written in the job's state layout. */
export function windowText(spec: FixedWindowSpec): string {
  return spec.kind === 'tumbling'
    ? `tumbling(${spec.sizeMs},${spec.offsetMs})`
    : `sliding(${spec.sizeMs},${spec.slideMs},${spec.offsetMs})`;
}

/**
 * End of the last window that event time `time` is in; those before it end `slideMs` earlier each, as long as they end
 * after `time`. Floor division, so that times before the epoch fall into the right window too.
 */
export function lastWindowEnd(spec: FixedWindowSpec, time: number): number {
  return Math.floor((time - spec.offsetMs) / spec.slideMs) * spec.slideMs + spec.offsetMs + spec.sizeMs;
}
