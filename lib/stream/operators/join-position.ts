/**
 * Where a row stands among the buffered rows of its key: at its event time (or, in a join by window, the window's end), and behind
 * those that came before it. So the partners of a row are one range, and no two rows have one place.
 */
import { parseOrderedNumber } from '../../util/ordered.ts';
import { encodedLength, encodeKey } from './key.ts';

const NO_SLOT = '\x07\x01';

/** @param slot time, or a window's end; `NaN`: the row has none @param i the row's index in batch n */
export function positionOf(slot: number, n: number, i: number): string {
  return encodeKey([Number.isNaN(slot) ? null : slot, n, i]);
}

export function slotOf(position: string): number {
  return position.startsWith(NO_SLOT) ? Number.NaN : parseOrderedNumber(position, 2);
}

/** The first position that a row of this slot can have; `-Infinity`: no bound. */
export function firstOf(slot: number): string | undefined {
  return slot === -Infinity ? undefined : encodeKey([slot]);
}

/** Behind all positions of this slot, which numbers follow; `Infinity`: no bound. */
export function behind(slot: number): string | undefined {
  return slot === Infinity ? undefined : encodeKey([slot, '']);
}

/** What stands beside the due time of a row: its key, then its position. */
export function splitDue(due: string): readonly [key: string, position: string] {
  const end = encodedLength(due, 0);
  return [due.slice(0, end), due.slice(end)];
}
