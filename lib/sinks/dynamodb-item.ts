/**
 * Rows as DynamoDB items, value by value: numbers are N, text S, booleans BOOL, null NULL, arrays L, objects M. What
 * DynamoDB has no form for is refused rather than changed, except that UTF-8 has no lone surrogates (they become U+FFFD).
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { wellFormed } from './key-text.ts';

/** DynamoDB's limits. */
const MAX_NUMBER = 9.99e125;
const MIN_NUMBER = 1e-130;
const MAX_DEPTH = 32;

/** A value that DynamoDB has no form for; the message says which and what to do. */
export class UnfitValue extends Error {}

/** @throws {UnfitValue} a number out of range, nested too deep */
export function toAttribute(value: unknown, name: string, depth = 1): AttributeValue {
  if (typeof value === 'string') return { S: wellFormed(value) };
  if (typeof value === 'number') return { N: numberText(value, name) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (value === null || value === undefined) return { NULL: true };
  if (depth > MAX_DEPTH) throw new UnfitValue(`column ${name} is nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) return { L: value.map((inner) => toAttribute(inner, name, depth + 1)) };
  return { M: toAttributes(value as Record<string, unknown>, name, depth + 1) };
}

/** @param within the column, where the object is in one @throws {UnfitValue} */
export function toAttributes(
  row: Readonly<Record<string, unknown>>,
  within?: string,
  depth = 1,
): Record<string, AttributeValue> {
  // As entries, so that a name such as __proto__ is a name.
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [wellFormed(name), toAttribute(value, within ?? name, depth)]),
  );
}

/** @throws {UnfitValue} out of DynamoDB's range */
export function numberText(value: number, name: string): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= MIN_NUMBER && size <= MAX_NUMBER)) return String(value);
  throw new UnfitValue(`column ${name} is ${value}, beyond DynamoDB's numbers (1e-130 to 9.99e125): send it as text`);
}
