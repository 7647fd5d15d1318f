/**
 * Positions of one key in order. New ones mostly come at the end; others wait in a tail until somebody asks. Those that are gone
 * may still be in: whoever asks looks up what is there.
 */

/** Fewer than these are put into their places one by one. */
const FEW = 16;

export class Positions {
  #sorted: string[] = [];
  /** In any order; the same one may be there again. */
  #tail: string[] = [];

  get size(): number {
    return this.#sorted.length + this.#tail.length;
  }

  add(position: string): void {
    const last = this.#sorted.at(-1);
    if (last === undefined || position > last) this.#sorted.push(position);
    else if (position !== last) this.#tail.push(position);
  }

  /** Where positions in [from, to) are in {@link all}; `undefined`: no bound. */
  within(from: string | undefined, to: string | undefined): readonly [first: number, end: number] {
    const all = this.all();
    const first = from === undefined ? 0 : firstNotBefore(all, from);
    return [first, to === undefined ? all.length : Math.max(first, firstNotBefore(all, to))];
  }

  /** Ascending, each once. Changed by {@link add} only. */
  all(): readonly string[] {
    if (this.#tail.length > 0) this.#mergeTail();
    return this.#sorted;
  }

  /** Takes out those that are gone. */
  keep(isThere: (position: string) => boolean): void {
    this.#sorted = this.all().filter(isThere);
  }

  #mergeTail(): void {
    const tail = this.#tail;
    this.#tail = [];
    if (tail.length < FEW) {
      for (const position of tail) {
        const at = firstNotBefore(this.#sorted, position);
        if (this.#sorted[at] !== position) this.#sorted.splice(at, 0, position);
      }
      return;
    }
    tail.sort(byBytes);
    const before = this.#sorted;
    const merged: string[] = [];
    for (let i = 0, k = 0; i < before.length || k < tail.length; ) {
      const next = k === tail.length || (i < before.length && before[i]! <= tail[k]!) ? before[i++]! : tail[k++]!;
      if (merged.at(-1) !== next) merged.push(next);
    }
    this.#sorted = merged;
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function firstNotBefore(sorted: readonly string[], position: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < position) low = middle + 1;
    else high = middle;
  }
  return low;
}
