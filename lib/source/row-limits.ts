/**
 * What a row may be, checked where rows come in, so that one that no batch could carry is set aside with its reason instead of
 * failing the batch, again and again, deep within.
 */
import { types } from 'node:util';
import { isPlainArray, isPlainObject, MAX_DEPTH, notPlain } from '../util/plain-data.ts';

/** Levels of arrays and objects in one another; state may nest rows deeper, in its own. */
export const MAX_ROW_DEPTH = MAX_DEPTH / 2;
/** Properties of one object. */
export const MAX_PROPERTIES = 100_000;
/** Size of a row: its text, or what it would about be. */
export const MAX_ROW_BYTES = 64 * 1024 * 1024;

/** Why a row cannot be taken: too deep, too wide, too large, no plain data. */
export function rowFault(row: unknown): string | undefined {
  const walk = { left: MAX_ROW_BYTES };
  const fault = find(row, MAX_ROW_DEPTH, walk);
  return fault === NOT_PLAIN ? notPlain(row).message : fault;
}

/** A text of fewer characters holds no value that is too deep or too wide. */
export const HARMLESS_CHARS = 2 * MAX_ROW_DEPTH;

const NOT_PLAIN = 'not plain';
const TOO_LARGE = `the row takes more than ${MAX_ROW_BYTES} bytes`;

function find(value: unknown, levels: number, walk: { left: number }): string | undefined {
  switch (typeof value) {
    case 'string':
      walk.left -= value.length + 2;
      return walk.left < 0 ? TOO_LARGE : undefined;
    case 'function':
    case 'symbol':
      return NOT_PLAIN;
    case 'object':
      break;
    default:
      walk.left -= 4;
      return walk.left < 0 ? TOO_LARGE : undefined;
  }
  walk.left -= 4;
  if (value === null) return undefined;
  if (Array.isArray(value)) {
    if (levels === 0) return tooDeep();
    if (!isPlainArray(value)) return NOT_PLAIN;
    for (let i = 0; i < value.length; i++) {
      const fault = find(value[i], levels - 1, walk);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  if (types.isDate(value)) return undefined;
  if (types.isUint8Array(value)) {
    walk.left -= value.length;
    return walk.left < 0 ? TOO_LARGE : undefined;
  }
  if (!isPlainObject(value)) return NOT_PLAIN;
  if (levels === 0) return tooDeep();
  let properties = 0;
  for (const name in value) {
    if (++properties > MAX_PROPERTIES) return `an object of the row has more than ${MAX_PROPERTIES} properties`;
    walk.left -= name.length + 4;
    const fault = find((value as Record<string, unknown>)[name], levels - 1, walk);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function tooDeep(): string {
  return `the row is nested more than ${MAX_ROW_DEPTH} levels deep`;
}
