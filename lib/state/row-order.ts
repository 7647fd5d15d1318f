/** The order in which rows of a timed table are shown. */
import type { ScannedRow } from '../stream/graph/tables.ts';

export function byTimeAndKey(a: Omit<ScannedRow<unknown>, 'row'>, b: Omit<ScannedRow<unknown>, 'row'>): number {
  return a.time - b.time || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}
