/**
 * Finds the group, a key and a window's end, of each row of a batch. Groups are numbered in the order they are first touched,
 * which is the order results come out in. Where states are numbers, their table finds the groups.
 */
import type { Entries } from '../../columns/entries.ts';
import type { KeyColumn } from '../../columns/key-column.ts';
import { KeyTable } from '../../columns/key-table.ts';
import { grown } from '../../util/arrays.ts';
import type { NumberColumns } from '../graph/tables.ts';

export class Groups {
  readonly entries: Entries;
  /** Numbers the groups itself, the table's rows along with them. */
  readonly columns: NumberColumns | undefined;
  readonly #rowKeys: KeyColumn;
  /** Of each group: a row that has its key, and its window's end (0 where there are no windows). */
  readonly rows: number[] = [];
  readonly ends: number[] = [];
  /** Where the table does not: each key in each window, which have numbers, too. */
  readonly #table = new KeyTable();
  readonly #windows = new Map<number, number>();
  #end = Number.NaN;
  #window = 0;
  #keys: string[] | undefined;

  /**
   * @param rowKeys of the rows of the batch; a row in several windows takes more room
   * @param columns where the groups' states are, if they are numbers
   */
  constructor(rowKeys: KeyColumn, columns?: NumberColumns) {
    // Nothing but these groups is touched.
    this.columns = columns?.count === 0 ? columns : undefined;
    this.#rowKeys = rowKeys;
    const { count } = rowKeys;
    this.entries = { count: 0, rowOf: new Int32Array(count), groupOf: new Int32Array(count) };
  }

  get count(): number {
    return this.ends.length;
  }

  /** Of each group its key. Made when it is asked for. */
  get keys(): readonly string[] {
    this.#keys ??= this.rows.map((row) => this.#rowKeys.text(row));
    return this.#keys;
  }

  /** The key of a group, for who needs each but once: it is not kept. */
  key(group: number): string {
    return this.#rowKeys.text(this.rows[group]!);
  }

  /** Puts row `index` of the batch into the group of its key and this window. */
  add(index: number, end: number): void {
    const group = this.columns === undefined ? this.#find(index, end) : this.columns.touch(this.#rowKeys, index, end);
    if (group === this.ends.length) {
      this.rows.push(index);
      this.ends.push(end);
    }
    const { entries } = this;
    if (entries.count === entries.rowOf.length) grow(entries);
    entries.rowOf[entries.count] = index;
    entries.groupOf[entries.count] = group;
    entries.count++;
  }

  #find(index: number, end: number): number {
    if (end !== this.#end) this.#select(end);
    return this.#table.intern(this.#rowKeys, index, this.#window);
  }

  #select(end: number): void {
    this.#end = end;
    const known = this.#windows.get(end);
    this.#window = known ?? this.#windows.size;
    if (known === undefined) this.#windows.set(end, this.#window);
  }
}

function grow(entries: Entries): void {
  const capacity = Math.max(16, entries.rowOf.length * 2);
  entries.rowOf = grown(entries.rowOf, new Int32Array(capacity));
  entries.groupOf = grown(entries.groupOf, new Int32Array(capacity));
}
