/**
 * What rows, keys and state are made of: null, booleans, numbers, bigints, strings, `Date`, `Uint8Array`, arrays and plain
 * objects. Anything else (a `Map`, a function, an instance of a class) would come back from the store as something else, so
 * it is refused, with its place, before it gets there.
 */
import { types } from 'node:util';
import { cutText } from './text.ts';

/** Levels of arrays and objects in one another. Rows of an input may have half as many, as state may hold them in its own. */
export const MAX_DEPTH = 1000;
/** What is written wraps values in a few levels of its own. */
export const MAX_WRITTEN_DEPTH = MAX_DEPTH + 16;

/** A value that is no plain data. The message names what it is, where, and what to use. */
export class NotPlainError extends TypeError {
  /** Place in the value, such as `.meta.tags[0]`; `''`: the value itself. */
  readonly path: string;

  constructor(what: string, path: string, advice: string, whole = 'rows and state are plain data; ') {
    super(`${what}${path === '' ? '' : ` at ${path}`}: ${whole}${advice}`);
    this.name = 'NotPlainError';
    this.path = path;
  }
}

/** Throws for what is no plain data; looks at every value within. @throws {NotPlainError} */
export function assertPlain(value: unknown): void {
  if (!isPlain(value, 0)) throw notPlain(value, MAX_DEPTH);
}

/** An object that was made by `{…}`, `JSON.parse` or `Object.create(null)`, also in another realm. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  // Object.prototype of another realm: tests often run in one of their own.
  return (
    typeof prototype === 'object' &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype as object, 'hasOwnProperty')
  );
}

/** An array and no subclass of it. */
export function isPlainArray(value: readonly unknown[]): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Array.prototype || (Array.isArray(prototype) && value.constructor?.name === 'Array');
}

function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'object':
      break;
    case 'function':
    case 'symbol':
      return false;
    default:
      return true;
  }
  if (value === null) return true;
  if (depth === MAX_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!isPlain(value[i], depth + 1)) return false;
    return isPlainArray(value);
  }
  if (isPlainObject(value)) {
    for (const name in value) if (!isPlain((value as Record<string, unknown>)[name], depth + 1)) return false;
    return true;
  }
  return types.isDate(value) || types.isUint8Array(value);
}

/** Why a value is no plain data: for the first such place in it. */
export function notPlain(value: unknown, maxDepth = MAX_DEPTH): NotPlainError {
  const path: string[] = [];
  const fault = find(value, path, maxDepth);
  if (fault === undefined) return new NotPlainError('a value that cannot be stored', '', 'use other values');
  return new NotPlainError(fault.what, cutText(path.reverse().join(''), 200), fault.advice);
}

/**
 * Throws for what JSON would change or lose without a word: what is no plain data, `NaN` and infinities, bigints, bytes,
 * dates that are none, `undefined` within an array. A `Date` becomes ISO 8601 text; a property that is `undefined` is absent.
 * @throws {NotPlainError}
 */
export function assertJson(value: unknown): void {
  const path: string[] = [];
  const fault = find(value, path, MAX_DEPTH, lostInJson);
  if (fault === undefined) return;
  throw new NotPlainError(fault.what, cutText(path.reverse().join(''), 200), fault.advice, '');
}

function lostInJson(value: unknown, inArray: boolean): Fault | undefined {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? undefined : { what: String(value), advice: 'use null, or text' };
    case 'bigint':
      return { what: 'a bigint', advice: 'use a number, or text' };
    case 'undefined':
      return inArray ? { what: 'undefined', advice: 'use null' } : undefined;
    case 'object':
      if (types.isDate(value) && Number.isNaN(value.getTime()))
        return { what: 'a Date that is none', advice: 'use null' };
      return types.isUint8Array(value) ? { what: `a ${className(value)}`, advice: 'use text, as base64' } : undefined;
    default:
      return undefined;
  }
}

interface Fault {
  readonly what: string;
  readonly advice: string;
}

/**
 * @param path gets the way to what was found, its last step first @param levels that are left
 * @param more what else is a fault
 */
function find(
  value: unknown,
  path: string[],
  levels: number,
  more?: (value: unknown, inArray: boolean) => Fault | undefined,
  inArray = false,
): Fault | undefined {
  const other = more?.(value, inArray);
  if (other !== undefined) return other;
  if (typeof value === 'function') return { what: 'a function', advice: 'leave it out' };
  if (typeof value === 'symbol') return { what: 'a symbol', advice: 'use a string' };
  if (typeof value !== 'object' || value === null) return undefined;
  if (levels === 0) {
    const advice = 'make it flatter (does it hold itself?)';
    return { what: `a value more than ${MAX_DEPTH} levels deep`, advice };
  }
  const plainArray = Array.isArray(value) && isPlainArray(value);
  if (!plainArray && (Array.isArray(value) || !isPlainObject(value))) {
    return types.isDate(value) || types.isUint8Array(value) ? undefined : ofClass(value);
  }
  // A hole of an array is undefined.
  for (const name of plainArray && more !== undefined ? value.keys() : Object.keys(value)) {
    const fault = find((value as Record<string, unknown>)[name], path, levels - 1, more, plainArray);
    if (fault === undefined) continue;
    path.push(step(String(name), plainArray));
    return fault;
  }
  return undefined;
}

function ofClass(value: object): Fault {
  const name = className(value);
  const what = `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${cutText(name, 60)}`;
  if (types.isPromise(value)) return { what, advice: 'use the value it stands for' };
  if (types.isMap(value)) return { what, advice: 'use an object or an array' };
  if (types.isSet(value)) return { what, advice: 'use an array' };
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value))
    return { what, advice: 'use an array or a Uint8Array' };
  return { what, advice: 'use an object of its values' };
}

function className(value: object): string {
  const maker: unknown = value.constructor;
  const name = typeof maker === 'function' ? maker.name : '';
  return name === '' || name === 'Object' ? 'value of a class' : name;
}

function step(name: string, inArray: boolean): string {
  if (inArray) return `[${name}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(cutText(name, 60))}]`;
}

/** Sets a property whatever its name: assigning to `__proto__` would change the prototype instead. */
export function setProperty(object: object, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  } else {
    (object as Record<string, unknown>)[name] = value;
  }
}
