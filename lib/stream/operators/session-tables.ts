/**
 * Where sessions lie between batches. Rows mostly come to the session of their key that ends last, so that one is the key's own row: found
 * by one lookup a key. Sessions before it are in an ordered table by their end, of which a range is read, and only where a row is as early as they are.
 * A timed table says which sessions end when: those that are over are a range of it.
 *
 * Sessions of a key neither overlap nor touch, so a session's end tells it from all others of its key.
 */
import { eachChunk, eachWhile } from '../../util/chunks.ts';
import type { Slots } from '../graph/accumulator.ts';
import type { OperatorContext } from '../graph/operator.ts';
import type { OrderedTable, StateTable, TableSpec } from '../graph/tables.ts';
import type { GroupFold } from './fold.ts';
import { encodeKey } from './key.ts';
import { after as then } from './when-loaded.ts';

export type StoredSession = readonly [start: number, end: number, state: Slots];
/** With the greatest end of the key's other sessions, {@link NONE} if there are none; it may name one that is gone. */
export type LastSession = readonly [...StoredSession, earlier: number];

/** Before all times. */
export const NONE = -8.64e15;

/** A row of state: start, end, earlier, and the slots of the state behind them, so that a row of numbers is one. */
const SLOTS = 3;

/** By key: the session that ends last. */
export const LAST = 0;
/** By key and end: the others. */
const EARLIER = 1;
/** By end and key: all of them. */
export const ENDS = 2;

export function sessionTables({ numbers }: GroupFold): readonly TableSpec[] {
  const shape = numbers && { width: SLOTS + numbers.width, blank: [0, 0, NONE, ...numbers.create()] };
  return [
    { name: 'sessions', kind: 'keyed', ...shape },
    { name: 'earlier', kind: 'ordered' },
    { name: 'ends', kind: 'timed' },
  ];
}

/** Of a row of either table. */
export function sessionIn(row: readonly unknown[]): StoredSession {
  return [row[0] as number, row[1] as number, row.slice(SLOTS)];
}

export class SessionTables {
  readonly #last: StateTable<readonly unknown[]>;
  readonly #earlier: OrderedTable<readonly unknown[]>;
  readonly #ends: StateTable<null>;

  constructor(context: OperatorContext) {
    this.#last = context.tables[LAST] as StateTable<readonly unknown[]>;
    this.#earlier = context.ordered(EARLIER) as OrderedTable<readonly unknown[]>;
    this.#ends = context.tables[ENDS] as StateTable<null>;
  }

  /** Brings the last sessions of keys near. */
  load(keys: readonly string[]): Promise<void> | undefined {
    return this.#last.load(keys);
  }

  last(key: string): LastSession | undefined {
    const row = this.#last.get(key, 0);
    return row && [...sessionIn(row), row[2] as number];
  }

  putLast(key: string, [start, end, state]: StoredSession, earlier: number): void {
    this.#last.put(key, 0, [start, end, earlier, ...state]);
  }

  /**
   * Sessions before the last of a key that end at or after `from` and begin at or before `to`, in order. How far beyond `to` the last of them
   * ends is not known: what is read grows until a session is found that begins there.
   * @param greatest no session ends later
   */
  earlier(
    key: string,
    [from, to]: readonly [from: number, to: number],
    greatest: number,
    see: (session: StoredSession) => void,
  ): Promise<void> | undefined {
    let isFound = false;
    const seek = (first: number, end: number): Promise<void> | undefined => {
      const range = this.#earlier.range(key, encodeKey(first), end > greatest ? undefined : encodeKey(end));
      const seen = eachWhile(range, ({ row }) => {
        const session = sessionIn(row);
        isFound = session[0] > to;
        if (!isFound) see(session);
        return !isFound;
      });
      return then(seen, () => (isFound || end > greatest ? undefined : seek(end, end + 8 * (end - from))));
    };
    return seek(from, to + 4 * (to - from));
  }

  putEarlier(key: string, [start, end, state]: StoredSession): void {
    this.#earlier.put(key, encodeKey(end), [start, end, NONE, ...state]);
  }

  putEnd(key: string, end: number): void {
    this.#ends.put(key, end, null);
  }

  /** Takes a session out; that it is the last of its key, the key's row says. */
  remove(key: string, end: number, isLast: boolean): void {
    this.#ends.delete(key, end);
    if (!isLast) this.#earlier.delete(key, encodeKey(end));
  }

  /**
   * Sessions with `after < end ≤ upTo`, by end, then key.
   * @param take whether they are taken out of the tables; their ends are left to {@link forget}
   */
  ending(
    after: number,
    upTo: number,
    take: boolean,
    see: (key: string, session: StoredSession) => void,
  ): Promise<void> | undefined {
    return eachChunk(this.#ends.scan(after, upTo), (chunk) => {
      const loading = then(this.load(chunk.map(({ key }) => key)), () => {
        const others = chunk.filter(({ key, time }) => this.#last.get(key, 0)![1] !== time);
        if (others.length === 0) return undefined;
        const keys = others.map(({ key }) => key);
        return this.#earlier.load(
          keys,
          others.map(({ time }) => encodeKey(time)),
        );
      });
      return then(loading, () => {
        for (const { key, time } of chunk) this.#see(key, time, take, see);
        return undefined;
      });
    });
  }

  forget(upTo: number): void {
    this.#ends.forget(upTo);
  }

  #see(key: string, end: number, take: boolean, see: (key: string, session: StoredSession) => void): void {
    const last = this.#last.get(key, 0);
    if (last?.[1] === end) {
      if (take) this.#last.delete(key, 0);
      see(key, sessionIn(last));
      return;
    }
    const position = encodeKey(end);
    const session = sessionIn(this.#earlier.get(key, position)!);
    if (take) this.#earlier.delete(key, position);
    see(key, session);
  }
}
