/** Copies of plain data (`util/plain-data.ts`): what rows, keys and state are made of. */

import { isPlainObject, notPlain, setProperty } from '../util/plain-data.ts';

/** A deep copy of plain data; several times faster than `structuredClone` for the small values state is made of. @throws {NotPlainError} */
export function copyPlain<V>(value: V): V {
  return copy(value) as V;
}

function copy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  if (value instanceof Date) return new Date(value.getTime());
  if (value instanceof Uint8Array) return Buffer.isBuffer(value) ? Buffer.from(value) : Uint8Array.from(value);
  if (!isPlainObject(value)) throw notPlain(value);
  const to: Record<string, unknown> = {};
  for (const name of Object.keys(value)) setProperty(to, name, copy((value as Record<string, unknown>)[name]));
  return to;
}
