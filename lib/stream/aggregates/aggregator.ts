/**
 * `aggregator`: a user's own aggregate, one slot. `add` may change the accumulator in place and keep parts of rows in it, so
 * stored accumulators are copied, and so is each row for it alone.
 */

import { copyPlain } from '../../util/copy-plain.ts';
import { PLAIN_CALLS } from '../graph/calls.ts';
import { type Aggregate, define, needsFunction } from './aggregate.ts';

/** What an {@link aggregator} is made of. */
export interface AggregatorFunctions<in T, A, R> {
  readonly init: () => A;
  readonly add: (acc: A, row: T) => A;
  readonly merge: (a: A, b: A) => A;
  /** The result shown; left out, the accumulator itself. */
  readonly result?: ((acc: A) => R) | undefined;
}

/**
 * Your own aggregate. `add` and `merge` may change and return their first argument, and nothing else (`testJob` finds what
 * does); `result` gets a copy. `merge` must be associative; it joins sessions and partial results. The accumulator is
 * state: plain data.
 */
export function aggregator<T, A, R = A>(functions: AggregatorFunctions<T, A, R>): Aggregate<T, R> {
  const { init, add, merge, result } = functions ?? {};
  needsFunction(init, 'aggregator({ init })');
  needsFunction(add, 'aggregator({ add })');
  needsFunction(merge, 'aggregator({ merge })');
  if (result !== undefined) needsFunction(result, 'aggregator({ result })');
  return define('aggregator', (_, calls = PLAIN_CALLS) => {
    const addTo = calls.folds(add as (acc: unknown, row: unknown) => unknown);
    return {
      width: 1,
      init: (slots, at) => {
        // One object may be what each `init` answers.
        slots[at] = copyPlain(init());
      },
      add: (slots, at, row) => {
        slots[at] = addTo(slots[at], row);
      },
      merge: (slots, at, other, otherAt) => {
        slots[at] = merge(slots[at] as A, copyPlain(other[otherAt]) as A);
      },
      result: (slots, at) => {
        const copy = copyPlain(slots[at]) as A;
        return result === undefined ? copy : result(copy);
      },
      own: (slots, at) => {
        slots[at] = copyPlain(slots[at]);
      },
    };
  });
}
