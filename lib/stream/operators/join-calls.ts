/**
 * Calls the functions of a join. They get copies: buffered rows belong to their table, and a row of the batch goes there, too. What they
 * throw comes out as it is.
 */
import { copyPlain } from '../../util/copy-plain.ts';
import type { Calls } from '../graph/calls.ts';
import type { UserFunction } from '../graph/user-function.ts';
import { type JoinSpec, LEFT, type Port } from './join-spec.ts';
import { decodeKey, type Key } from './key.ts';

/** What {@link JoinCalls.pair} gives of rows that are no pair. */
export const NO_PAIR = Symbol('no pair');

export interface JoinCalls {
  /** Whether a row meets the condition on its side alone. */
  admits(port: Port, row: unknown): boolean;
  /** The result of a pair, or {@link NO_PAIR}. @param slot in a join by window, its end */
  pair(left: unknown, right: unknown, key: string, slot: number): unknown;
  /** The result of a row without a partner. */
  alone(port: Port, row: unknown, key: string, slot: number): unknown;
}

type Call = (...args: readonly unknown[]) => unknown;

export function joinCalls({ where, whereOwn, select, near, type }: JoinSpec, calls: Calls): JoinCalls {
  const called = (f: UserFunction | undefined): Call | undefined => {
    if (f === undefined) return undefined;
    // Looked at as one row that holds all arguments.
    const call = calls.reads((args) => (f as unknown as Call)(...(args as readonly unknown[])));
    return (...args) => call(args);
  };
  const isPair = called(where);
  const own = whereOwn.map(called);
  const result = called(select);
  const sizeMs = near.kind === 'window' ? near.window.sizeMs : undefined;
  const keys = keyCache();
  const at = (key: string, slot: number): object => {
    const decoded = keys(key);
    return sizeMs === undefined ? { key: decoded } : { key: decoded, windowStart: slot - sizeMs, windowEnd: slot };
  };
  return {
    admits: (port, row) => own[port] === undefined || Boolean(own[port](copyPlain(row))),
    pair(left, right, key, slot) {
      const [l, r] = [copyPlain(left), copyPlain(right)];
      if (isPair !== undefined && !isPair(l, r, { key: keys(key) })) return NO_PAIR;
      if (result === undefined) return l;
      return type === 'leftSemi' ? result(l, at(key, slot)) : result(l, r, at(key, slot));
    },
    alone(port, row, key, slot) {
      const copy = copyPlain(row);
      return port === LEFT ? result!(copy, null, at(key, slot)) : result!(null, copy, at(key, slot));
    },
  };
}

/** Decodes the key that was asked for last once; parts of an array are given anew. */
function keyCache(): (encoded: string) => Key {
  let last: string | undefined;
  let key: Key = null;
  return (encoded) => {
    if (encoded !== last) {
      key = decodeKey(encoded);
      last = encoded;
    }
    return Array.isArray(key) ? [...key] : key;
  };
}
