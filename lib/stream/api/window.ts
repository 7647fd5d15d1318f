/** Windows of event time, as users write them. */
import { JobError } from '../../errors.ts';
import { type Duration, toMs } from '../../util/duration.ts';
import type { into } from '../graph/brands.ts';
import type { FixedWindowSpec, SameWindowSpec, SessionSpec, WindowSpec } from '../graph/window-spec.ts';

/** A way to put rows of type `T` into windows. */
export interface Window<in T = never> {
  readonly [into]?: (row: T) => void;
  readonly kind: 'tumbling' | 'sliding' | 'session' | 'same';
}
/** Windows that do not depend on the rows: all of one size, aligned to the epoch. */
export interface FixedWindow extends Window<unknown> {
  readonly kind: 'tumbling' | 'sliding';
}

/** Windows of `size`, side by side: `[n·size + offset, (n+1)·size + offset)`. @throws {JobError} `BAD_WINDOW` for size ≤ 0 */
export function tumbling(size: Duration, options: { readonly offset?: Duration | undefined } = {}): FixedWindow {
  const sizeMs = toMs(size, 'tumbling: size');
  if (sizeMs === 0) throw new JobError('BAD_WINDOW', 'tumbling: size must be greater than 0');
  const spec: FixedWindowSpec = { kind: 'tumbling', sizeMs, slideMs: sizeMs, offsetMs: offsetOf(options, sizeMs) };
  return spec;
}

/** Windows of `size` starting every `slide`; a row is in `size / slide` of them. @throws {JobError} `BAD_WINDOW` unless 0 < slide ≤ size */
export function sliding(
  size: Duration,
  slide: Duration,
  options: { readonly offset?: Duration | undefined } = {},
): FixedWindow {
  const sizeMs = toMs(size, 'sliding: size');
  const slideMs = toMs(slide, 'sliding: slide');
  if (slideMs === 0 || slideMs > sizeMs) {
    throw new JobError('BAD_WINDOW', 'sliding: slide must be greater than 0 and not greater than size');
  }
  const spec: FixedWindowSpec = { kind: 'sliding', sizeMs, slideMs, offsetMs: offsetOf(options, slideMs) };
  return spec;
}

/**
 * Sessions: each row opens `[t, t + gap)`; sessions that overlap or touch merge. A row whose gap is ≤ 0 is left out
 * (counted as skipped).
 */
export function session<T = unknown>(gap: Duration | ((row: T) => Duration)): Window<T> {
  if (typeof gap === 'function') return { kind: 'session', gap } as SessionSpec;
  const gapMs = toMs(gap, 'session: gap');
  if (gapMs === 0) throw new JobError('BAD_WINDOW', 'session: gap must be greater than 0');
  return { kind: 'session', gap: gapMs } as SessionSpec;
}

/**
 * The window that a row came out of: gathers the results of a windowed operator by their own window, whatever its kind,
 * and closes with it. Rows need `windowStart` and `windowEnd` as that operator gave them.
 */
export function sameWindow(): Window<{ readonly windowStart: number; readonly windowEnd: number }> {
  return { kind: 'same' } as SameWindowSpec;
}

/** What is in a `Window` that this module made. @throws {JobError} `BAD_WINDOW` for anything else */
export function windowSpec(window: Window): WindowSpec {
  const spec = window as Partial<FixedWindowSpec> | SessionSpec | SameWindowSpec | null | undefined;
  if (spec?.kind === 'session' || spec?.kind === 'same') return spec;
  if ((spec?.kind === 'tumbling' || spec?.kind === 'sliding') && typeof spec.sizeMs === 'number') {
    return spec as FixedWindowSpec;
  }
  throw new JobError('BAD_WINDOW', 'window() takes tumbling(), sliding(), session() or sameWindow()');
}

function offsetOf(options: { readonly offset?: Duration | undefined }, slideMs: number): number {
  return options.offset === undefined ? 0 : toMs(options.offset, 'window: offset') % slideMs;
}
