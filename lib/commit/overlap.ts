/** Which SSTs may hold which keys, by their bounds. */
import type { Key } from '../sst/entry.ts';

/** A range of keys, both ends included. */
export interface KeyRange {
  readonly minKey: Key;
  readonly maxKey: Key;
}

export function overlap(a: KeyRange, b: KeyRange): boolean {
  return a.minKey <= b.maxKey && b.minKey <= a.maxKey;
}

/** The range from the least to the greatest key of all. At least one is needed. */
export function hull(ranges: readonly KeyRange[]): KeyRange {
  const [first, ...rest] = ranges;
  let { minKey, maxKey } = first!;
  for (const range of rest) {
    if (range.minKey < minKey) minKey = range.minKey;
    if (range.maxKey > maxKey) maxKey = range.maxKey;
  }
  return { minKey, maxKey };
}

/** ⚑ tombstones: one goes only where nothing older that stays may hold its key. */
export function mayHold(ssts: readonly KeyRange[], key: Key): boolean {
  return ssts.some(({ minKey, maxKey }) => minKey <= key && key <= maxKey);
}
