/** `count`, `sum`, `avg`: numbers in one or two slots. State never becomes `NaN` or infinite: the row is refused instead. */

import type { Entries } from '../../columns/entries.ts';
import type { ColumnAdd, Slots } from '../graph/accumulator.ts';
import { type FieldTest, fieldTest } from '../graph/field-access.ts';
import { type Aggregate, columnOf, define, type Null, needsFunction, notANumber } from './aggregate.ts';

/** How many rows; with a condition, how many rows meet it. */
export function count<T>(where?: (row: T) => boolean): Aggregate<T, number> {
  if (where !== undefined) needsFunction(where, 'count()');
  return define('count', () => ({
    width: 1,
    init: (slots, at) => {
      slots[at] = 0;
    },
    add:
      where === undefined
        ? (slots: Slots, at: number) => {
            slots[at] = (slots[at] as number) + 1;
          }
        : (slots: Slots, at: number, row: unknown) => {
            if (where(row as T)) slots[at] = (slots[at] as number) + 1;
          },
    addNumber:
      where === undefined
        ? (slots: Float64Array, at: number) => {
            slots[at]! += 1;
            return true;
          }
        : (slots: Float64Array, at: number, row: unknown) => {
            if (where(row as T)) slots[at]! += 1;
            return true;
          },
    column: where === undefined ? { field: undefined, add: countRows } : countWhere(fieldTest(where)),
    merge: addCounts,
    result: (slots, at) => slots[at],
    own: undefined,
  }));
}

/** Sum; `null` and `undefined` are skipped, the sum of none is 0. Doubles: exact for integers below 2^53. */
export function sum<T>(f: (row: T) => number | Null): Aggregate<T, number> {
  needsFunction(f, 'sum()');
  return define('sum', (label) => ({
    width: 1,
    init: (slots, at) => {
      slots[at] = 0;
    },
    add: (slots, at, row) => {
      const value = f(row as T);
      if (value !== null && value !== undefined) slots[at] = plus(slots[at] as number, value, 'sum', label);
    },
    addNumber: (slots, at, row) => {
      const value = f(row as T);
      if (value !== null && value !== undefined) slots[at] = plus(slots[at]!, value, 'sum', label);
      return true;
    },
    column: columnOf(f, addValues),
    merge: (slots, at, other, otherAt) => {
      slots[at] = plus(slots[at] as number, other[otherAt], 'sum', label);
    },
    result: (slots, at) => slots[at],
    own: undefined,
  }));
}

/** Mean; `null` and `undefined` are skipped, the mean of none is `null`. */
export function avg<T, V extends number | Null>(
  f: (row: T) => V,
): Aggregate<T, number | (V extends Null ? null : never)> {
  needsFunction(f, 'avg()');
  return define('avg', (label) => ({
    width: 2,
    init: (slots, at) => {
      slots[at] = 0;
      slots[at + 1] = 0;
    },
    add: (slots, at, row) => {
      const value = f(row as T);
      if (value === null || value === undefined) return;
      slots[at] = plus(slots[at] as number, value, 'avg', label);
      slots[at + 1] = (slots[at + 1] as number) + 1;
    },
    addNumber: (slots, at, row) => {
      const value = f(row as T);
      if (value === null || value === undefined) return true;
      slots[at] = plus(slots[at]!, value, 'avg', label);
      slots[at + 1]! += 1;
      return true;
    },
    column: columnOf(f, (states, width, at, entries, values) => {
      if (!addValues(states, width, at, entries, values)) return false;
      const { count, rowOf, groupOf } = entries;
      for (let i = 0; i < count; i++) {
        if (!Number.isNaN(values[rowOf[i]!]!)) states[groupOf[i]! * width + at + 1]! += 1;
      }
      return true;
    }),
    merge: (slots, at, other, otherAt) => {
      slots[at] = plus(slots[at] as number, other[otherAt], 'avg', label);
      addCounts(slots, at + 1, other, otherAt + 1);
    },
    result: (slots, at) => (slots[at + 1] === 0 ? null : (slots[at] as number) / (slots[at + 1] as number)),
    own: undefined,
  }));
}

function countRows(states: Float64Array, width: number, at: number, { count, groupOf }: Entries): boolean {
  for (let i = 0; i < count; i++) states[groupOf[i]! * width + at]! += 1;
  return true;
}

function countWhere(test: FieldTest | undefined): ColumnAdd | undefined {
  if (test === undefined) return undefined;
  const { field, holds } = test;
  return {
    field,
    add(states, width, at, { count, rowOf, groupOf }, values) {
      for (let i = 0; i < count; i++) {
        const value = values[rowOf[i]!]!;
        if (holds(Number.isNaN(value) ? 0 : value)) states[groupOf[i]! * width + at]! += 1;
      }
      return true;
    },
  };
}

/** Adds up the values; one that makes a total infinite is for {@link plus} to refuse. */
function addValues(
  states: Float64Array,
  width: number,
  at: number,
  { count, rowOf, groupOf }: Entries,
  values: Float64Array,
): boolean {
  for (let i = 0; i < count; i++) {
    const value = values[rowOf[i]!]!;
    if (Number.isNaN(value)) continue;
    const slot = groupOf[i]! * width + at;
    const next = states[slot]! + value;
    if (next - next !== 0) return false;
    states[slot] = next;
  }
  return true;
}

function addCounts(slots: Slots, at: number, other: Slots, otherAt: number): void {
  slots[at] = (slots[at] as number) + (other[otherAt] as number);
}

function plus(total: number, value: unknown, what: string, label: string): number {
  if (typeof value !== 'number') throw notANumber(`${what} of '${label}'`, value);
  const next = total + value;
  if (next - next !== 0) {
    if (Number.isFinite(value)) throw new RangeError(`${what} of '${label}': the total is too great for a double`);
    throw notANumber(`${what} of '${label}'`, value);
  }
  return next;
}
