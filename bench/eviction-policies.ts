/**
 * Policies of eviction, each as what it does when a row comes in, is used, leaves, and when room is needed. Rows that may not leave
 * (the present batch touches them, or no SST holds them yet) are passed over.
 */
import { seededRandom } from '../lib/util/random.ts';
import type { RecordedJob } from './eviction-record.ts';

export interface Rows {
  readonly job: RecordedJob;
  /** Whether a row may leave now. */
  free(id: number): boolean;
}

export interface Policy {
  /** A row comes in. */
  add(id: number): void;
  /** A row that is in is used. */
  use(id: number): void;
  /** A row is gone: deleted, forgotten, or evicted. */
  remove(id: number): void;
  /** @returns −1: no row may leave */
  victim(): number;
  /** Whether more must leave, though there is room. */
  leavesMore?(): boolean;
  /** Batch n begins or ends: what could not leave may do so now. */
  begin?(n: number): void;
}

export type MakePolicy = (rows: Rows, budgetBytes: number) => Policy;

/** What a policy of lists is made of: ids in the order in which they came to the end. */
class IdList {
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #ids: number;

  /** @param lists that an id may be in, one at a time */
  constructor(ids: number, lists = 1) {
    this.#ids = ids;
    this.#next = new Int32Array(ids + lists).fill(-1);
    this.#previous = new Int32Array(ids + lists).fill(-1);
    for (let end = ids; end < ids + lists; end++) {
      this.#next[end] = end;
      this.#previous[end] = end;
    }
  }

  has(id: number): boolean {
    return this.#next[id]! >= 0;
  }

  push(id: number, list = 0): void {
    const end = this.#ids + list;
    const last = this.#previous[end]!;
    this.#next[last] = id;
    this.#previous[id] = last;
    this.#next[id] = end;
    this.#previous[end] = id;
  }

  remove(id: number): void {
    const [next, previous] = [this.#next[id]!, this.#previous[id]!];
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#next[id] = -1;
  }

  /** The first that may leave. */
  firstFree(rows: Rows, list = 0): number {
    const end = this.#ids + list;
    for (let id = this.#next[end]!; id !== end; id = this.#next[id]!) if (rows.free(id)) return id;
    return -1;
  }
}

/** Whoever was used longest ago. */
export const lru: MakePolicy = (rows) => {
  const list = new IdList(rows.job.bytes.length);
  return {
    add: (id) => list.push(id),
    use(id) {
      list.remove(id);
      list.push(id);
    },
    remove: (id) => list.remove(id),
    victim: () => list.firstFree(rows),
  };
};

/** As the memory tier was: what is used moves to the young generation; when both exceed the budget, all of the old one goes. */
export const generations: MakePolicy = (rows, budgetBytes) => {
  const { bytes } = rows.job;
  /** −1: not in memory, or about to leave. */
  const generation = new Int8Array(bytes.length).fill(-1);
  const sums = [0, 0];
  /** What came to a generation; some of it has gone on since. */
  const came: [number[], number[]] = [[], []];
  let young = 0;
  let leaving: number[] = [];
  /** In this batch there was nothing to be had any more. */
  let isSpent = false;
  const to = (id: number, next: number): void => {
    const before = generation[id]!;
    if (before === next) return;
    if (before >= 0) sums[before]! -= bytes[id]!;
    if (next >= 0) {
      sums[next]! += bytes[id]!;
      came[next]!.push(id);
    }
    generation[id] = next;
  };
  const turn = (): void => {
    const old = 1 - young;
    if (isSpent || (sums[old] === 0 ? sums[young]! * 3 <= budgetBytes * 2 : sums[0]! + sums[1]! <= budgetBytes)) return;
    isSpent = sums[old]! > 0;
    for (const id of came[old]!.splice(0)) {
      if (generation[id] !== old) continue;
      to(id, rows.free(id) ? -1 : young);
      if (generation[id] === -1) leaving.push(id);
    }
    isSpent &&= leaving.length === 0;
    young = old;
  };
  return {
    begin() {
      isSpent = false;
    },
    add(id) {
      to(id, young);
      turn();
    },
    use: (id) => to(id, young),
    remove: (id) => to(id, -1),
    leavesMore: () => leaving.length > 0,
    victim() {
      if (leaving.length === 0) turn();
      for (let id = leaving.pop(); id !== undefined; id = leaving.pop()) if (generation[id] === -1) return id;
      leaving = [];
      return -1;
    },
  };
};

/**
 * A hand goes round over places, and takes a chance from each row that it passes; who has none leaves, and who comes next gets the place.
 * @param chances that a row may have; each use gives it one
 */
export function clock(chances: number): MakePolicy {
  return (rows) => {
    const count = rows.job.bytes.length;
    const left = new Uint8Array(count);
    const placeOf = new Int32Array(count);
    /** By place: an id, −1: none. */
    const places: number[] = [];
    const free: number[] = [];
    let hand = 0;
    return {
      add(id) {
        const place = free.pop() ?? places.length;
        places[place] = id;
        placeOf[id] = place;
        left[id] = 0;
      },
      use(id) {
        if (left[id]! < chances) left[id]!++;
      },
      remove(id) {
        places[placeOf[id]!] = -1;
        free.push(placeOf[id]!);
      },
      victim() {
        for (let steps = places.length * (chances + 1); steps > 0; steps--) {
          if (hand >= places.length) hand = 0;
          const id = places[hand++]!;
          if (id < 0) continue;
          if (left[id]! > 0) left[id]!--;
          else if (rows.free(id)) return id;
        }
        return -1;
      },
    };
  };
}

/** Anybody. */
export const random: MakePolicy = (rows) => {
  const dice = seededRandom(6);
  const inside: number[] = [];
  const at = new Int32Array(rows.job.bytes.length);
  return {
    add(id) {
      at[id] = inside.push(id) - 1;
    },
    use() {},
    remove(id) {
      const last = inside.pop()!;
      if (last === id) return;
      inside[at[id]!] = last;
      at[last] = at[id]!;
    },
    victim() {
      for (let tries = 2 * inside.length; tries > 0; tries--) {
        const id = inside[Math.floor(dice.next() * inside.length)]!;
        if (rows.free(id)) return id;
      }
      return -1;
    },
  };
};

/** W-TinyLFU: a small LRU in front, a segmented one behind it, which takes over only what was used more often of late than who would leave. */
export const tinyLfu: MakePolicy = (rows, budgetBytes) => {
  const { bytes } = rows.job;
  const lists = [new IdList(bytes.length), new IdList(bytes.length), new IdList(bytes.length)];
  const [window, probation, safe] = lists as [IdList, IdList, IdList];
  const sums = [0, 0, 0];
  const uses = new Uint8Array(bytes.length);
  let counted = 0;
  const where = (id: number): number => lists.findIndex((list) => list.has(id));
  const move = (id: number, to: number): void => {
    const from = where(id);
    if (from >= 0) {
      lists[from]!.remove(id);
      sums[from]! -= bytes[id]!;
    }
    if (to < 0) return;
    lists[to]!.push(id);
    sums[to]! += bytes[id]!;
  };
  const count = (id: number): void => {
    if (uses[id]! < 15) uses[id]!++;
    if (++counted < 10 * bytes.length) return;
    counted = 0;
    for (let i = 0; i < uses.length; i++) uses[i]! >>>= 1;
  };
  return {
    add(id) {
      count(id);
      move(id, 0);
    },
    use(id) {
      count(id);
      move(id, where(id) === 0 ? 0 : 2);
      while (sums[2]! > 0.8 * budgetBytes) {
        const first = safe.firstFree(rows);
        if (first < 0) break;
        move(first, 1);
      }
    },
    remove: (id) => move(id, -1),
    victim() {
      const main = probation.firstFree(rows);
      const other = main >= 0 ? main : safe.firstFree(rows);
      // What the front has too much of goes behind as long as there is room.
      let candidate = -1;
      while (sums[0]! > 0.01 * budgetBytes) {
        candidate = window.firstFree(rows);
        if (candidate < 0 || sums[1]! + sums[2]! + bytes[candidate]! > 0.99 * budgetBytes) break;
        move(candidate, 1);
      }
      if (candidate < 0) return other >= 0 ? other : window.firstFree(rows);
      if (other < 0) return candidate;
      if (uses[candidate]! <= uses[other]!) return candidate;
      move(candidate, 1);
      return other;
    },
  };
};

/** By the time of the address, then by use: of a timed table those leave first that close last, or first; then those of other tables. */
export function byTime(order: 'closes last' | 'closes first'): MakePolicy {
  return (rows) => {
    const { job } = rows;
    const sign = order === 'closes last' ? -1 : 1;
    const ids = job.bytes.length;
    const keyed = new IdList(ids);
    /** All groups share one pair of arrays: each has an end of its own in it. */
    const times = [...new Set(job.times)].sort((a, b) => sign * (a - b));
    const groups = new IdList(ids, times.length);
    const numbers = new Map(times.map((time, i) => [time, i]));
    const groupOf = Int32Array.from(job.times, (time) => numbers.get(time)!);
    const sizes = new Int32Array(times.length);
    let first = 0;
    /** Groups before this have nobody that may leave in this batch. */
    let from = 0;
    const push = (id: number): void => {
      if (job.timed[id] === 0) {
        keyed.push(id);
        return;
      }
      groups.push(id, groupOf[id]!);
      sizes[groupOf[id]!]!++;
      first = Math.min(first, groupOf[id]!);
    };
    const remove = (id: number): void => {
      if (job.timed[id] === 0) {
        keyed.remove(id);
        return;
      }
      groups.remove(id);
      sizes[groupOf[id]!]!--;
    };
    return {
      begin() {
        while (first < times.length && sizes[first] === 0) first++;
        from = first;
      },
      add: push,
      use(id) {
        remove(id);
        push(id);
      },
      remove,
      victim() {
        for (; from < times.length; from++) {
          const id = sizes[from] === 0 ? -1 : groups.firstFree(rows, from);
          if (id >= 0) return id;
        }
        return keyed.firstFree(rows);
      },
    };
  };
}

/** Bélády's: whoever is read furthest in the future leaves, or never again. Needs the whole record. */
export const belady: MakePolicy = (rows) => {
  const { job } = rows;
  const count = job.bytes.length;
  const uses = usesByRow(job);
  const at = new Int32Array(count);
  const inside = new Uint8Array(count);
  const heap = new MaxHeap();
  const waiting: number[] = [];
  let now = 0;
  const nextUse = (id: number): number => {
    const end = uses.starts[id + 1]!;
    let i = Math.max(at[id]!, uses.starts[id]!);
    while (i < end && uses.batches[i]! <= now) i++;
    at[id] = i;
    return i < end ? uses.batches[i]! : 0x7fffffff;
  };
  return {
    begin(n) {
      now = n;
      for (const id of waiting.splice(0)) if (inside[id] === 1) heap.push(nextUse(id), id);
    },
    add(id) {
      inside[id] = 1;
      heap.push(nextUse(id), id);
    },
    use: (id) => heap.push(nextUse(id), id),
    remove(id) {
      inside[id] = 0;
    },
    victim() {
      for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
        const [next, id] = top;
        if (inside[id] === 0 || next !== nextUse(id)) continue;
        if (rows.free(id)) return id;
        waiting.push(id);
      }
      return -1;
    },
  };
};

/** Batches that read a row, by row. */
function usesByRow({ batches, bytes }: RecordedJob): { readonly starts: Int32Array; readonly batches: Int32Array } {
  const starts = new Int32Array(bytes.length + 1);
  for (const { read, scanned } of batches) for (const ids of [read, scanned]) for (const id of ids) starts[id + 1]!++;
  for (let id = 0; id < bytes.length; id++) starts[id + 1]! += starts[id]!;
  const ends = starts.slice();
  const all = new Int32Array(starts.at(-1)!);
  for (const [n, { read, scanned }] of batches.entries()) {
    for (const ids of [read, scanned]) for (const id of ids) all[ends[id]!++] = n;
  }
  return { starts, batches: all };
}

class MaxHeap {
  #keys = new Int32Array(1024);
  #ids = new Int32Array(1024);
  #size = 0;

  push(key: number, id: number): void {
    if (this.#size === this.#keys.length) {
      const [keys, ids] = [new Int32Array(2 * this.#size), new Int32Array(2 * this.#size)];
      keys.set(this.#keys);
      ids.set(this.#ids);
      [this.#keys, this.#ids] = [keys, ids];
    }
    let i = this.#size++;
    for (; i > 0; i = (i - 1) >> 1) {
      const up = (i - 1) >> 1;
      if (this.#keys[up]! >= key) break;
      this.#keys[i] = this.#keys[up]!;
      this.#ids[i] = this.#ids[up]!;
    }
    this.#keys[i] = key;
    this.#ids[i] = id;
  }

  pop(): readonly [key: number, id: number] | undefined {
    if (this.#size === 0) return undefined;
    const top = [this.#keys[0]!, this.#ids[0]!] as const;
    const [key, id] = [this.#keys[--this.#size]!, this.#ids[this.#size]!];
    let i = 0;
    for (let down = 1; down < this.#size; down = 2 * i + 1) {
      if (down + 1 < this.#size && this.#keys[down + 1]! > this.#keys[down]!) down++;
      if (this.#keys[down]! <= key) break;
      this.#keys[i] = this.#keys[down]!;
      this.#ids[i] = this.#ids[down]!;
      i = down;
    }
    this.#keys[i] = key;
    this.#ids[i] = id;
    return top;
  }
}
