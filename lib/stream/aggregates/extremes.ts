/**
 * `min`, `max` (of values) and `minBy`, `maxBy` (of rows). Earlier rows win ties. Whether there is a value yet is a slot of
 * its own, 0 or 1, and not a `null` in the value's place: a row of state that holds numbers only is kept by the machine as
 * an array of plain doubles, which is what makes a million of them small and quick to copy.
 */
import { copyPlain } from '../../util/copy-plain.ts';
import type { Slots } from '../graph/accumulator.ts';
import {
  type Aggregate,
  columnOf,
  define,
  type Null,
  needsFunction,
  type OrNull,
  type Sortable,
  settleSlot,
  shown,
} from './aggregate.ts';

/** Least value; `null` and `undefined` are skipped, the least of none is `null`. */
export function min<T, V extends Sortable | Null>(f: (row: T) => V): Aggregate<T, OrNull<V>> {
  return extreme('min', f, -1);
}

/** Greatest value; `null` and `undefined` are skipped, the greatest of none is `null`. */
export function max<T, V extends Sortable | Null>(f: (row: T) => V): Aggregate<T, OrNull<V>> {
  return extreme('max', f, 1);
}

/** The row with the least `by`; in a tie the one that came first. */
export function minBy<T>(by: (row: T) => Sortable): Aggregate<T, T> {
  return extremeBy('minBy', by, -1);
}

/** The row with the greatest `by`; in a tie the one that came first. */
export function maxBy<T>(by: (row: T) => Sortable): Aggregate<T, T> {
  return extremeBy('maxBy', by, 1);
}

/** Slots: whether there is a value (0 or 1), and the value. @param sign 1: the greatest, -1: the least */
function extreme<T, R>(kind: string, f: (row: T) => unknown, sign: 1 | -1): Aggregate<T, R> {
  needsFunction(f, `${kind}()`);
  return define(kind, (label) => {
    const take = (slots: Slots, at: number, value: Sortable): void => {
      if (slots[at] === 1 && !beats(value, slots[at + 1] as Sortable, sign, kind, label)) return;
      slots[at] = 1;
      slots[at + 1] = value;
    };
    return {
      width: 2,
      init: (slots, at) => {
        slots[at] = 0;
        slots[at + 1] = 0;
      },
      add: (slots, at, row) => {
        const value = f(row as T);
        if (value !== null && value !== undefined) take(slots, at, sortable(value, kind, label));
      },
      addNumber: (slots, at, row) => {
        const value = f(row as T);
        if (value === null || value === undefined) return true;
        const given = sortable(value, kind, label);
        if (typeof given !== 'number') return false;
        if (slots[at] === 1 && !(sign === 1 ? given > slots[at + 1]! : given < slots[at + 1]!)) return true;
        slots[at] = 1;
        slots[at + 1] = given;
        return true;
      },
      column: columnOf(f, (states, width, at, { count, rowOf, groupOf }, values) => {
        for (let i = 0; i < count; i++) {
          const value = values[rowOf[i]!]!;
          if (Number.isNaN(value)) continue;
          const slot = groupOf[i]! * width + at;
          if (states[slot] === 1 && !(sign === 1 ? value > states[slot + 1]! : value < states[slot + 1]!)) continue;
          states[slot] = 1;
          states[slot + 1] = value;
        }
        return true;
      }),
      merge: (slots, at, other, otherAt) => {
        if (other[otherAt] === 1) take(slots, at, other[otherAt + 1] as Sortable);
      },
      result: (slots, at) => (slots[at] === 1 ? slots[at + 1] : null),
      own: undefined,
    };
  });
}

/** Slots: the `by` of the best row (`null`: no row yet) and the row. */
function extremeBy<T>(kind: string, by: (row: T) => unknown, sign: 1 | -1): Aggregate<T, T> {
  needsFunction(by, `${kind}()`);
  return define(kind, (label) => {
    const take = (slots: Slots, at: number, value: Sortable, row: unknown): void => {
      const best = slots[at] as Sortable | null;
      if (best !== null && !beats(value, best, sign, kind, label)) return;
      slots[at] = value;
      slots[at + 1] = row;
    };
    return {
      width: 2,
      init: (slots, at) => {
        slots[at] = null;
        slots[at + 1] = null;
      },
      add: (slots, at, row) => take(slots, at, sortable(by(row as T), kind, label), row),
      merge: (slots, at, other, otherAt) => {
        const value = other[otherAt] as Sortable | null;
        if (value !== null) take(slots, at, value, other[otherAt + 1]);
      },
      result: (slots, at) => copyPlain(slots[at + 1]),
      own: undefined,
      settle: (slots, at, before) => settleSlot(slots, at + 1, before),
    };
  });
}

/** @throws {TypeError} not a finite number or text */
export function sortable(value: unknown, what: string, label: string): Sortable {
  if (typeof value === 'number' ? Number.isFinite(value) : typeof value === 'string') return value as Sortable;
  throw new TypeError(`${what} of '${label}': needs finite numbers or text, got ${shown(value)}`);
}

function beats(value: Sortable, best: Sortable, sign: 1 | -1, what: string, label: string): boolean {
  if (typeof value !== typeof best) {
    throw new TypeError(`${what} of '${label}': numbers and text are mixed (${shown(best)} and ${shown(value)})`);
  }
  return sign === 1 ? value > best : value < best;
}
