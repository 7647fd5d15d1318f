/** Sets of time as sorted, disjoint intervals. All O(n log n), so that traces of 200,000 spans take no time to speak of. */

export interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/** The same set of time, sorted, without overlap; what touches is joined. */
export function union(intervals: readonly Interval[]): Interval[] {
  const sorted = [...intervals].sort((a, b) => a.startMs - b.startMs);
  const joined: { startMs: number; endMs: number }[] = [];
  for (const { startMs, endMs } of sorted) {
    const last = joined.at(-1);
    if (last !== undefined && startMs <= last.endMs) last.endMs = Math.max(last.endMs, endMs);
    else if (endMs > startMs) joined.push({ startMs, endMs });
  }
  return joined;
}

export function totalMs(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
}

/** Index of the first of the sorted, disjoint intervals that ends after `ms`. */
export function firstEndingAfter(sorted: readonly Interval[], ms: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.endMs > ms) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** How much of `interval` is in a sorted, disjoint set. */
export function overlapMs(interval: Interval, sorted: readonly Interval[]): number {
  let sum = 0;
  for (let i = firstEndingAfter(sorted, interval.startMs); i < sorted.length; i++) {
    const { startMs, endMs } = sorted[i]!;
    if (startMs >= interval.endMs) break;
    sum += Math.min(endMs, interval.endMs) - Math.max(startMs, interval.startMs);
  }
  return sum;
}
