/**
 * Joins of two streams as the contract has them, the plainest way: every row that ever came is kept, every pair is tried, and
 * a row without partner comes out when nothing that is not late can be one. Written from the contract alone.
 */
export interface JoinRow {
  readonly k: string | null;
  readonly t: number;
  readonly i: number;
  readonly x: number;
}

export interface JoinCase {
  readonly type: 'inner' | 'left' | 'right' | 'full' | 'leftSemi';
  readonly near:
    | { readonly kind: 'within'; readonly before: number; readonly after: number }
    | { readonly kind: 'window'; readonly size: number; readonly slide: number }
    | { readonly kind: 'all' };
  readonly where: boolean;
  /** `where` throws on rows that are {@link isBad}. */
  readonly throws: boolean;
  readonly whereLeft: boolean;
  readonly whereRight: boolean;
  readonly eventTime: 'left' | 'right' | 'later' | undefined;
  /** Which sides have a watermark. */
  readonly watermarks: 'both' | 'left' | 'right' | 'none';
}

export const isPair = (l: JoinRow, r: JoinRow): boolean => (l.x + r.x) % 3 !== 0;
export const isLeft = (l: JoinRow): boolean => l.x % 4 !== 0;
export const isRight = (r: JoinRow): boolean => r.x % 5 !== 0;

export const isBad = (row: JoinRow): boolean => row.x === 7;

export interface JoinResult {
  readonly l: number | null;
  readonly r: number | null;
  readonly end: number | null;
  readonly time: number;
}

/** A row in one of its places: at its time, or in one of its windows. */
interface Placed {
  readonly row: JoinRow;
  readonly end: number | null;
  hasPartner: boolean;
  isOut: boolean;
}

type Side = 'left' | 'right';

export class JoinModel {
  readonly #case: JoinCase;
  readonly #placed: Record<Side, Placed[]> = { left: [], right: [] };
  #watermark = -Infinity;
  #closed = -Infinity;

  constructor(joinCase: JoinCase) {
    this.#case = joinCase;
  }

  /** @param watermark of this batch, known before it @returns results, and how many rows are late, and refused */
  batch(
    rows: { readonly left: readonly JoinRow[]; readonly right: readonly JoinRow[] },
    watermark: number,
    flush = false,
  ): { results: JoinResult[]; late: number; refused: number } {
    this.#watermark = Math.max(this.#watermark, watermark, this.#closed);
    const results: JoinResult[] = [];
    let late = 0;
    let refused = 0;
    for (const side of ['left', 'right'] as const) {
      const refuses = new Set(rows[side].filter((row) => this.#isRefused(side, row)));
      for (const row of rows[side]) {
        const places = this.#places(side, row);
        if (places.length === 0) late++;
        else if (!this.#admits(side, row)) {
          if (this.#isPreserved(side)) for (const end of places) results.push(this.#alone(side, row, end));
        } else if (refuses.has(row)) refused++;
        else for (const end of places) this.#place(side, { row, end, hasPartner: false, isOut: false }, results);
      }
    }
    for (const side of ['left', 'right'] as const) results.push(...this.#comeOut(side, flush));
    return { results, late, refused };
  }

  #places(side: Side, row: JoinRow): (number | null)[] {
    const { near, watermarks } = this.#case;
    if (near.kind === 'all') return [null];
    if (near.kind === 'within') {
      const own = watermarks === 'both' || watermarks === side ? this.#watermark : -Infinity;
      return row.t <= Math.max(own, this.#closed) ? [] : [null];
    }
    const late = watermarks === 'none' ? this.#closed : this.#watermark;
    const ends: number[] = [];
    const first = Math.floor(row.t / near.slide) * near.slide + near.size;
    for (let end = first; end - near.size <= row.t && end > row.t; end -= near.slide) if (end > late) ends.push(end);
    return ends;
  }

  #admits(side: Side, row: JoinRow): boolean {
    if (side === 'left') return !this.#case.whereLeft || isLeft(row);
    return !this.#case.whereRight || isRight(row);
  }

  #isPreserved(side: Side): boolean {
    return this.#case.type === 'full' || this.#case.type === side;
  }

  #place(side: Side, placed: Placed, results: JoinResult[]): void {
    const partners = this.#placed[side === 'left' ? 'right' : 'left'];
    for (const partner of partners) {
      const [l, r] = side === 'left' ? [placed, partner] : [partner, placed];
      if (!this.#isPair(l, r)) continue;
      if (this.#case.type !== 'leftSemi') results.push(this.#result(l.row, r.row, l.end));
      else if (!l.hasPartner) results.push({ ...this.#result(l.row, r.row, l.end), r: null });
      l.hasPartner = true;
      r.hasPartner = true;
    }
    this.#placed[side].push(placed);
  }

  /** A function throws on the row and a partner of it, who is still there. */
  #isRefused(side: Side, row: JoinRow): boolean {
    if (!this.#case.throws) return false;
    const partners = this.#placed[side === 'left' ? 'right' : 'left'].filter(
      ({ hasPartner }) => this.#case.type !== 'leftSemi' || side === 'left' || !hasPartner,
    );
    return this.#places(side, row).some((end) => {
      const placed = { row, end, hasPartner: false, isOut: false };
      return partners.some((partner) => {
        const isNear = side === 'left' ? this.#isNear(placed, partner) : this.#isNear(partner, placed);
        return isNear && (isBad(row) || isBad(partner.row));
      });
    });
  }

  #isNear(l: Placed, r: Placed): boolean {
    const { near } = this.#case;
    if (l.row.k !== r.row.k || l.end !== r.end || l.isOut || r.isOut) return false;
    return near.kind !== 'within' || (l.row.t - near.before <= r.row.t && r.row.t <= l.row.t + near.after);
  }

  #isPair(l: Placed, r: Placed): boolean {
    return this.#isNear(l, r) && (!this.#case.where || isPair(l.row, r.row));
  }

  #result(l: JoinRow, r: JoinRow, end: number | null): JoinResult {
    const { eventTime, type } = this.#case;
    const of = eventTime ?? (type === 'leftSemi' ? 'left' : 'later');
    const time = end !== null ? end - 1 : of === 'left' ? l.t : of === 'right' ? r.t : Math.max(l.t, r.t);
    return { l: l.i, r: r.i, end, time };
  }

  #alone(side: Side, { i, t }: JoinRow, end: number | null): JoinResult {
    const time = end === null ? t : end - 1;
    return side === 'left' ? { l: i, r: null, end, time } : { l: null, r: i, end, time };
  }

  /** Rows of a preserved side whose wait is over; a flush ends it for all of them. */
  #comeOut(side: Side, flush: boolean): JoinResult[] {
    if (!this.#isPreserved(side)) return [];
    const out: JoinResult[] = [];
    for (const placed of this.#placed[side]) {
      const { near } = this.#case;
      if (placed.isOut || near.kind === 'all') continue;
      const wait = near.kind === 'window' ? 0 : side === 'left' ? near.after : near.before;
      const due = (placed.end ?? placed.row.t) + wait;
      if (!flush && due > this.#watermark) continue;
      placed.isOut = true;
      if (flush) this.#closed = Math.max(this.#closed, due);
      if (!placed.hasPartner) out.push(this.#alone(side, placed.row, placed.end));
    }
    return out;
  }
}
