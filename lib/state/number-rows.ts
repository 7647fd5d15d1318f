/**
 * Rows of numbers as columns, straight from memory: those that the present batch has changed as it has left them. No object is made for a
 * row.
 */
import { KeyColumn } from '../columns/key-column.ts';
import type { NumberRows } from '../stream/graph/tables.ts';
import type { SortedAddresses } from './address-table.ts';
import { DELETED, type TableChanges } from './changes.ts';
import { PREFETCH_KEYS, type TableRows } from './table-rows.ts';

type Changed = Pick<TableChanges, 'rows' | 'numbers'>;

const CHUNK_ROWS = 8 * PREFETCH_KEYS;

/**
 * @param rows all of them numbers
 * @param addresses of rows and places; the rows come in this order
 * @param changes of the batch that touches these rows, all of them numbers or deleted; `undefined`: there are none
 * @param found told how many rows a chunk has found in memory
 */
export function* numberRows(
  rows: TableRows,
  addresses: Iterable<SortedAddresses>,
  changes: Changed | undefined,
  found: (count: number) => void,
): Generator<NumberRows, void, undefined> {
  const { width } = rows;
  const keys = new KeyColumn(CHUNK_ROWS);
  const times = new Float64Array(CHUNK_ROWS);
  const numbers = new Float64Array(CHUNK_ROWS * width);
  for (const { time, ids, keys: all, order } of addresses) {
    times.fill(time);
    for (let first = 0; first < ids.length; first += CHUNK_ROWS) {
      keys.truncate(0);
      let stored = 0;
      const end = Math.min(ids.length, first + CHUNK_ROWS);
      for (let i = first; i < end; i++) {
        if (i % PREFETCH_KEYS === 0) rows.prefetchRows(ids, i);
        const id = ids[i]!;
        const isStored = rows.has(id);
        if (isStored) stored++;
        if (copyRow(rows, id, isStored, changes, numbers, keys.count * width)) keys.pushFrom(all, order[i]!);
      }
      found(stored);
      if (keys.count > 0) yield { count: keys.count, keys, times, numbers };
    }
  }
}

/** @returns false: there is none */
function copyRow(
  rows: TableRows,
  id: number,
  isStored: boolean,
  changes: Changed | undefined,
  to: Float64Array,
  at: number,
): boolean {
  const { width } = rows;
  const place = changes !== undefined && rows.isTouched(id) ? rows.place(id) : -1;
  const change = place < 0 ? undefined : changes!.rows[place];
  if (change === undefined) {
    if (isStored) rows.copyTo(id, to, at);
    return isStored;
  }
  if (change === DELETED) return false;
  for (let j = 0; j < width; j++) to[at + j] = changes!.numbers[place * width + j]!;
  return true;
}
