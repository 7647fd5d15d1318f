/**
 * `collect`: rows in the order of event time, then arrival. Two slots, times and values side by side, because they grow at
 * the end when rows come in order. Where the stream has no event time the order is that of arrival.
 */
import { JobError } from '../../errors.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import type { Slots } from '../graph/accumulator.ts';
import { type Aggregate, define, needsFunction } from './aggregate.ts';

interface CollectOptions {
  readonly limit?: number | undefined;
}

/** All rows, or what `f` makes of them, by event time, then arrival. State grows with them; `limit` keeps the first ones. */
export function collect<T>(options?: CollectOptions): Aggregate<T, T[]>;
export function collect<T, V>(f: (row: T) => V, options?: CollectOptions): Aggregate<T, V[]>;
export function collect(
  first?: CollectOptions | ((row: never) => unknown),
  second?: CollectOptions,
): Aggregate<never, unknown[]> {
  const [f, options] = typeof first === 'function' ? [first, second] : [undefined, first ?? second];
  if (f !== undefined) needsFunction(f, 'collect()');
  const limit = options?.limit ?? Infinity;
  if (limit !== Infinity && !(Number.isSafeInteger(limit) && limit >= 1)) {
    throw new JobError('BAD_AGGREGATE', `collect(): limit must be a whole number from 1, not ${limit}`);
  }
  const value = (f ?? ((row: unknown) => row)) as (row: unknown) => unknown;
  const kind = limit === Infinity ? 'collect' : `collect(${limit})`;
  return define(kind, () => ({
    width: 2,
    init: (slots, at) => {
      slots[at] = [];
      slots[at + 1] = [];
    },
    add: (slots, at, row, time) => insert(slots, at, limit, Number.isNaN(time) ? null : time, () => value(row)),
    merge: (slots, at, other, otherAt) => {
      const times = other[otherAt] as (number | null)[];
      const values = other[otherAt + 1] as unknown[];
      for (let i = 0; i < times.length; i++) insert(slots, at, limit, times[i]!, () => values[i]);
    },
    result: (slots, at) => copyPlain(slots[at + 1]),
    own: (slots, at) => {
      slots[at] = (slots[at] as unknown[]).slice();
      slots[at + 1] = (slots[at + 1] as unknown[]).slice();
    },
  }));
}

/** Puts a value behind all of its time or earlier, unless that is beyond the limit. */
function insert(slots: Slots, at: number, limit: number, time: number | null, value: () => unknown): void {
  const times = slots[at] as (number | null)[];
  const values = slots[at + 1] as unknown[];
  let to = times.length;
  if (time !== null) while (to > 0 && (times[to - 1] ?? -Infinity) > time) to--;
  if (to >= limit) return;
  const taken = copyPlain(value());
  if (to === times.length) {
    times.push(time);
    values.push(taken);
    return;
  }
  times.splice(to, 0, time);
  values.splice(to, 0, taken);
  if (times.length > limit) {
    times.pop();
    values.pop();
  }
}
