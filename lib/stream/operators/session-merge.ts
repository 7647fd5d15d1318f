/**
 * The sessions of one key as rows come to them, one after the other: a row opens one of its own, comes to one that it overlaps or touches, or makes
 * one of several. Then the earliest takes in the others, in the order of their times, and the row is the last to come. So what comes out
 * does not depend on how rows are cut into batches.
 *
 * Sessions are kept in order; they neither overlap nor touch.
 */
import type { Slots } from '../graph/accumulator.ts';
import type { StoredSession } from './session-tables.ts';

export interface OpenSession {
  start: number;
  end: number;
  state: Slots;
  /** As it was stored; `undefined`: it is new. */
  readonly stored: StoredSession | undefined;
  /** Stored sessions that it has taken in. */
  readonly taken: StoredSession[];
  /** Which of the batch's sessions was first touched, in order; -1: no row has come to it. */
  touched: number;
}

export class KeySessions {
  readonly all: OpenSession[];

  /** @param stored in order */
  constructor(stored: readonly StoredSession[]) {
    this.all = stored.map((session) => ({
      start: session[0],
      end: session[1],
      state: session[2],
      stored: session,
      taken: [],
      touched: -1,
    }));
  }

  /** Those that `[start, end)` overlaps or touches, in order. */
  touching(start: number, end: number): readonly OpenSession[] {
    const { all } = this;
    const first = this.#firstEndingFrom(start);
    let behind = first;
    while (behind < all.length && all[behind]!.start <= end) behind++;
    return behind === first ? NONE : all.slice(first, behind);
  }

  /** A new session of `[start, end)`, which touches none. */
  open(start: number, end: number, state: Slots, touched: number): OpenSession {
    const session: OpenSession = { start, end, state, stored: undefined, taken: [], touched };
    this.all.splice(this.#firstEndingFrom(start), 0, session);
    return session;
  }

  /** Stretches the first of those that `[start, end)` touches over all of them. */
  join(touching: readonly OpenSession[], start: number, end: number, state: Slots, touched: number): OpenSession {
    const session = touching[0]!;
    if (session.touched < 0) session.touched = touched;
    for (const other of touching.slice(1)) {
      if (other.stored !== undefined) session.taken.push(other.stored);
      for (const gone of other.taken) session.taken.push(gone);
      if (other.touched >= 0 && other.touched < session.touched) session.touched = other.touched;
    }
    if (touching.length > 1) this.all.splice(this.all.indexOf(session) + 1, touching.length - 1);
    session.start = Math.min(session.start, start);
    session.end = Math.max(touching.at(-1)!.end, end);
    session.state = state;
    return session;
  }

  #firstEndingFrom(start: number): number {
    const { all } = this;
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (all[middle]!.end < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const NONE: readonly OpenSession[] = [];
