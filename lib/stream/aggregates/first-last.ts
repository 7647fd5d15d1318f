/** `first` and `last`: the value of the row that is first or last by event time, by arrival where times are equal or none. */
import { copyPlain } from '../../util/copy-plain.ts';
import type { Slots } from '../graph/accumulator.ts';
import { type Aggregate, define, needsFunction, settleSlot } from './aggregate.ts';

/** Of the row with the least event time (by arrival where there is none, or in a tie). */
export function first<T>(): Aggregate<T, T>;
export function first<T, V>(f: (row: T) => V): Aggregate<T, V>;
export function first(f?: (row: never) => unknown): Aggregate<never, unknown> {
  return end('first', f, (time, kept) => time < kept);
}

/** Of the row with the greatest event time (by arrival where there is none, or in a tie). */
export function last<T>(): Aggregate<T, T>;
export function last<T, V>(f: (row: T) => V): Aggregate<T, V>;
export function last(f?: (row: never) => unknown): Aggregate<never, unknown> {
  return end('last', f, (time, kept) => !(time < kept));
}

/**
 * Slots: event time of the row kept (`false`: no row yet, `null`: it has no time) and its value.
 * @param replaces whether a later arrival of `time` takes the place of one of `kept`; either may be `NaN`
 */
function end(
  kind: string,
  f: ((row: never) => unknown) | undefined,
  replaces: (time: number, kept: number) => boolean,
): Aggregate<never, unknown> {
  if (f !== undefined) needsFunction(f, `${kind}()`);
  const value = (f ?? ((row: unknown) => row)) as (row: unknown) => unknown;
  const wins = (slots: Slots, at: number, time: number): boolean => {
    const kept = slots[at] as number | null | false;
    return kept === false || replaces(time, kept ?? Number.NaN);
  };
  return define(kind, () => ({
    width: 2,
    init: (slots, at) => {
      slots[at] = false;
      slots[at + 1] = null;
    },
    add: (slots, at, row, time) => {
      if (!wins(slots, at, time)) return;
      slots[at + 1] = value(row);
      slots[at] = Number.isNaN(time) ? null : time;
    },
    merge: (slots, at, other, otherAt) => {
      const time = other[otherAt] as number | null | false;
      if (time === false || !wins(slots, at, time ?? Number.NaN)) return;
      slots[at] = time;
      slots[at + 1] = other[otherAt + 1];
    },
    result: (slots, at) => copyPlain(slots[at + 1]),
    own: undefined,
    settle: (slots, at, before) => settleSlot(slots, at + 1, before),
  }));
}
