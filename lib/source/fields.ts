/** Fields that a job declares of a source's rows, as users write them. */
import { MAX_PROPERTIES } from './row-limits.ts';

/**
 * Type of a declared field.
 * - `string`: text.
 * - `number`: a finite number.
 * - `integer`: a whole number within ±(2^53 − 1), so one that has lost no digits.
 * - `boolean`: `true` or `false`; in CSV `True`, `TRUE`, `False` and `FALSE`, too.
 * - `timestamp`: a point in time, epoch ms in the row. Written as a number (milliseconds, or the source's `eventTimeUnit`) or as
 *   ISO 8601 text (UTC where no zone is written).
 * - `json`: any value, as `JSON.parse` gives it: objects and arrays, too.
 */
export type FieldType = 'string' | 'number' | 'integer' | 'boolean' | 'timestamp' | 'json';

/** A declared field: a type; with `?` behind it the field may be missing or null, and is null in the row then. */
export type FieldDeclaration = FieldType | `${FieldType}?`;

/** Fields of a source's rows, by name. */
export interface Fields {
  readonly [name: string]: FieldDeclaration;
}

/** What values of a type are in a row. */
interface FieldValues {
  readonly string: string;
  readonly number: number;
  readonly integer: number;
  readonly boolean: boolean;
  readonly timestamp: number;
  readonly json: unknown;
}

/** The row of declared fields: `{ user: 'string', tag: 'string?' }` gives `{ user: string; tag: string | null }`. */
export type RowOfFields<F extends Fields> = {
  -readonly [N in keyof F]: F[N] extends FieldType
    ? FieldValues[F[N]]
    : F[N] extends `${infer T extends FieldType}?`
      ? FieldValues[T] | null
      : never;
};

const TYPES: readonly FieldType[] = ['string', 'number', 'integer', 'boolean', 'timestamp', 'json'];

/** What is wrong with declared fields; `undefined`: nothing. */
export function fieldsFault(fields: unknown): string | undefined {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    return `fields must be an object of names and types, such as { user: 'string', amount: 'number?' }`;
  }
  const declared = Object.entries(fields);
  if (declared.length === 0) return 'fields names no field; leave it out to get rows as they are';
  if (declared.length > MAX_PROPERTIES)
    return `fields names ${declared.length} fields; at most ${MAX_PROPERTIES} are read`;
  if (Object.hasOwn(fields, '__proto__')) return 'a field cannot be called __proto__';
  const wrong = declared.find(([, type]) => !TYPES.some((known) => type === known || type === `${known}?`));
  if (wrong === undefined) return undefined;
  const there = TYPES.map((type) => `'${type}'`).join(', ');
  return `field ${JSON.stringify(wrong[0])} is of type ${JSON.stringify(wrong[1])}; there are ${there}, each also with ? for a field that may be missing`;
}
