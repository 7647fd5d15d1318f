/**
 * The rows of a source whose fields are declared: exactly these fields, in this order, each of its type. This is the law for all
 * kinds of input; a decoder that is faster must come to the same.
 */
import type { ColumnKind, RowShape } from '../columns/field-columns.ts';
import { epochMs, type TimeUnit } from '../util/epoch-ms.ts';
import { isPlainObject } from '../util/plain-data.ts';
import type { Fields, FieldType } from './fields.ts';
import { BadRecord } from './text-format.ts';

/** One declared field. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** It may be missing or null. */
  readonly optional: boolean;
}

export type DeclaredRow = Record<string, unknown>;

const KINDS: Readonly<Record<FieldType, ColumnKind>> = {
  string: 'text',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
  timestamp: 'number',
  json: 'json',
};

/** A value that its field cannot have. */
export class Misfit {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/** The fields of a source, ready to be read. */
export class DeclaredFields implements RowShape {
  readonly list: readonly Field[];
  readonly names: readonly string[];
  readonly kinds: readonly ColumnKind[];
  /** Of timestamps that are numbers; `undefined`: milliseconds. */
  readonly unit: TimeUnit | undefined;
  readonly mayMiss = true;
  readonly #template: DeclaredRow;

  constructor(fields: Fields, unit?: TimeUnit | undefined) {
    this.list = Object.entries(fields).map(([name, type]) => ({
      name,
      type: type.replace('?', '') as FieldType,
      optional: type.endsWith('?'),
    }));
    this.names = this.list.map(({ name }) => name);
    this.kinds = this.list.map(({ type }) => KINDS[type]);
    this.unit = unit;
    this.#template = Object.fromEntries(this.list.map(({ name }) => [name, null]));
  }

  /** A row whose fields are null. A copy of one object: so all rows have one shape, which the machine knows. */
  blank(): DeclaredRow {
    return { ...this.#template };
  }

  /** The row of values that fit, in the order of the fields. */
  rowOfValues(values: readonly unknown[]): DeclaredRow {
    const { names } = this;
    const row = this.blank();
    // Written out, since a place in the code that always sets the same property is several times faster.
    row[names[0]!] = values[0];
    if (names.length > 1) row[names[1]!] = values[1];
    if (names.length > 2) row[names[2]!] = values[2];
    if (names.length > 3) row[names[3]!] = values[3];
    if (names.length > 4) row[names[4]!] = values[4];
    if (names.length > 5) row[names[5]!] = values[5];
    for (let i = 6; i < names.length; i++) row[names[i]!] = values[i];
    return row;
  }

  /** The row of a value that is here whole. Shares with it what is in fields of type `json`. */
  pick(value: unknown): DeclaredRow | BadRecord {
    if (typeof value !== 'object' || value === null || !isPlainObject(value)) {
      return new BadRecord(`does not fit the fields: it is ${kindOf(value)}, not an object`);
    }
    const from = value as Record<string, unknown>;
    return this.rowOf(({ name }) => (Object.hasOwn(from, name) ? from[name] : undefined));
  }

  /** The row of values that are found one by one. @param given `undefined`: missing; a {@link Misfit}: there is no value */
  rowOf(given: (field: Field, index: number) => unknown): DeclaredRow | BadRecord {
    const row = this.blank();
    for (let i = 0; i < this.list.length; i++) {
      const field = this.list[i]!;
      const { name } = field;
      const fitted = inField(field, given(field, i), this.unit);
      if (fitted instanceof Misfit) return new BadRecord(`does not fit the fields: ${name}: ${fitted.why}`);
      row[name] = fitted;
    }
    return row;
  }
}

/** The value of a field in a row. @param value `undefined`: missing */
function inField({ type, optional }: Field, value: unknown, unit: TimeUnit | undefined): unknown {
  if (value instanceof Misfit) return value;
  if (value === undefined) return optional ? null : new Misfit('is missing');
  if (value === null && type !== 'json') return optional ? null : new Misfit('is null');
  switch (type) {
    case 'string':
      if (typeof value === 'string') return value;
      return typeof value === 'bigint' ? String(value) : new Misfit(`must be text, not ${kindOf(value)}`);
    case 'number': {
      const number = typeof value === 'bigint' ? Number(value) : value;
      if (typeof number === 'number' && Number.isFinite(number)) return number;
      return new Misfit(`must be a finite number, not ${shown(number)}`);
    }
    case 'integer': {
      const number = typeof value === 'bigint' ? Number(value) : value;
      if (Number.isSafeInteger(number)) return number;
      return new Misfit(`must be a whole number within ±(2^53 − 1), not ${shown(value)}`);
    }
    case 'boolean':
      return typeof value === 'boolean' ? value : new Misfit(`must be true or false, not ${kindOf(value)}`);
    case 'timestamp': {
      if (typeof value === 'boolean' || (typeof value === 'object' && !(value instanceof Date))) {
        return new Misfit(`must be epoch ms or ISO 8601 text, not ${kindOf(value)}`);
      }
      const time = epochMs(typeof value === 'bigint' ? exact(value) : value, unit);
      return typeof time === 'number' ? time : new Misfit(time);
    }
    case 'json':
      return value;
  }
}

/** A number where that is exact, else decimal text. */
function exact(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : kindOf(value);
}

function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
    case 'bigint':
      return 'a number';
    case 'boolean':
      return String(value);
    case 'undefined':
      return 'undefined';
    default:
      if (value === null) return 'null';
      if (Array.isArray(value)) return 'an array';
      return value instanceof Date ? 'a Date' : value instanceof Uint8Array ? 'bytes' : 'an object';
  }
}
