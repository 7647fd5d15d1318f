/** What several kinds of columns ask of arrays. */

/** Copies an array to the beginning of a larger one, which takes its place. */
export function grown<A extends Float64Array | Int32Array | Uint32Array | Uint8Array>(from: A, to: A): A {
  to.set(from);
  return to;
}

/** The first index of an ascending array whose number is greater: so many are at most that. */
export function firstAbove(ascending: readonly number[], than: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! > than) high = middle;
    else low = middle + 1;
  }
  return low;
}
