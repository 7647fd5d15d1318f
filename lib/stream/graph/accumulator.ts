/**
 * The contract of aggregates. An aggregate keeps its state in `width` neighbouring slots of a group's row, which is one
 * flat array for all aggregates of the group: plain data, ready to be stored, and cheap to copy. Rows of state are
 * copy-on-write: before the first `add` of a batch the row is sliced and `own` copies what slots point to, so `add` and
 * `merge` may change in place, and what was stored before stays as it was. Values that come from rows or functions become
 * the state's own by a copy, at once or by `settle`, and leave it as copies.
 */
import type { Entries } from '../../columns/entries.ts';

/** How an aggregate of numbers takes rows by column. */
export interface ColumnAdd {
  /** The field whose value is all that the aggregate wants of a row; `undefined`: it wants nothing. */
  readonly field: string | undefined;
  /**
   * @param states of all groups, `width` numbers each
   * @param at where in a group's numbers its slots are
   * @param values of the field by row, `NaN` where it is null; anything, where no field is wanted
   * @returns false: a row would be refused; the states are spoilt
   */
  add(states: Float64Array, width: number, at: number, entries: Entries, values: Float64Array): boolean;
}

/** A group's state: the slots of all its aggregates. Plain data. */
export type Slots = unknown[];

/** An aggregate that knows where its slots are: at `at`, `at + 1`, … `at + width - 1`. */
export interface Accumulator {
  readonly width: number;
  /** Fills the slots of a group without rows. */
  init(slots: Slots, at: number): void;
  /** @param time event time of the row, epoch ms; `NaN`: none @throws what the user's function throws, or Error */
  add(slots: Slots, at: number, row: unknown, time: number): void;
  /**
   * As {@link add}, where all slots of the group are numbers. Left out: they may be something else.
   * @returns false: what the row gives is no number; nothing is changed
   */
  readonly addNumber?: ((slots: Float64Array, at: number, row: unknown, time: number) => boolean) | undefined;
  /** {@link addNumber} for many rows, by a column. Left out: the rows themselves are needed. */
  readonly column?: ColumnAdd | undefined;
  /** Takes in another group's state, whose rows came later. `other` is not to be used any more. */
  merge(slots: Slots, at: number, other: Slots, otherAt: number): void;
  /** The value shown. What the caller may change is not shared with the slots. */
  result(slots: Slots, at: number): unknown;
  /** After the row was sliced: makes own copies of what is changed in place. `undefined`: nothing is. */
  readonly own: ((slots: Slots, at: number) => void) | undefined;
  /**
   * After the last `add` of a batch: makes own copies of values that came from rows meanwhile, so each is copied once however
   * often it was replaced. `before`: the slots as they were stored. Left out: `add` keeps nothing of rows, or copies at once.
   */
  readonly settle?: ((slots: Slots, at: number, before: Slots | undefined) => void) | undefined;
}
