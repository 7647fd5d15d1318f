/** Which SSTs may hold which keys, by their bounds. */
import type { Key } from '../sst/entry.ts';
import { compareBytes } from '../util/bytes.ts';

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

/**
 * ⚑ tombstones: one goes only where nothing older that stays may hold its key. Asked of keys that ascend, it goes along the ranges
 * of what is older, and looks at each once.
 */
export class OlderRanges {
  /** Ranges that do not overlap, by key: least key, greatest key, least, … */
  readonly #bounds: readonly Buffer[];
  /** The first range that may hold the keys to come. */
  #at = 0;

  constructor(older: readonly KeyRange[]) {
    const joined: KeyRange[] = [];
    for (const range of [...older].sort((a, b) => (a.minKey < b.minKey ? -1 : 1))) {
      const last = joined.at(-1);
      if (last !== undefined && overlap(last, range)) joined[joined.length - 1] = hull([last, range]);
      else joined.push(range);
    }
    this.#bounds = joined.flatMap(({ minKey, maxKey }) => [
      Buffer.from(minKey, 'latin1'),
      Buffer.from(maxKey, 'latin1'),
    ]);
  }

  /** Whether any of them may hold the key. @param bytes in which it is from `start` up to `end`; not less than the one before */
  mayHold(bytes: Uint8Array, start: number, end: number): boolean {
    for (let at = this.#at; at < this.#bounds.length; at += 2) {
      const greatest = this.#bounds[at + 1]!;
      this.#at = at;
      if (compareBytes(greatest, 0, greatest.length, bytes, start, end) < 0) continue;
      const least = this.#bounds[at]!;
      return compareBytes(least, 0, least.length, bytes, start, end) <= 0;
    }
    return false;
  }
}
