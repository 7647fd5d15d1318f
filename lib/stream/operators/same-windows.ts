/**
 * The windows that rows say they came out of: `windowStart` and `windowEnd` in the row, whatever kind of window that was. Windows of one end
 * may begin at different times, so a window's address is its end, and behind the key of the row its start.
 */
import { KeyColumn } from '../../columns/key-column.ts';
import { type OperatorContext, OperatorFailure, type RowBatch } from '../graph/operator.ts';
import { decodeKey, encodedLength, encodeKey, type Key } from './key.ts';

/** Rows of a batch that are in open windows, by their index, in order; and by row its window. */
export interface RowWindows {
  readonly rows: readonly number[];
  readonly starts: Float64Array;
  readonly ends: Float64Array;
}

/**
 * @param onLate told each row whose window has ended by `late`
 * @param onBad told each row that has no window, and why
 */
export function rowWindows(
  batch: RowBatch,
  late: number,
  onLate: (i: number) => void,
  onBad: (i: number, why: TypeError) => void,
): RowWindows {
  const rows: number[] = [];
  const starts = new Float64Array(batch.count);
  const ends = new Float64Array(batch.count);
  for (let i = 0; i < batch.count; i++) {
    const row = batch.peek(i) as { readonly windowStart?: unknown; readonly windowEnd?: unknown } | null | undefined;
    const [start, end] = [row?.windowStart, row?.windowEnd];
    if (!isWindow(start, end)) {
      onBad(i, noWindow(start, end));
      continue;
    }
    starts[i] = start as number;
    ends[i] = end as number;
    if (ends[i]! <= late) onLate(i);
    else rows.push(i);
  }
  return { rows, starts, ends };
}

/** Refuses rows that have no window. @param operator its name, for errors */
export function refuseBad(batch: RowBatch, context: OperatorContext, operator: string) {
  return (i: number, why: TypeError): void =>
    context.refuse(new OperatorFailure(operator, batch.row(i), i, why), batch);
}

function isWindow(start: unknown, end: unknown): boolean {
  return typeof start === 'number' && typeof end === 'number' && Number.isFinite(end - start) && end > start;
}

function noWindow(start: unknown, end: unknown): TypeError {
  return new TypeError(
    `sameWindow() needs rows with a windowStart and a later windowEnd, in epoch ms, as a windowed operator gives them; here they are ${shown(start)} and ${shown(end)}`,
  );
}

function shown(time: unknown): string {
  return typeof time === 'object' && time !== null ? 'an object' : String(time);
}

/** By row of a batch: the key of its group, key and start one behind the other. Without a window it has none. */
export function groupKeys(keys: KeyColumn, { rows, starts }: RowWindows): KeyColumn {
  const column = new KeyColumn(keys.count, 32);
  let start = Number.NaN;
  let encoded = '';
  for (const i of rows) {
    while (column.count < i) column.push('');
    if (starts[i] !== start) {
      start = starts[i]!;
      encoded = encodeKey(start);
    }
    column.push(keys.text(i) + encoded);
  }
  return column;
}

/** What {@link groupKeys} were made of. */
export function splitGroupKey(groupKey: string): { readonly key: Key; readonly windowStart: number } {
  const end = encodedLength(groupKey, 0);
  return { key: decodeKey(groupKey.slice(0, end)), windowStart: decodeKey(groupKey.slice(end)) as number };
}
