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
import { encodeKey } from './key.ts';
import { after as then } from './when-loaded.ts';

export type StoredSession = readonly [start: number, end: number, state: Slots];
/** With the greatest end of the key's other sessions; it may name one that is gone. `null`: there are none. */
export type LastSession = readonly [...StoredSession, earlier: number | null];

/** By key: the session that ends last. */
export const LAST = 0;
/** By key and end: the others. */
const EARLIER = 1;
/** By end and key: all of them. */
export const ENDS = 2;

export const SESSION_TABLES: readonly TableSpec[] = [
  { name: 'sessions', kind: 'keyed' },
  { name: 'earlier', kind: 'ordered' },
  { name: 'ends', kind: 'timed' },
];

export class SessionTables {
  readonly last: StateTable<LastSession>;
  readonly #earlier: OrderedTable<StoredSession>;
  readonly #ends: StateTable<null>;

  constructor(context: OperatorContext) {
    this.last = context.tables[LAST] as StateTable<LastSession>;
    this.#earlier = context.ordered(EARLIER) as OrderedTable<StoredSession>;
    this.#ends = context.tables[ENDS] as StateTable<null>;
  }

  /** Sessions before the last of a key that end at or after `from` and begin at or before `to`, in order. */
  earlier(key: string, from: number, to: number, see: (session: StoredSession) => void): Promise<void> | undefined {
    return eachWhile(this.#earlier.range(key, encodeKey(from)), ({ row }) => {
      if (row[0] > to) return false;
      see(row);
      return true;
    });
  }

  putEarlier(key: string, session: StoredSession): void {
    this.#earlier.put(key, encodeKey(session[1]), session);
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
      const loading = then(this.last.load(chunk.map(({ key }) => key)), () => {
        const others = chunk.filter(({ key, time }) => this.last.get(key, 0)![1] !== time);
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
    const last = this.last.get(key, 0);
    if (last?.[1] === end) {
      if (take) this.last.delete(key, 0);
      see(key, [last[0], last[1], last[2]]);
      return;
    }
    const position = encodeKey(end);
    const session = this.#earlier.get(key, position)!;
    if (take) this.#earlier.delete(key, position);
    see(key, session);
  }
}
