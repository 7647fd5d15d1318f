/**
 * How far the timed tables of a partition have forgotten (`log/forgotten.ts`), for whoever reads rows by address and for whoever
 * sees but state keys.
 *
 * ⚑ floors: they belong to the same snapshot as the rows: those of a manifest to its SSTs, those of log entries after it to the
 * rows in memory.
 */
import { type Forgotten, forgottenByBoth, NOTHING_FORGOTTEN } from '../log/forgotten.ts';
import { compareBytes } from '../util/bytes.ts';
import { timeRange } from './address.ts';

/** The floors of a partition in memory, at its position. */
export class Floors {
  #forgotten: Forgotten = NOTHING_FORGOTTEN;
  /** By table. */
  #upTo: number[] = [];

  get forgotten(): Forgotten {
    return this.#forgotten;
  }

  /** Rows of the table at or before this time are gone; `-Infinity`: none are. */
  of(table: number): number {
    return this.#upTo[table] ?? Number.NEGATIVE_INFINITY;
  }

  raise(forgotten: Forgotten): void {
    this.set(forgottenByBoth(this.#forgotten, forgotten));
  }

  set(forgotten: Forgotten): void {
    this.#forgotten = forgotten;
    this.#upTo = [];
    for (const [table, upTo] of forgotten) this.#upTo[table] = upTo;
  }
}

/** What is forgotten, by state key. */
export interface ForgottenKeys {
  has(stateKey: string): boolean;
  /** As {@link has}, of the state key `bytes[start]` up to `bytes[end]`. */
  hasBytes(bytes: Uint8Array, start: number, end: number): boolean;
  /** Whether all keys from the least to the greatest, both included, are forgotten. */
  hasAll(minKey: string, maxKey: string): boolean;
}

const NO_KEYS: ForgottenKeys = { has: () => false, hasBytes: () => false, hasAll: () => false };

export function forgottenKeys(forgotten: Forgotten): ForgottenKeys {
  if (forgotten.length === 0) return NO_KEYS;
  /** By table: state keys of forgotten rows are less. */
  const ends: (string | undefined)[] = [];
  const endBytes: (Buffer | undefined)[] = [];
  for (const [table, upTo] of forgotten) {
    const { to } = timeRange(table, upTo, upTo);
    ends[table] = to;
    endBytes[table] = Buffer.from(to, 'latin1');
  }
  const hasBytes = (bytes: Uint8Array, start: number, end: number): boolean => {
    const bound = start === end ? undefined : endBytes[bytes[start]!];
    return bound !== undefined && compareBytes(bytes, start, end, bound, 0, bound.length) < 0;
  };
  const has = (stateKey: string): boolean => {
    const end = ends[stateKey.charCodeAt(0)];
    return end !== undefined && stateKey < end;
  };
  // The floor of one table says nothing of the next.
  return { has, hasBytes, hasAll: (minKey, maxKey) => minKey.charCodeAt(0) === maxKey.charCodeAt(0) && has(maxKey) };
}
