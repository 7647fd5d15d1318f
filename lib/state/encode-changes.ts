/** A table's changes of one batch as blocks of its log entry: rows of one time and one form together (`log/changes.ts`). */
import { KeyColumn } from '../columns/key-column.ts';
import { writeDeleted, writeNumbers, writePacked } from '../log/changes.ts';
import type { ByteWriter } from '../util/bytes.ts';
import { orderedNumber } from '../util/ordered.ts';
import { packValue } from '../util/pack.ts';
import { assertPlain, NotPlainError } from '../util/plain-data.ts';
import { addressPrefix, type TableKind } from './address.ts';
import { DELETED, NUMBERS, type TableChanges, UnstorableError } from './changes.ts';

/** As many at least, by the mean, are worth a block of their own. */
const ROWS_OF_A_TIME = 8;

/** Rows of one time, by form: which, in the order in which they were touched. */
interface RowsOfTime {
  readonly deleted: number[];
  readonly packed: number[];
  readonly numbers: number[];
}

/**
 * @param isAbsent whether no batch before has left a row there: one that was made and deleted within this batch was never anywhere
 * @returns how many rows were written @throws {UnstorableError}
 */
export function encodeTable(
  changes: TableChanges,
  kind: TableKind,
  isAbsent: (i: number) => boolean,
  to: ByteWriter,
): number {
  const { table, rows, numbers, width, valueBytes } = changes;
  const { keys, times, prefixOf } = addressesOf(changes, kind);
  let count = 0;
  for (const [time, group] of byTime(rows, times, isAbsent)) {
    const prefix = prefixOf(time);
    const { deleted, packed } = group;
    if (deleted.length > 0) writeDeleted(to, { prefix, keys, rows: deleted });
    if (packed.length > 0) {
      const values = packed.map((i) => packRow(table, rows[i]));
      for (const [k, i] of packed.entries()) valueBytes[i] = values[k]!.length;
      writePacked(to, { prefix, keys, rows: packed }, values);
    }
    if (group.numbers.length > 0) writeNumbers(to, { prefix, keys, rows: group.numbers }, numbers, width);
    count += deleted.length + packed.length + group.numbers.length;
  }
  return count;
}

/** Keys and times of the rows, and what comes before the keys of one time. */
interface Addresses {
  readonly keys: KeyColumn;
  readonly times: readonly number[];
  readonly prefixOf: (time: number) => string;
}

/** Where times are many for so many rows, they are put before the keys: a block for each would cost more. */
function addressesOf({ table, keys, times }: TableChanges, kind: TableKind): Addresses {
  if (kind !== 'timed' || areFew(times)) return { keys, times, prefixOf: (time) => addressPrefix(table, kind, time) };
  const timed = new KeyColumn(keys.count, 8 + Math.ceil(keys.starts[keys.count]! / keys.count));
  for (let i = 0; i < keys.count; i++) timed.push(orderedNumber(times[i]!) + keys.text(i));
  return { keys: timed, times: times.map(() => 0), prefixOf: () => addressPrefix(table, 'keyed', 0) };
}

function areFew(times: readonly number[]): boolean {
  const different = new Set<number>();
  let last = Number.NaN;
  for (const time of times) {
    if (time === last) continue;
    last = time;
    different.add(time);
    if (different.size > 1 && different.size * ROWS_OF_A_TIME > times.length) return false;
  }
  return true;
}

function byTime(
  rows: readonly unknown[],
  times: readonly number[],
  isAbsent: (i: number) => boolean,
): Map<number, RowsOfTime> {
  const groups = new Map<number, RowsOfTime>();
  let time = Number.NaN;
  let group: RowsOfTime | undefined;
  for (let i = 0; i < times.length; i++) {
    const row = rows[i];
    if (row === undefined || (row === DELETED && isAbsent(i))) continue;
    if (group === undefined || times[i] !== time) {
      time = times[i]!;
      group = groups.get(time) ?? { deleted: [], packed: [], numbers: [] };
      groups.set(time, group);
    }
    (row === NUMBERS ? group.numbers : row === DELETED ? group.deleted : group.packed).push(i);
  }
  return groups;
}

function packRow(table: number, row: unknown): Uint8Array {
  try {
    return packValue(row);
  } catch (error) {
    if (!(error instanceof NotPlainError)) throw error;
    // A row of slots: the place is one within the user's own value.
    for (const slot of Array.isArray(row) ? row : []) assertStorable(table, slot);
    throw new UnstorableError(table, error);
  }
}

function assertStorable(table: number, value: unknown): void {
  try {
    assertPlain(value);
  } catch (error) {
    throw error instanceof NotPlainError ? new UnstorableError(table, error) : error;
  }
}
