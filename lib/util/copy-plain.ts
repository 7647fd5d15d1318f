/** Copies of plain data (`util/plain-data.ts`): what rows, keys and state are made of. */
import { types } from 'node:util';
import { assertPlain, isPlainObject, notPlain } from './plain-data.ts';

/**
 * A deep copy of plain data; many times faster than `structuredClone` for the small values rows and state are made of.
 * @throws {NotPlainError}
 */
export function copyPlain<V>(value: V): V {
  if (typeof value !== 'object' || value === null) return value;
  try {
    return copy(value) as V;
  } catch {
    // What is in the way was found within: said of the whole, with its place. So is a value without end.
    throw notPlain(value);
  }
}

/** As {@link copyPlain}, of what a function of the user gives to be kept: functions and symbols in it are found, too. @throws {NotPlainError} */
export function copyChecked<V>(value: V): V {
  const copied = copyPlain(value);
  assertPlain(copied);
  return copied;
}

function copy(value: object): unknown {
  if (Array.isArray(value)) {
    const to: unknown[] = value.slice();
    for (let i = 0; i < to.length; i++) {
      const item = to[i];
      if (typeof item === 'object' && item !== null) to[i] = copy(item);
    }
    return to;
  }
  if (isPlainObject(value)) {
    // The machine copies an object's shape at once; what is nested is copied over what is shared by then. Names that the
    // copy has are its own, so that `__proto__` is one like others.
    const to: Record<string, unknown> = { ...value };
    for (const name in to) {
      const item = to[name];
      if (typeof item === 'object' && item !== null) to[name] = copy(item);
    }
    return to;
  }
  if (types.isDate(value)) return new Date(value.getTime());
  if (types.isUint8Array(value)) return Buffer.isBuffer(value) ? Buffer.from(value) : Uint8Array.from(value);
  throw notPlain(value);
}
