/**
 * The contract of aggregates. An aggregate keeps its state in `width` neighbouring slots of a group's row, which is one
 * flat array for all aggregates of the group: plain data, ready to be stored, and cheap to copy. Rows of state are
 * copy-on-write: before the first `add` of a batch the row is sliced and `own` copies what slots point to, so `add` and
 * `merge` may change in place, and what was stored before stays as it was. Values that come from rows or functions become
 * the state's own by a copy, at once or by `settle`, and leave it as copies.
 */
import { JobError } from '../../errors.ts';
import { cutText } from '../../util/text.ts';
import type { into, result } from '../api/brands.ts';
import type { AggregateColumn } from '../api/graph.ts';
import type { Calls } from '../operators/calls.ts';
import { copyPlain } from '../operators/plain.ts';

/** Folds rows of type `T` into one result `R`. */
export interface Aggregate<in T, out R> {
  readonly [into]?: (row: T) => void;
  readonly [result]?: R;
}

/** Names for results; `key`, `windowStart` and `windowEnd` are taken. */
export type AggregateSpec<T, R extends object> = {
  readonly [P in keyof R]: P extends 'key' | 'windowStart' | 'windowEnd' ? never : Aggregate<T, R[P]>;
};

/** What can be ordered: numbers, or text by UTF-16 code unit. Do not mix. */
export type Sortable = number | string;
export type Null = null | undefined;
export type OrNull<V> = V extends Null ? null : V;

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

/** As {@link Accumulator.settle}, of one slot. */
export function settleSlot(slots: Slots, slot: number, before: Slots | undefined): void {
  const value = slots[slot];
  if (typeof value !== 'object' || value === null) return;
  if (before === undefined || before[slot] !== value) slots[slot] = copyPlain(value);
}

/** What the aggregate functions (`count()`, `sum()`, …) really give. */
export interface AggregateDefinition {
  /** With the parameters that give its state another meaning; part of the job's state layout. */
  readonly kind: string;
  /** @param label name of the result column, for messages @param calls how functions that keep rows are called */
  accumulator(label: string, calls?: Calls): Accumulator;
}

/** Shows a definition to users as the typed, opaque aggregate. */
export function define<T, R>(kind: string, accumulator: AggregateDefinition['accumulator']): Aggregate<T, R> {
  const definition: AggregateDefinition = { kind, accumulator };
  return definition as Aggregate<T, R>;
}

const RESERVED = new Set(['key', 'windowStart', 'windowEnd', '__proto__']);

/**
 * The columns of a spec, in its order.
 * @throws {JobError} `BAD_AGGREGATE`: empty, a name that is taken, a value that is no aggregate
 */
export function aggregateColumns(spec: object): AggregateColumn[] {
  const names = Object.keys(spec ?? {});
  if (names.length === 0) {
    throw new JobError('BAD_AGGREGATE', 'aggregate() without aggregates: give at least one, such as { rows: count() }');
  }
  return names.map((name) => {
    if (RESERVED.has(name)) {
      throw new JobError('BAD_AGGREGATE', `aggregate(): the name '${name}' is taken; call the result something else`);
    }
    const aggregate = (spec as Record<string, AggregateDefinition | undefined>)[name];
    if (typeof aggregate?.accumulator !== 'function') {
      throw new JobError('BAD_AGGREGATE', `aggregate(): '${name}' must be an aggregate, such as count() or sum(f)`);
    }
    return { name, aggregate };
  });
}

/** Text of a value for messages, short. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(cutText(value, 40, '…'));
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  return String(value);
}

/** Refuses what is not a finite number. @param what such as `sum of 'total'` */
export function notANumber(what: string, value: unknown): TypeError {
  return new TypeError(`${what}: needs finite numbers (or null to skip a row), got ${shown(value)}`);
}

/** Checks a function argument. @throws {JobError} `BAD_AGGREGATE` */
export function needsFunction(f: unknown, what: string): void {
  if (typeof f !== 'function') throw new JobError('BAD_AGGREGATE', `${what} takes a function of the row`);
}
