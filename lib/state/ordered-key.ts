/**
 * Rows of ordered tables are addressed by key and position, one behind the other: encodings of keys are prefix-free, so the two can be told
 * apart, and the rows of a key are one range in the order of their positions.
 */
import { encodedLength } from '../stream/operators/key.ts';

export function splitOrdered(orderedKey: string): readonly [key: string, position: string] {
  const end = encodedLength(orderedKey, 0);
  return [orderedKey.slice(0, end), orderedKey.slice(end)];
}

export function byPosition(a: { readonly position: string }, b: { readonly position: string }): number {
  return a.position < b.position ? -1 : a.position > b.position ? 1 : 0;
}
