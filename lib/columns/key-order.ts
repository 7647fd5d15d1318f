/**
 * The order of keys by their bytes, without making strings of them: a radix sort by the eight bytes behind what all have in
 * common; keys that agree in those, too, are sorted by what follows.
 */

/** Where keys are: key i is `bytes[starts[i]]` up to `bytes[ends[i]]`. */
export interface KeyPlaces {
  readonly bytes: Uint8Array;
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** Fewer than this are sorted by comparing. */
const FEW = 24;
const DIGITS = 8;

/** Sorts indexes of keys by what the keys are, in place. */
export function sortKeys(order: Int32Array, places: KeyPlaces): void {
  if (order.length < FEW) insertionSort(order, places, 0);
  else new RadixSort(order.length, places).sort(order, 0);
}

class RadixSort {
  readonly #places: KeyPlaces;
  /** The eight bytes of each, with zeros behind a key's end: by position in the order. */
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;
  readonly #spare: { readonly high: Uint32Array; readonly low: Uint32Array; readonly order: Int32Array };
  readonly #counts = new Uint32Array(256 * DIGITS);

  constructor(count: number, places: KeyPlaces) {
    this.#places = places;
    this.#high = new Uint32Array(count);
    this.#low = new Uint32Array(count);
    this.#spare = { high: new Uint32Array(count), low: new Uint32Array(count), order: new Int32Array(count) };
  }

  /** @param skip so many bytes are the same in all */
  sort(order: Int32Array, skip: number): void {
    if (order.length < FEW) {
      insertionSort(order, this.#places, skip);
      return;
    }
    const from = this.#common(order, skip);
    this.#read(order, from);
    this.#sortRead(order);
    // Deeper ones use the same arrays.
    const runs = this.#runs(order.length);
    for (let i = 0; i < runs.length; i += 2) this.#sortRun(order.subarray(runs[i]!, runs[i + 1]!), from + 8);
  }

  /** How many bytes all have in common. */
  #common(order: Int32Array, skip: number): number {
    const { bytes, starts, ends } = this.#places;
    const first = starts[order[0]!]!;
    let common = ends[order[0]!]! - first;
    for (const i of order) {
      const start = starts[i]!;
      const most = Math.min(common, ends[i]! - start);
      let at = skip;
      while (at < most && bytes[start + at] === bytes[first + at]) at++;
      common = at;
    }
    return common;
  }

  #read(order: Int32Array, from: number): void {
    const { bytes, starts, ends } = this.#places;
    const counts = this.#counts.fill(0);
    for (let i = 0; i < order.length; i++) {
      const start = starts[order[i]!]! + from;
      const end = ends[order[i]!]!;
      let high = 0;
      let low = 0;
      for (let at = 0; at < 4; at++) high = (high << 8) | (start + at < end ? bytes[start + at]! : 0);
      for (let at = 4; at < 8; at++) low = (low << 8) | (start + at < end ? bytes[start + at]! : 0);
      this.#high[i] = high;
      this.#low[i] = low;
      for (let digit = 0; digit < DIGITS; digit++) counts[digit * 256 + byteOf(high, low, digit)]!++;
    }
  }

  /** Sorts by the eight bytes, the last one first, leaving out those that are the same in all. */
  #sortRead(order: Int32Array): void {
    const count = order.length;
    let from = { high: this.#high, low: this.#low, order };
    let to = this.#spare as typeof from;
    for (let digit = 0; digit < DIGITS; digit++) {
      const counts = this.#counts.subarray(digit * 256, digit * 256 + 256);
      if (counts[byteOf(from.high[0]!, from.low[0]!, digit)] === count) continue;
      let sum = 0;
      for (let byte = 0; byte < 256; byte++) {
        const here = counts[byte]!;
        counts[byte] = sum;
        sum += here;
      }
      for (let i = 0; i < count; i++) {
        const at = counts[byteOf(from.high[i]!, from.low[i]!, digit)]!++;
        to.high[at] = from.high[i]!;
        to.low[at] = from.low[i]!;
        to.order[at] = from.order[i]!;
      }
      [from, to] = [to, from];
    }
    if (from.order === order) return;
    order.set(from.order.subarray(0, count));
    this.#high.set(from.high.subarray(0, count));
    this.#low.set(from.low.subarray(0, count));
  }

  /** First and end of each run of several that have the same eight bytes. */
  #runs(count: number): number[] {
    const high = this.#high;
    const low = this.#low;
    const runs: number[] = [];
    for (let first = 0, end = 1; first < count; first = end++) {
      while (end < count && high[end] === high[first] && low[end] === low[first]) end++;
      if (end - first > 1) runs.push(first, end);
    }
    return runs;
  }

  /** Keys that have ended by `skip` differ from the others by zeros only: the shorter one is less. */
  #sortRun(order: Int32Array, skip: number): void {
    if (order.length < FEW) {
      insertionSort(order, this.#places, skip);
      return;
    }
    const { starts, ends } = this.#places;
    const length = (i: number): number => ends[i]! - starts[i]!;
    const ended = order.filter((i) => length(i) <= skip);
    if (ended.length > 0) {
      const longer = order.filter((i) => length(i) > skip);
      order.set(ended.sort((a, b) => length(a) - length(b)));
      order.set(longer, ended.length);
    }
    if (ended.length < order.length) this.sort(order.subarray(ended.length), skip);
  }
}

/** @param digit 0: the last byte */
function byteOf(high: number, low: number, digit: number): number {
  return digit < 4 ? (low >>> (8 * digit)) & 255 : (high >>> (8 * (digit - 4))) & 255;
}

function insertionSort(order: Int32Array, places: KeyPlaces, skip: number): void {
  for (let i = 1; i < order.length; i++) {
    const key = order[i]!;
    let at = i;
    for (; at > 0 && compareKeys(places, key, order[at - 1]!, skip) < 0; at--) order[at] = order[at - 1]!;
    order[at] = key;
  }
}

/** Less than 0: key a comes before key b. @param skip so many bytes are known to be the same */
export function compareKeys({ bytes, starts, ends }: KeyPlaces, a: number, b: number, skip = 0): number {
  const startA = starts[a]!;
  const startB = starts[b]!;
  const lengthA = ends[a]! - startA;
  const lengthB = ends[b]! - startB;
  const least = Math.min(lengthA, lengthB);
  for (let at = skip; at < least; at++) {
    const difference = bytes[startA + at]! - bytes[startB + at]!;
    if (difference !== 0) return difference;
  }
  return lengthA - lengthB;
}
