/**
 * What a group of rows is folded into, for windowed and running operators alike: the state row of a group, and the result
 * row it shows. State rows are copy-on-write: `thaw` once before the first `add` of a batch, then `add` in place.
 *
 * A row that a function refuses leaves no trace: the batch is then folded again from the stored states, row by row, each on
 * copies that count only when all its groups have taken it.
 */

import type { Entries } from '../../columns/entries.ts';
import { copyPlain } from '../../util/copy-plain.ts';
import { notPlain } from '../../util/plain-data.ts';
import type { Accumulator, Slots } from '../graph/accumulator.ts';
import type { Calls } from '../graph/calls.ts';
import type { Fold } from '../graph/fold-spec.ts';
import { type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import type { Making } from '../graph/operator-definition.ts';
import { type SlotPlaces, slotPlaces } from '../graph/stored-columns.ts';
import type { NumberColumns, StateTable, TableSpec } from '../graph/tables.ts';
import type { UserFunction } from '../graph/user-function.ts';
import type { Groups } from './groups.ts';

export interface GroupFold {
  /** State of a new group. */
  create(): Slots;
  /** Stored state with what is not in it yet, where it is from before the job had so many columns. */
  whole(stored: Slots): Slots;
  /** A copy of stored state that may be changed. */
  thaw(stored: Slots): Slots;
  /** Folds rows `rowOf[i]` of the batch into the states `groups[groupOf[i]]`, in order. @throws {OperatorFailure} */
  addAll(batch: RowBatch, entries: Entries, groups: readonly Slots[]): void;
  /** Takes another group's state, whose rows count as later, into one that may be changed; the other is not changed. @throws {OperatorFailure} */
  merge(state: Slots, other: Slots): void;
  /** After the last `addAll` of a batch: makes what came from rows the state's own. `undefined`: nothing did. */
  readonly settle: ((state: Slots, stored: Slots | undefined) => void) | undefined;
  /** Adds the result's columns to an output row; they are copies. @param at where the state begins in `state` */
  show(state: Slots, into: Record<string, unknown>, at?: number): void;
  /** The same states as so many numbers each, side by side. `undefined`: they may be something else. */
  readonly numbers: NumberFold | undefined;
}

export interface NumberFold {
  /** Numbers of a state. */
  readonly width: number;
  /** The result's columns: each a number or null, but where a function of the user says otherwise. */
  readonly columns: readonly {
    readonly name: string;
    /** Where its slots are in a state. */
    readonly at: number;
    result(state: Slots, at: number): unknown;
  }[];
  /** The fields that are all it wants of rows; `undefined`: it needs the rows. */
  readonly asks: readonly string[] | undefined;
  /** State of a new group. */
  create(): readonly number[];
  /**
   * As {@link GroupFold.addAll}, into the states of all groups.
   * @returns false: a row has a value that is no number; the states are spoilt
   * @throws {OperatorFailure}
   */
  addAll(batch: RowBatch, entries: Entries, states: Float64Array): boolean;
}

/** @param operator name of the operator, for errors */
export function groupFold(fold: Fold, operator: string, making: Pick<Making, 'calls' | 'stored'>): GroupFold {
  return fold.kind === 'aggregate'
    ? aggregateFold(fold.columns, operator, making)
    : reduceFold(fold.f, operator, making.calls);
}

/** What a table of such states says of them. */
export function numbersOf({ numbers }: GroupFold): Pick<TableSpec, 'width' | 'blank'> {
  return numbers === undefined ? {} : { width: numbers.width, blank: numbers.create() };
}

/**
 * Folds a batch into the groups' states in the table: one read and one write a group.
 * @param context takes the rows that are refused
 * @param changed sees each group's new state, which begins at `at`, in the order the groups were first touched
 * @throws {OperatorFailure} rows that are refused fail the batch
 */
export function applyFold(
  folding: GroupFold,
  batch: RowBatch,
  groups: Groups,
  table: StateTable<Slots>,
  context: Pick<OperatorContext, 'refuse' | 'mayRefuse'>,
  changed: ((key: string, end: number, state: Slots, at?: number) => void) | undefined,
): Promise<void> | undefined {
  const { count, ends, entries, columns } = groups;
  const put = (g: number, state: Slots): void => {
    const key = groups.keys[g]!;
    table.put(key, ends[g]!, state);
    changed?.(key, ends[g]!, state);
  };
  const applyAll = (): Slots[] | undefined => {
    const { keys } = groups;
    const states = new Array<Slots>(count);
    let g = 0;
    try {
      for (; g < count; g++) {
        const stored = table.get(keys[g]!, ends[g]!);
        states[g] = stored === undefined ? folding.create() : folding.thaw(stored);
      }
      folding.addAll(batch, entries, states);
      if (folding.settle !== undefined) {
        for (g = 0; g < count; g++) folding.settle(states[g]!, table.get(keys[g]!, ends[g]!));
      }
      return states;
    } catch (error) {
      if (!(error instanceof OperatorFailure)) throw error;
      if (context.mayRefuse) return undefined;
      const index = error.index >= 0 ? error.index : entries.rowOf[entries.groupOf.indexOf(g)]!;
      context.refuse(new OperatorFailure(error.operator, batch.row(index), index, error.cause), batch);
      throw error;
    }
  };
  /** @returns false: states are not all numbers, or a row is refused: the general way */
  const applyNumbers = (states: NumberColumns): boolean => {
    const folded = foldNumbers(folding.numbers!, batch, entries, states);
    if (folded === undefined) return false;
    states.keep(folded);
    if (changed === undefined) return true;
    const { width } = states;
    for (let g = 0; g < count; g++) changed(groups.key(g), ends[g]!, folded as unknown as Slots, g * width);
    return true;
  };
  const apply = (): undefined => {
    if (columns !== undefined && applyNumbers(columns)) return;
    const states = applyAll();
    if (states !== undefined) for (let g = 0; g < count; g++) put(g, states[g]!);
    else for (const [g, state] of applyRowByRow(folding, batch, groups, table, context)) put(g, state);
  };
  const loading = columns === undefined ? table.load(groups.keys, ends) : columns.load();
  return loading === undefined ? apply() : loading.then(apply);
}

/** @returns the new states of all groups; `undefined`: they are not all numbers, or a row is refused */
function foldNumbers(
  { create, addAll }: NumberFold,
  batch: RowBatch,
  entries: Entries,
  columns: NumberColumns,
): Float64Array | undefined {
  const { width, count } = columns;
  const states = new Float64Array(count * width);
  const isNew = columns.copyTo(states);
  if (isNew === undefined) return undefined;
  try {
    for (let g = 0; g < count; g++) if (isNew[g] === 1) states.set(create(), g * width);
    return addAll(batch, entries, states) ? states : undefined;
  } catch (error) {
    if (!(error instanceof OperatorFailure)) throw error;
    // The general way meets it again, and knows what is to become of the row.
    return undefined;
  }
}

/** @returns the new state of each group that took a row, in the order of the first rows taken */
function applyRowByRow(
  folding: GroupFold,
  batch: RowBatch,
  { keys, ends, entries }: Groups,
  table: StateTable<Slots>,
  context: Pick<OperatorContext, 'refuse'>,
): Map<number, Slots> {
  const { count, rowOf, groupOf } = entries;
  const states = new Map<number, Slots>();
  for (let from = 0, to = 0; from < count; from = to) {
    // A row's groups stand next to each other.
    const row = rowOf[from]!;
    while (to < count && rowOf[to] === row) to++;
    const tried: Slots[] = [];
    try {
      for (let i = from; i < to; i++) {
        const g = groupOf[i]!;
        const before = states.get(g) ?? table.get(keys[g]!, ends[g]!);
        const state = before === undefined ? folding.create() : folding.thaw(before);
        folding.addAll(batch, { count: 1, rowOf: rowOf.subarray(i, i + 1), groupOf: FIRST }, [state]);
        folding.settle?.(state, before);
        tried.push(state);
      }
    } catch (error) {
      if (!(error instanceof OperatorFailure)) throw error;
      context.refuse(new OperatorFailure(error.operator, batch.row(row), row, error.cause), batch);
      continue;
    }
    for (let i = from; i < to; i++) states.set(groupOf[i]!, tried[i - from]!);
  }
  return states;
}

const FIRST = new Int32Array(1);

function aggregateFold(
  columns: (Fold & { kind: 'aggregate' })['columns'],
  operator: string,
  { calls, stored: storedColumns }: Pick<Making, 'calls' | 'stored'>,
): GroupFold {
  const names = columns.map((column) => column.name);
  const accumulators = columns.map(({ name, aggregate }) => calls.adds(aggregate.accumulator(name, calls), name));
  const places = slotPlaces(names, accumulators, storedColumns);
  const { at, width, unused } = places;
  const size = accumulators.length;
  const owners = accumulators.flatMap((a, j) => (a.own === undefined ? [] : [{ own: a.own, at: at[j]! }]));
  const keepers = accumulators.flatMap(({ settle }, j) => (settle === undefined ? [] : [{ settle, at: at[j]! }]));
  const create = (): Slots => {
    try {
      return newState(accumulators, places);
    } catch (error) {
      throw new OperatorFailure(operator, undefined, -1, error);
    }
  };
  const whole = (stored: Slots): Slots =>
    stored.length < width ? stored.concat(create().slice(stored.length)) : stored;
  return {
    create,
    whole,
    numbers: numberFold(names, accumulators, places, operator),
    thaw(stored) {
      const slots = stored.length < width ? whole(stored) : stored.slice();
      for (const slot of unused) slots[slot] = 0;
      for (const owner of owners) owner.own(slots, owner.at);
      return slots;
    },
    addAll(batch, { count, rowOf, groupOf }, groups) {
      const { times } = batch;
      let i = 0;
      try {
        for (; i < count; i++) {
          const index = rowOf[i]!;
          const row = batch.row(index);
          const time = times[index]!;
          const slots = groups[groupOf[i]!]!;
          for (let j = 0; j < size; j++) (accumulators[j] as Accumulator).add(slots, at[j]!, row, time);
        }
      } catch (error) {
        throw new OperatorFailure(operator, batch.row(rowOf[i]!), rowOf[i]!, error);
      }
    },
    merge(state, other) {
      const from = whole(other);
      try {
        for (let j = 0; j < size; j++) accumulators[j]!.merge(state, at[j]!, from, at[j]!);
      } catch (error) {
        throw new OperatorFailure(operator, undefined, -1, error);
      }
    },
    settle:
      keepers.length === 0
        ? undefined
        : (state, stored) => {
            try {
              for (const keeper of keepers) keeper.settle(state, keeper.at, stored);
            } catch (error) {
              throw new OperatorFailure(operator, undefined, -1, error);
            }
          },
    show(state, into, base = 0) {
      const shown = whole(state);
      try {
        for (let j = 0; j < size; j++) into[names[j]!] = accumulators[j]!.result(shown, base + at[j]!);
      } catch (error) {
        throw new OperatorFailure(operator, undefined, -1, error);
      }
    },
  };
}

/** State of a new group. Slots that are not used are 0: a number, as those of most aggregates are. */
function newState(accumulators: readonly Accumulator[], { at, width, unused }: SlotPlaces): Slots {
  const slots: Slots = unused.length === 0 ? [] : new Array<number>(width).fill(0);
  for (let j = 0; j < accumulators.length; j++) accumulators[j]!.init(slots, at[j]!);
  return slots;
}

function numberFold(
  names: readonly string[],
  accumulators: readonly Accumulator[],
  places: SlotPlaces,
  operator: string,
): NumberFold | undefined {
  const adds = accumulators.flatMap(({ addNumber }) => addNumber ?? []);
  const size = accumulators.length;
  if (adds.length < size) return undefined;
  const { at, width } = places;
  const state = newState(accumulators, places) as number[];
  return {
    width,
    columns: accumulators.map(({ result }, j) => ({ name: names[j]!, at: at[j]!, result })),
    asks: accumulators.every(({ column }) => column !== undefined)
      ? accumulators.flatMap(({ column }) => column!.field ?? [])
      : undefined,
    create: () => state,
    addAll(batch, entries, states) {
      const added = addColumns(accumulators, at, width, batch, entries, states);
      if (added !== undefined) return added;
      const { count, rowOf, groupOf } = entries;
      let i = 0;
      try {
        for (; i < count; i++) {
          const index = rowOf[i]!;
          const row = batch.row(index);
          const time = batch.times[index]!;
          const base = groupOf[i]! * width;
          for (let j = 0; j < size; j++) if (!adds[j]!(states, base + at[j]!, row, time)) return false;
        }
        return true;
      } catch (error) {
        throw new OperatorFailure(operator, batch.row(rowOf[i]!), rowOf[i]!, error);
      }
    },
  };
}

/** @returns as {@link NumberFold.addAll}; `undefined`: rows are needed, and nothing is added */
function addColumns(
  accumulators: readonly Accumulator[],
  at: readonly number[],
  width: number,
  batch: RowBatch,
  entries: Entries,
  states: Float64Array,
): boolean | undefined {
  const values: Float64Array[] = [];
  for (const { column } of accumulators) {
    if (column === undefined) return undefined;
    const given = column.field === undefined ? NOTHING : batch.numbers(column.field);
    if (given === undefined) return undefined;
    values.push(given);
  }
  return accumulators.every(({ column }, j) => column!.add(states, width, at[j]!, entries, values[j]!));
}

const NOTHING = new Float64Array(0);

/** One slot, the value so far; no slot in a new group, so that the first row is the start. */
function reduceFold(userFunction: UserFunction, operator: string, calls: Calls): GroupFold {
  const f = calls.folds(userFunction as (acc: unknown, row: unknown) => unknown);
  return {
    create: () => [],
    whole: (stored) => stored,
    numbers: undefined,
    thaw: (stored) => [copyPlain(stored[0])],
    settle: undefined,
    merge(state, other) {
      try {
        state[0] = f(state[0], other[0]);
      } catch (error) {
        throw new OperatorFailure(operator, undefined, -1, error);
      }
    },
    addAll(batch, { count, rowOf, groupOf }, groups) {
      let i = 0;
      try {
        for (; i < count; i++) {
          const row = batch.row(rowOf[i]!);
          const slots = groups[groupOf[i]!]!;
          slots[0] = slots.length === 0 ? copyPlain(row) : f(slots[0], row);
        }
      } catch (error) {
        throw new OperatorFailure(operator, batch.row(rowOf[i]!), rowOf[i]!, error);
      }
    },
    show(state, into) {
      try {
        into.value = copyPlain(state[0]);
      } catch {
        throw new OperatorFailure(operator, undefined, -1, notPlain({ value: state[0] }));
      }
    },
  };
}
