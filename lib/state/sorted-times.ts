/**
 * Times in order, so that a scan costs what it finds: new ones wait in a tail until somebody scans, those that are gone are
 * passed over until they are half of all.
 */
import { firstAbove } from '../util/arrays.ts';

/** The times that are there. */
interface Present {
  readonly size: number;
  has(time: number): boolean;
}

export class SortedTimes {
  readonly #present: Present;
  /** Ascending; may have times that are gone. Each time is in here or in the tail, once. */
  #sorted: number[] = [];
  /** Added since the last scan, in any order. */
  #tail: number[] = [];
  /** Times in either that are gone. A set, so that one that comes back is not listed twice. */
  readonly #gone = new Set<number>();

  constructor(present: Present) {
    this.#present = present;
  }

  /** A time that was not there is there now. */
  added(time: number): void {
    if (!this.#gone.delete(time)) this.#tail.push(time);
  }

  /** A time is not there any more. */
  removed(time: number): void {
    this.#gone.add(time);
    if (this.#gone.size > this.#present.size) this.#rebuild();
  }

  /** Times in (after, upTo], ascending. */
  within(after: number, upTo: number): number[] {
    if (this.#tail.length > 0) this.#mergeTail();
    const sorted = this.#sorted;
    const found: number[] = [];
    for (let i = firstAbove(sorted, after); i < sorted.length && sorted[i]! <= upTo; i++) {
      if (this.#present.has(sorted[i]!)) found.push(sorted[i]!);
    }
    return found;
  }

  #mergeTail(): void {
    const tail = Float64Array.from(this.#tail).sort();
    const sorted = this.#sorted;
    this.#tail = [];
    // Mostly time goes on, and only the end moves.
    let at = sorted.length - 1;
    let to = at + tail.length;
    for (const time of tail) sorted.push(time);
    for (let from = tail.length - 1; from >= 0; to--) {
      if (at >= 0 && sorted[at]! > tail[from]!) sorted[to] = sorted[at--]!;
      else sorted[to] = tail[from--]!;
    }
  }

  #rebuild(): void {
    this.#sorted = this.#sorted.filter((time) => this.#present.has(time));
    this.#tail = this.#tail.filter((time) => this.#present.has(time));
    this.#gone.clear();
  }
}
