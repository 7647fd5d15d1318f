/**
 * Where a row of state is: (table, time, key), and how that becomes the key of log entries and SSTs:
 *
 *     table number, 1 byte | time, 8 bytes in order (timed tables only) | key | position (ordered tables only)
 *
 * so that a table is one range, rows that end at the same time lie side by side, to be scanned when they close, and rows of one key
 * in an ordered table lie in the order of their positions. Of these, key and position together are what is called key here.
 */
import type { TableSpec } from '../stream/graph/tables.ts';
import { orderedNumber, parseOrderedNumber, putOrderedNumber, readOrderedNumber } from '../util/ordered.ts';

export type TableKind = TableSpec['kind'];

/** Sorts behind every key with the same beginning (keys begin with a tag far below 0xff). */
const AFTER_ALL_KEYS = '\xff';

/** What comes before the key in a state key. */
export function addressPrefix(table: number, kind: TableKind, time: number): string {
  const number = String.fromCharCode(table);
  return kind === 'timed' ? number + orderedNumber(time) : number;
}

/** As {@link addressPrefix}, as bytes: 9 of timed tables, else 1. */
export function putAddressPrefix(to: Uint8Array, table: number, kind: TableKind, time: number): void {
  to[0] = table;
  if (kind === 'timed') putOrderedNumber(to, 1, time);
}

export interface Address {
  readonly table: number;
  readonly time: number;
  readonly key: string;
}

/** @param kinds kinds of the partition's tables, by number */
export function parseAddress(stateKey: string, kinds: readonly TableKind[]): Address {
  const table = stateKey.charCodeAt(0);
  const kind = kinds[table];
  if (kind === undefined) throw new RangeError(`state of a table number ${table} that the job does not have`);
  return kind === 'timed'
    ? { table, time: parseOrderedNumber(stateKey, 1), key: stateKey.slice(9) }
    : { table, time: 0, key: stateKey.slice(1) };
}

/** As {@link parseAddress}, of a state key that begins at `bytes[start]`, but for the key: it begins at `bytes[keyStart]`. */
export function stateKeyPlace(
  bytes: Uint8Array,
  start: number,
  kinds: readonly TableKind[],
): { readonly table: number; readonly time: number; readonly keyStart: number } {
  const table = bytes[start]!;
  const kind = kinds[table];
  if (kind === undefined) throw new RangeError(`state of a table number ${table} that the job does not have`);
  return kind === 'timed'
    ? { table, time: readOrderedNumber(bytes, start + 1), keyStart: start + 9 }
    : { table, time: 0, keyStart: start + 1 };
}

/** State keys of rows with `after < time ≤ upTo` are in [from, to), along with some of time `after`. */
export function timeRange(table: number, after: number, upTo: number): { from: string; to: string } {
  return {
    from: addressPrefix(table, 'timed', after),
    to: addressPrefix(table, 'timed', upTo) + AFTER_ALL_KEYS,
  };
}

/** State keys of an ordered table's rows of a key at positions in [from, to); `undefined`: no bound. */
export function positionRange(
  table: number,
  key: string,
  from: string | undefined,
  to: string | undefined,
): { from: string; to: string } {
  const prefix = addressPrefix(table, 'ordered', 0) + key;
  return { from: prefix + (from ?? ''), to: prefix + (to ?? AFTER_ALL_KEYS) };
}

/** All of a keyed table. */
export function tableRange(table: number): { from: string; to: string } {
  return { from: String.fromCharCode(table), to: String.fromCharCode(table + 1) };
}
