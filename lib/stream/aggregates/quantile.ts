/**
 * `quantile` by DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees", VLDB 2019). Values fall into buckets that grow by a constant factor, so a bucket's middle is within 1 % of
 * every value in it. One slot: a flat array `[bucket, count, bucket, count, …]` in the order of values. Buckets are never
 * collapsed: the guarantee holds for every quantile, at about 115 buckets for each factor of ten that values span.
 */
import { JobError } from '../../errors.ts';
import { type Aggregate, define, type Null, needsFunction, notANumber } from './aggregate.ts';

/** A little under 1 %, so that rounding in the logarithm stays within it. */
const ACCURACY = 0.00999;
const GAMMA = (1 + ACCURACY) / (1 - ACCURACY);
const LOG_GAMMA = Math.log(GAMMA);
/** A bucket's middle, where the relative error to both ends is the same, is its upper end times this. */
const MIDDLE = Math.log(2 / (GAMMA + 1));
/** Makes the bucket numbers of all positive doubles positive: negative values have the negated number, 0 has 0. */
const SHIFT = 1 << 16;

/**
 * The `q` quantile (0 … 1): the value of the nearest rank ⌈q · n⌉ of n (the least at q = 0), so the 0.95 quantile of two
 * values is the greater one. By a mergeable sketch: what comes out is within 1 % of that value. `null` and `undefined` are
 * skipped; `null` of none.
 */
export function quantile<T>(f: (row: T) => number | Null, q: number): Aggregate<T, number | null>;
export function quantile<T, const Q extends readonly number[]>(
  f: (row: T) => number | Null,
  q: Q,
): Aggregate<T, { [I in keyof Q]: number | null }>;
export function quantile<T>(f: (row: T) => number | Null, q: number | readonly number[]): Aggregate<T, unknown> {
  needsFunction(f, 'quantile()');
  for (const one of Array.isArray(q) ? q : [q]) {
    if (!(typeof one === 'number' && one >= 0 && one <= 1)) {
      throw new JobError('BAD_AGGREGATE', `quantile(): q must be from 0 to 1, not ${String(one)}`);
    }
  }
  return define('quantile', (label) => ({
    width: 1,
    init: (slots, at) => {
      slots[at] = [];
    },
    add: (slots, at, row) => {
      const value = f(row as T);
      if (value === null || value === undefined) return;
      if (!Number.isFinite(value)) throw notANumber(`quantile of '${label}'`, value);
      increase(slots[at] as number[], bucketOf(value), 1);
    },
    merge: (slots, at, other, otherAt) => {
      const from = other[otherAt] as number[];
      for (let i = 0; i < from.length; i += 2) increase(slots[at] as number[], from[i]!, from[i + 1]!);
    },
    result: (slots, at) => {
      const sketch = slots[at] as number[];
      return typeof q === 'number' ? valueAt(sketch, q) : q.map((one) => valueAt(sketch, one));
    },
    own: (slots, at) => {
      slots[at] = (slots[at] as number[]).slice();
    },
  }));
}

function bucketOf(value: number): number {
  if (value === 0) return 0;
  const bucket = Math.ceil(Math.log(Math.abs(value)) / LOG_GAMMA) + SHIFT;
  return value > 0 ? bucket : -bucket;
}

function middleOf(bucket: number): number {
  if (bucket === 0) return 0;
  const value = Math.min(Math.exp((Math.abs(bucket) - SHIFT) * LOG_GAMMA + MIDDLE), Number.MAX_VALUE);
  return bucket > 0 ? value : -value;
}

function increase(sketch: number[], bucket: number, by: number): void {
  let from = 0;
  let to = sketch.length / 2;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sketch[2 * middle]! < bucket) from = middle + 1;
    else to = middle;
  }
  if (sketch[2 * from] === bucket) sketch[2 * from + 1] = sketch[2 * from + 1]! + by;
  else sketch.splice(2 * from, 0, bucket, by);
}

/** The value of the nearest rank. */
function valueAt(sketch: readonly number[], q: number): number | null {
  let total = 0;
  for (let i = 1; i < sketch.length; i += 2) total += sketch[i]!;
  if (total === 0) return null;
  const rank = nearestRank(q, total);
  let at = 0;
  for (let below = sketch[1]!; below < rank; below += sketch[at + 1]!) at += 2;
  return middleOf(sketch[at]!);
}

/** ⌈q · n⌉, from 1 to n. What is a whole number but for the rounding of doubles (0.07 · 100) counts as one. */
function nearestRank(q: number, n: number): number {
  const exact = q * n;
  const whole = Math.round(exact);
  const rank = Math.abs(exact - whole) <= exact * Number.EPSILON ? whole : Math.ceil(exact);
  return Math.max(1, rank);
}
