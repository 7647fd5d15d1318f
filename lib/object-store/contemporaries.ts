/**
 * Requests that were sent at about the same time: when nine of ten of them are answered, the others are late. That holds whatever they have
 * waited for besides the store: where a thread sends some hundred requests in a row, all of their answers wait for it, and what took long before
 * says little of them.
 */

/** Sent in so many ms. */
const SAME_TIME_MS = 5;
const MOST = 64;
/** Of fewer than this nothing is told. */
const LEAST = 10;
/** Share of those that are late. */
const LATE = 0.1;

/** One request. */
export interface Contemporary {
  readonly group: Group;
  /** Called when most of its group are answered, and it is not. */
  readonly onLate: () => void;
}

interface Group {
  readonly sinceMs: number;
  sent: number;
  readonly left: Set<Contemporary>;
}

export class Contemporaries {
  #group: Group | undefined;

  /** A request is sent. @param onLate called at most once */
  sent(nowMs: number, onLate: () => void): Contemporary {
    let group = this.#group;
    if (group === undefined || group.sent === MOST || nowMs - group.sinceMs > SAME_TIME_MS) {
      group = { sinceMs: nowMs, sent: 0, left: new Set() };
      this.#group = group;
    }
    const one = { group, onLate };
    group.sent++;
    group.left.add(one);
    return one;
  }

  /** It is answered, or has failed. */
  answered(one: Contemporary, nowMs: number): void {
    const { sinceMs, sent, left } = one.group;
    left.delete(one);
    // Others may still be sent.
    if (sent < MOST && nowMs - sinceMs <= SAME_TIME_MS) return;
    if (sent < LEAST || left.size > sent * LATE) return;
    for (const { onLate } of left) onLate();
    left.clear();
  }
}
