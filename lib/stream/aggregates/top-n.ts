/** `topN` as an aggregate: the best rows of a group, kept sorted with what they were sorted by. */
import { JobError } from '../../errors.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import type { Slots } from '../graph/accumulator.ts';
import { type Aggregate, define, needsFunction, type Sortable } from './aggregate.ts';
import { sortable } from './extremes.ts';

/** Options of `topN`. */
export interface TopNOptions<in T> {
  /** What to sort by; an array is compared part by part. */
  readonly by: (row: T) => Sortable | readonly Sortable[];
  /** Default `desc`: the greatest first. In a tie the row that came first is first. */
  readonly order?: 'desc' | 'asc' | undefined;
}

type By = Sortable | readonly Sortable[];

/** The `n` rows that come first by `by`, best first. */
export function topN<T>(n: number, options: TopNOptions<T>): Aggregate<T, T[]> {
  const { by, order } = checkTopN(n, options);
  const sign = order === 'desc' ? -1 : 1;
  // Two slots: what rows are sorted by, and the rows, best first.
  const insert = (slots: Slots, at: number, value: By, row: unknown): void => {
    const values = slots[at] as By[];
    const rows = slots[at + 1] as unknown[];
    let to = values.length;
    while (to > 0 && compareBy(value, values[to - 1]!) * sign < 0) to--;
    if (to >= n) return;
    values.splice(to, 0, value);
    rows.splice(to, 0, copyPlain(row));
    if (rows.length > n) {
      values.pop();
      rows.pop();
    }
  };
  return define(`topN(${n},${order})`, (label) => ({
    width: 2,
    init: (slots, at) => {
      slots[at] = [];
      slots[at + 1] = [];
    },
    add: (slots, at, row) => insert(slots, at, checkBy(by(row as T), label), row),
    merge: (slots, at, other, otherAt) => {
      const values = other[otherAt] as By[];
      const rows = other[otherAt + 1] as unknown[];
      for (let i = 0; i < rows.length; i++) insert(slots, at, values[i]!, rows[i]);
    },
    result: (slots, at) => copyPlain(slots[at + 1]),
    own: (slots, at) => {
      slots[at] = (slots[at] as unknown[]).slice();
      slots[at + 1] = (slots[at + 1] as unknown[]).slice();
    },
  }));
}

/** @throws {JobError} `BAD_AGGREGATE` */
export function checkTopN<T>(n: number, options: TopNOptions<T>): { by: (row: T) => By; order: 'asc' | 'desc' } {
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new JobError('BAD_AGGREGATE', `topN(): n must be a whole number from 1, not ${n}`);
  }
  needsFunction(options?.by, 'topN({ by })');
  const { order = 'desc' } = options;
  if (order !== 'asc' && order !== 'desc') {
    throw new JobError('BAD_AGGREGATE', `topN(): order must be 'asc' or 'desc', not '${String(order)}'`);
  }
  return { by: options.by, order };
}

function checkBy(value: unknown, label: string): By {
  if (!Array.isArray(value)) return sortable(value, 'topN', label);
  return value.map((part: unknown) => sortable(part, 'topN', label));
}

/** Part by part; a shorter array first where all its parts are equal. @throws {TypeError} numbers and text are mixed */
function compareBy(a: By, b: By): number {
  if (Array.isArray(a) !== Array.isArray(b)) throw mixed();
  if (!Array.isArray(a)) return comparePart(a as Sortable, b as Sortable);
  const others = b as readonly Sortable[];
  for (let i = 0; i < a.length && i < others.length; i++) {
    const order = comparePart(a[i] as Sortable, others[i]!);
    if (order !== 0) return order;
  }
  return a.length - others.length;
}

function comparePart(a: Sortable, b: Sortable): number {
  if (typeof a !== typeof b) throw mixed();
  return a < b ? -1 : a > b ? 1 : 0;
}

function mixed(): TypeError {
  return new TypeError('topN: by must give values of one kind; numbers, text and arrays are mixed');
}
