/**
 * Finds the group, a key and a window's end, of each row of a batch. One map of keys for each window, so that no row costs
 * a joined string; groups are numbered in the order they are first touched, which is the order results come out in.
 */
/** Which rows of a batch go into which groups; a row of a sliding window is there several times. */
export interface Entries {
  count: number;
  rowOf: Int32Array;
  groupOf: Int32Array;
}

export class Groups {
  /** Address of each group: key and window end (0 where there are no windows). */
  readonly keys: string[] = [];
  readonly ends: number[] = [];
  readonly entries: Entries;
  readonly #windows = new Map<number, Map<string, number>>();
  #end = Number.NaN;
  #window: Map<string, number> = new Map();

  /** @param rows how many rows are to be expected; a row in several windows takes more room */
  constructor(rows: number) {
    this.entries = { count: 0, rowOf: new Int32Array(rows), groupOf: new Int32Array(rows) };
  }

  /** Puts row `index` of the batch into the group. */
  add(index: number, key: string, end: number): void {
    if (end !== this.#end) this.#select(end);
    let group = this.#window.get(key);
    if (group === undefined) {
      group = this.keys.length;
      this.keys.push(key);
      this.ends.push(end);
      this.#window.set(key, group);
    }
    const { entries } = this;
    if (entries.count === entries.rowOf.length) grow(entries);
    entries.rowOf[entries.count] = index;
    entries.groupOf[entries.count] = group;
    entries.count++;
  }

  #select(end: number): void {
    this.#end = end;
    const known = this.#windows.get(end);
    if (known !== undefined) {
      this.#window = known;
      return;
    }
    this.#window = new Map();
    this.#windows.set(end, this.#window);
  }
}

function grow(entries: Entries): void {
  const bigger = (old: Int32Array): Int32Array => {
    const array = new Int32Array(Math.max(16, old.length * 2));
    array.set(old);
    return array;
  };
  entries.rowOf = bigger(entries.rowOf);
  entries.groupOf = bigger(entries.groupOf);
}
