/**
 * What spreading an array into a call would do (`Math.max(...values)`, `to.push(...values)`), for arrays of any length:
 * arguments go on the stack, which ends at some 100,000 of them. A lint rule says so, too.
 */

/** The greatest of the values; `least` where none is greater. */
export function greatest(values: Iterable<number>, least = Number.NEGATIVE_INFINITY): number {
  let found = least;
  for (const value of values) found = Math.max(found, value);
  return found;
}

/** The smallest of the values; `most` where none is smaller. */
export function smallest(values: Iterable<number>, most = Number.POSITIVE_INFINITY): number {
  let found = most;
  for (const value of values) found = Math.min(found, value);
  return found;
}

/** Adds the values at the end of an array. */
export function pushAll<T>(to: T[], values: Iterable<T>): void {
  for (const value of values) to.push(value);
}
