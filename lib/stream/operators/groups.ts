/**
 * Finds the group, a key and a window's end, of each row of a batch. One map of keys for each window, so that no row costs
 * a joined string; groups are numbered in the order they are first touched, which is the order results come out in.
 */
import type { NumberColumns } from './operator.ts';

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
  /** Numbers the groups itself, the table's rows along with them. */
  readonly columns: NumberColumns | undefined;
  readonly #windows = new Map<number, Map<string, number>>();
  #end = Number.NaN;
  #window: Map<string, number> = new Map();

  /**
   * @param rows how many rows are to be expected; a row in several windows takes more room
   * @param columns where the groups' states are, if they are numbers
   */
  constructor(rows: number, columns?: NumberColumns) {
    // Nothing but these groups is touched.
    this.columns = columns?.count === 0 ? columns : undefined;
    this.entries = { count: 0, rowOf: new Int32Array(rows), groupOf: new Int32Array(rows) };
  }

  /** Puts row `index` of the batch into the group. */
  add(index: number, key: string, end: number): void {
    const group = this.columns === undefined ? this.#find(key, end) : this.columns.touchText(key, end);
    if (group === this.keys.length) {
      this.keys.push(key);
      this.ends.push(end);
    }
    const { entries } = this;
    if (entries.count === entries.rowOf.length) grow(entries);
    entries.rowOf[entries.count] = index;
    entries.groupOf[entries.count] = group;
    entries.count++;
  }

  #find(key: string, end: number): number {
    if (end !== this.#end) this.#select(end);
    const known = this.#window.get(key);
    if (known !== undefined) return known;
    const group = this.keys.length;
    this.#window.set(key, group);
    return group;
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
