/**
 * From times to SVG, for one view. These functions run twice: here, for the picture that shows without JavaScript, and in
 * the page, for every zoom and pan; so both look the same. They are put into the page as text (`DRAWING`): each refers to
 * nothing but its parameters and its siblings in this file, and uses no syntax newer than ES2020.
 */

/** What is looked at, and where on the screen it is. */
export interface View {
  readonly fromMs: number;
  readonly toMs: number;
  /** px */
  readonly left: number;
  readonly width: number;
}

/** Sorted and disjoint: `starts[i] ≤ ends[i] ≤ starts[i + 1]`. */
export interface Times {
  readonly starts: ArrayLike<number>;
  readonly ends: ArrayLike<number>;
}

export function xOf(view: View, ms: number): number {
  return view.left + ((ms - view.fromMs) / (view.toMs - view.fromMs)) * view.width;
}

/** Index of the first that ends after `ms`. */
export function firstAfter(times: Times, ms: number): number {
  let low = 0;
  let high = times.ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times.ends[middle]! > ms) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * A path of the intervals in view. Those too narrow to be seen are gathered by 2 px, and drawn as high as the share of
 * the time they take: however long the view, the path has at most as many pieces as the screen has pixels.
 * @param full leave narrow ones out, and draw the others without a gap
 */
export function spanPath(times: Times, view: View, y: number, height: number, full: boolean): string {
  const scale = view.width / (view.toMs - view.fromMs);
  const right = view.left + view.width;
  const narrowPx = 1.5;
  const binPx = 2;
  let path = '';
  let bin = -1;
  let filled = 0;
  const round = (px: number): number => Math.round(px * 10) / 10;
  const rect = (x: number, top: number, w: number, h: number): void => {
    path += `M${round(x)} ${round(top)}h${round(w)}v${round(h)}h${-round(w)}z`;
  };
  const endBin = (): void => {
    if (filled > 0) {
      const h = Math.max(1, height * Math.min(1, filled / binPx));
      rect(view.left + bin * binPx, y + height - h, binPx, h);
    }
    filled = 0;
  };
  for (let i = firstAfter(times, view.fromMs); i < times.starts.length; i++) {
    const x0 = Math.max(view.left, view.left + (times.starts[i]! - view.fromMs) * scale);
    if (x0 >= right) break;
    const x1 = Math.min(right, view.left + (times.ends[i]! - view.fromMs) * scale);
    const w = x1 - x0;
    if (w >= narrowPx) {
      endBin();
      rect(x0, y, w > 4 && !full ? w - 0.8 : w, height);
      continue;
    }
    if (full) continue;
    const own = Math.floor((x0 - view.left) / binPx);
    if (own !== bin) {
      endBin();
      bin = own;
    }
    const inOwn = Math.min(w, view.left + (own + 1) * binPx - x0);
    filled += inOwn;
    if (w > inOwn) {
      endBin();
      bin = own + 1;
      filled = w - inOwn;
    }
  }
  endBin();
  return path;
}

/** Numbers above the intervals, as many as there is room for: each, or each second, fifth, tenth … */
export function numberLabels(times: Times, ns: ArrayLike<number>, view: View, y: number): string {
  const first = firstAfter(times, view.fromMs);
  const end = firstAfter(times, view.toMs);
  const digits = String(ns[Math.max(0, Math.min(end, ns.length) - 1)] ?? 0).length;
  const pitchPx = view.width / Math.max(1, end - first);
  const stride = Math.max(1, tickStepMs((10 + 6 * digits) / pitchPx, 1));
  let text = '';
  let freeFrom = view.left - 4;
  for (let i = first; i < Math.min(end + 1, times.starts.length); i++) {
    const x = xOf(view, times.starts[i]!);
    if (ns[i]! % stride !== 0 || x < freeFrom || x > view.left + view.width - 4 * digits) continue;
    text += `<text x="${x.toFixed(1)}" y="${y - 4}">${ns[i]}</text>`;
    freeFrom = x + 4 + 6 * digits;
  }
  return text;
}

/** 1, 2 or 5 times a power of ten (from a minute on: what divides hours), so that `spanMs` has at most `count` of them. */
export function tickStepMs(spanMs: number, count: number): number {
  const least = spanMs / Math.max(1, count);
  for (const step of [60e3, 120e3, 300e3, 600e3, 1800e3, 3600e3, 7200e3, 21600e3, 86400e3]) {
    if (least > 30e3 && step >= least) return step;
  }
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-3)));
  const digit = [1, 2, 5, 10].find((d) => d * power >= least * 0.999999) || 10;
  return digit * power;
}

/** A time on an axis whose ticks are `stepMs` apart. */
export function formatTick(ms: number, stepMs: number): string {
  if (ms === 0) return '0';
  if (stepMs >= 30e3) {
    const minutes = Math.floor(ms / 60e3 + 1e-9);
    return `${minutes}:${String(Math.round(ms / 1000 - minutes * 60)).padStart(2, '0')} min`;
  }
  const unit = stepMs >= 10 ? 1000 : 1;
  const decimals = Math.max(0, -Math.floor(Math.log10(stepMs / unit) + 1e-9));
  return `${(ms / unit).toFixed(decimals)} ${unit === 1 ? 'ms' : 's'}`;
}

/** A duration for reading, three digits. */
export function formatMs(ms: number): string {
  if (ms === 0) return '0';
  if (ms >= 120e3) return `${(ms / 60e3).toFixed(1)} min`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms < 10e3 ? 2 : 1)} s`;
  return `${ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

/** Lines and times of the axis; `height` is where the lines end and the times stand. */
export function axisMarkup(view: View, height: number): string {
  const step = tickStepMs(view.toMs - view.fromMs, Math.max(2, view.width / 90));
  let markup = '';
  for (let i = Math.ceil(view.fromMs / step - 1e-9); i * step <= view.toMs; i++) {
    const x = xOf(view, i * step).toFixed(1);
    markup += `<path d="M${x} 0V${height + 4}"/><text x="${x}" y="${height + 16}">${formatTick(i * step, step)}</text>`;
  }
  return markup;
}

/** This file's functions as JavaScript. (`__name` is what esbuild may leave in a function's text.) */
export const DRAWING: string = [
  'const __name = (f) => f;',
  ...[xOf, firstAfter, spanPath, numberLabels, tickStepMs, formatTick, formatMs, axisMarkup].map(String),
].join('\n');
