/** What all aggregates share: how they are shown to users, named and checked. */
import { JobError } from '../../errors.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import { cutText } from '../../util/text.ts';
import type { ColumnAdd, Slots } from '../graph/accumulator.ts';
import type { into, result } from '../graph/brands.ts';
import { fieldOf } from '../graph/field-access.ts';
import type { AggregateColumn, AggregateDefinition } from '../graph/fold-spec.ts';

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

/** As {@link Accumulator.settle}, of one slot. */
export function settleSlot(slots: Slots, slot: number, before: Slots | undefined): void {
  const value = slots[slot];
  if (typeof value !== 'object' || value === null) return;
  if (before === undefined || before[slot] !== value) slots[slot] = copyPlain(value);
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

/** How rows are taken by column, where all that the aggregate calls is proven to be a field access. */
export function columnOf(f: unknown, add: ColumnAdd['add']): ColumnAdd | undefined {
  const field = fieldOf(f);
  return field === undefined ? undefined : { field, add };
}
