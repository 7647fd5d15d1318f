/**
 * Windows as the graph has them. A fixed window is known by its end: all windows of one kind have one size, so the end alone
 * is its address, and the order of ends is the order of windows.
 */
import { type Duration, durationText } from '../../util/duration.ts';

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

/** How windows are written in the job's state layout. What a function gives as a row's gap is no part of it. */
export function windowText(spec: WindowSpec): string {
  switch (spec.kind) {
    case 'tumbling':
      return `tumbling(${spec.sizeMs},${spec.offsetMs})`;
    case 'sliding':
      return `sliding(${spec.sizeMs},${spec.slideMs},${spec.offsetMs})`;
    case 'session':
      return `session(${typeof spec.gap === 'number' ? spec.gap : 'row'})`;
    case 'same':
      return 'same()';
  }
}

/** What {@link windowText} gives. */
export const WINDOW_TEXT = /(?:tumbling|sliding)\([\d,]+\)|session\((?:\d+|row)\)|same\(\)/;

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

/** The length of the windows of a {@link windowText}, ms; `undefined`: they have none in common. */
export function sizeInText(text: string): number | undefined {
  const size = /^(?:tumbling|sliding)\((\d+)/.exec(text)?.[1];
  return size === undefined ? undefined : Number(size);
}

/** A {@link windowText} for people: `tumbling(3600000,0)` as `tumbling 1 hour`. */
export function windowWords(text: string): string {
  const [kind, ...numbers] = text.replace(')', '').split(/[(,]/u);
  if (kind === 'same') return 'the same window';
  if (kind === 'session') return numbers[0] === 'row' ? 'session, gap by row' : `session, gap ${wordsOf(numbers[0])}`;
  const [size, slide, offset] = kind === 'tumbling' ? [numbers[0], undefined, numbers[1]] : numbers;
  const every = slide === undefined ? '' : ` every ${wordsOf(slide)}`;
  const from = offset === undefined || offset === '0' ? '' : ` offset ${wordsOf(offset)}`;
  return `${kind} ${wordsOf(size)}${every}${from}`;
}

function wordsOf(ms: string | undefined): string {
  return durationText(Number(ms));
}
