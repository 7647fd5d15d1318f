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

/** What {@link windowText} gives. */
export const WINDOW_TEXT = /(?:tumbling|sliding)\([\d,]+\)/;

/**
 * End of the last window that event time `time` is in; those before it end `slideMs` earlier each, as long as they end
 * after `time`. Floor division, so that times before the epoch fall into the right window too.
 */
export function lastWindowEnd(spec: FixedWindowSpec, time: number): number {
  return Math.floor((time - spec.offsetMs) / spec.slideMs) * spec.slideMs + spec.offsetMs + spec.sizeMs;
}

/** The least end of a window that is greater than this. */
export function firstEndAfter({ slideMs, offsetMs, sizeMs }: FixedWindowSpec, time: number): number {
  const first = offsetMs + sizeMs;
  return (Math.floor((time - first) / slideMs) + 1) * slideMs + first;
}

const UNITS = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
  [1000, 'second'],
] as const;

/** The length of a window, ms, in a {@link windowText}. */
export function sizeInText(text: string): number {
  return Number(/\d+/.exec(text)![0]);
}

/** A {@link windowText} for people: `tumbling(3600000,0)` as `tumbling 1 hour`. */
export function windowWords(text: string): string {
  const [kind, ...numbers] = text.replace(')', '').split(/[(,]/u);
  const [size, slide, offset] = kind === 'tumbling' ? [numbers[0], undefined, numbers[1]] : numbers;
  const every = slide === undefined ? '' : ` every ${timeWords(Number(slide))}`;
  const from = offset === undefined || offset === '0' ? '' : ` offset ${timeWords(Number(offset))}`;
  return `${kind} ${timeWords(Number(size))}${every}${from}`;
}

function timeWords(ms: number): string {
  const unit = UNITS.find(([length]) => ms >= length && ms % length === 0);
  if (unit === undefined) return `${ms} ms`;
  const count = ms / unit[0];
  return `${count} ${unit[1]}${count === 1 ? '' : 's'}`;
}
