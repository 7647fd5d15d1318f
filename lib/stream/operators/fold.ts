/**
 * What a group of rows is folded into, for windowed and running operators alike: the state row of a group, and the result
 * row it shows. State rows are copy-on-write: `thaw` once before the first `add` of a batch, then `add` in place.
 */
import type { Accumulator, Slots } from '../aggregates/aggregate.ts';
import type { Fold } from '../graph.ts';
import { OperatorFailure, type RowBatch, type Table } from '../operator.ts';
import type { Entries, Groups } from './groups.ts';

export interface GroupFold {
  /** State of a new group. */
  create(): Slots;
  /** A copy of stored state that may be changed. */
  thaw(stored: Slots): Slots;
  /** Folds rows `rowOf[i]` of the batch into the states `groups[groupOf[i]]`, in order. @throws {OperatorFailure} */
  addAll(batch: RowBatch, entries: Entries, groups: readonly Slots[]): void;
  /** Adds the result's columns to an output row. */
  show(state: Slots, into: Record<string, unknown>): void;
}

/** @param operator name of the operator, for errors */
export function groupFold(fold: Fold, operator: string): GroupFold {
  return fold.kind === 'aggregate' ? aggregateFold(fold.columns, operator) : reduceFold(fold.f, operator);
}

/** How the fold is written in the job's state layout. */
export function foldText(fold: Fold): string {
  if (fold.kind === 'reduce') return 'reduce';
  return fold.columns.map(({ name, aggregate }) => `${shownName(name)}:${aggregate.kind}`).join(',');
}

/** Column names as they are, quoted where they would blur the line. */
function shownName(name: string): string {
  return /^[\p{L}\p{N}_.$-]+$/u.test(name) ? name : JSON.stringify(name);
}

/**
 * Folds a batch into the groups' states in the table: one read and one write a group.
 * @param changed sees each group's new state, in the order the groups were first touched
 * @throws {OperatorFailure}
 */
export function applyFold(
  folding: GroupFold,
  batch: RowBatch,
  { keys, ends, entries }: Groups,
  table: Table<Slots>,
  changed: ((key: string, end: number, state: Slots) => void) | undefined,
): Promise<void> | undefined {
  const apply = (): undefined => {
    const states = new Array<Slots>(keys.length);
    for (let g = 0; g < keys.length; g++) {
      const stored = table.get(keys[g]!, ends[g]!);
      states[g] = stored === undefined ? folding.create() : folding.thaw(stored);
    }
    folding.addAll(batch, entries, states);
    for (let g = 0; g < keys.length; g++) {
      table.put(keys[g]!, ends[g]!, states[g]!);
      changed?.(keys[g]!, ends[g]!, states[g]!);
    }
  };
  const loading = table.load(keys, ends);
  return loading === undefined ? apply() : loading.then(apply);
}

function aggregateFold(columns: (Fold & { kind: 'aggregate' })['columns'], operator: string): GroupFold {
  const names = columns.map((column) => column.name);
  const accumulators = columns.map(({ name, aggregate }) => aggregate.accumulator(name));
  const at: number[] = [];
  let width = 0;
  for (const accumulator of accumulators) {
    at.push(width);
    width += accumulator.width;
  }
  const size = accumulators.length;
  const owners = accumulators.flatMap((a, j) => (a.own === undefined ? [] : [{ own: a.own, at: at[j]! }]));
  const create = (): Slots => {
    const slots: Slots = [];
    try {
      for (let j = 0; j < size; j++) accumulators[j]!.init(slots, at[j]!);
    } catch (error) {
      throw new OperatorFailure(operator, undefined, -1, error);
    }
    return slots;
  };
  return {
    create,
    thaw(stored) {
      const slots = stored.slice();
      for (const owner of owners) owner.own(slots, owner.at);
      return slots;
    },
    addAll(batch, { count, rowOf, groupOf }, groups) {
      const { rows, times } = batch;
      let i = 0;
      try {
        for (; i < count; i++) {
          const index = rowOf[i]!;
          const row = rows[index];
          const time = times[index]!;
          const slots = groups[groupOf[i]!]!;
          for (let j = 0; j < size; j++) (accumulators[j] as Accumulator).add(slots, at[j]!, row, time);
        }
      } catch (error) {
        throw new OperatorFailure(operator, rows[rowOf[i]!], rowOf[i]!, error);
      }
    },
    show(state, into) {
      try {
        for (let j = 0; j < size; j++) into[names[j]!] = accumulators[j]!.result(state, at[j]!);
      } catch (error) {
        throw new OperatorFailure(operator, undefined, -1, error);
      }
    },
  };
}

/** One slot, the value so far; no slot in a new group, so that the first row is the start. */
function reduceFold(userFunction: (...args: never[]) => unknown, operator: string): GroupFold {
  const f = userFunction as (acc: unknown, row: unknown) => unknown;
  return {
    create: () => [],
    thaw: (stored) => stored.slice(),
    addAll(batch, { count, rowOf, groupOf }, groups) {
      const { rows } = batch;
      let i = 0;
      try {
        for (; i < count; i++) {
          const row = rows[rowOf[i]!];
          const slots = groups[groupOf[i]!]!;
          slots[0] = slots.length === 0 ? row : f(slots[0], row);
        }
      } catch (error) {
        throw new OperatorFailure(operator, rows[rowOf[i]!], rowOf[i]!, error);
      }
    },
    show(state, into) {
      into.value = state[0];
    },
  };
}
