/** `aggregator`: a user's own aggregate, one slot. `add` may change the accumulator in place, so stored ones are copied. */
import { copyPlain } from '../plain.ts';
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
 * Your own aggregate. `add` and `merge` may change and return their first argument. `merge` must be associative; it joins
 * sessions and partial results. The accumulator is state: plain data.
 */
export function aggregator<T, A, R = A>(functions: AggregatorFunctions<T, A, R>): Aggregate<T, R> {
  const { init, add, merge, result } = functions ?? {};
  needsFunction(init, 'aggregator({ init })');
  needsFunction(add, 'aggregator({ add })');
  needsFunction(merge, 'aggregator({ merge })');
  if (result !== undefined) needsFunction(result, 'aggregator({ result })');
  return define('aggregator', () => ({
    width: 1,
    init: (slots, at) => {
      slots[at] = init();
    },
    add: (slots, at, row) => {
      slots[at] = add(slots[at] as A, row as T);
    },
    merge: (slots, at, other, otherAt) => {
      slots[at] = merge(slots[at] as A, other[otherAt] as A);
    },
    result: (slots, at) => (result === undefined ? copyPlain(slots[at]) : result(slots[at] as A)),
    own: (slots, at) => {
      slots[at] = copyPlain(slots[at]);
    },
  }));
}
