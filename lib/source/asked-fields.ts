/**
 * Where a source declares no fields, and all that a job asks of its rows is proven to be the values of some fields, only these are read,
 * as columns. What their values are is learned from a row. A row itself is what `JSON.parse` makes of its line, when somebody asks.
 */
import type { ColumnKind, RowShape } from '../columns/field-columns.ts';
import { isPlainObject } from '../util/plain-data.ts';
import type { FieldType } from './fields.ts';
import type { ScannedField, ScannedFields } from './scan/row-scanner.ts';

const TYPES: Readonly<Partial<Record<string, FieldType>>> = { string: 'string', number: 'number', boolean: 'boolean' };
const KINDS: Readonly<Partial<Record<string, ColumnKind>>> = { string: 'text', number: 'number', boolean: 'boolean' };

export class AskedFields implements ScannedFields, RowShape {
  readonly list: readonly ScannedField[];
  readonly names: readonly string[];
  readonly kinds: readonly ColumnKind[];
  readonly unit = undefined;
  /** A field that is missing is not null to the functions of a job. */
  readonly mayMiss = false;

  private constructor(names: readonly string[], values: readonly unknown[]) {
    this.names = names;
    this.list = names.map((name, i) => ({ name, type: TYPES[typeof values[i]]!, optional: true }));
    this.kinds = values.map((value) => KINDS[typeof value]!);
  }

  /** Takes a row for an example. @returns `undefined`: it has something else in these fields */
  static of(names: readonly string[], row: unknown): AskedFields | undefined {
    if (typeof row !== 'object' || row === null || !isPlainObject(row)) return undefined;
    const values = names.map((name) => (Object.hasOwn(row, name) ? (row as Record<string, unknown>)[name] : undefined));
    return values.every((value) => (typeof value) in KINDS) ? new AskedFields(names, values) : undefined;
  }

  /** Whether a row's values can stand in columns. */
  fits(row: unknown): row is Readonly<Record<string, unknown>> {
    if (typeof row !== 'object' || row === null || !isPlainObject(row)) return false;
    return this.names.every((name, i) => {
      if (!Object.hasOwn(row, name)) return false;
      const value = (row as Record<string, unknown>)[name];
      if (value === null) return true;
      return KINDS[typeof value] === this.kinds[i] && (typeof value !== 'number' || Number.isFinite(value));
    });
  }

  /** Not all of a row is in these fields. */
  rowOfValues(): never {
    throw new Error('rows are made of their lines');
  }
}
