/**
 * Places of a batch that wait for their rows: what is asked for in one turn, of whatever tables, and what a look-up of it answers, straight
 * from the bytes of blocks into the rows. Neither object nor string is made for a place.
 */
import { KeyColumn } from '../columns/key-column.ts';
import { type SortedKeys, sortedKeys } from '../columns/sorted-keys.ts';
import { putAddressPrefix, type TableKind } from './address.ts';
import type { Answers } from './sst-lookup.ts';
import type { TableRows } from './table-rows.ts';

/** Who has the places. */
export interface PlaceOwner {
  /** Whether what SSTs say may still be taken for what memory does not know. */
  readonly holds: () => boolean;
  /** The row of a place that is still to be known, as SSTs have it: `bytes[start]` up to `bytes[end]`. */
  fill(table: number, rows: TableRows, id: number, bytes: Uint8Array, start: number, end: number): void;
  /** SSTs have none. */
  fillAbsent(table: number, rows: TableRows, id: number): void;
}

/** A row's place in a batch. */
export interface Place {
  readonly table: number;
  readonly rows: TableRows;
  readonly id: number;
}

export class PlaceAnswers implements Answers {
  readonly #owner: PlaceOwner;
  #tables: number[] = [];
  #rows: TableRows[] = [];
  #ids: number[] = [];
  #stateKeys = new KeyColumn();
  /** What comes before the keys of timed tables, and of others. */
  readonly #timed = new Uint8Array(9);
  readonly #untimed = new Uint8Array(1);
  #sorted: SortedKeys | undefined;
  #answered = new Uint8Array(0);

  constructor(owner: PlaceOwner) {
    this.#owner = owner;
  }

  push(table: number, kind: TableKind, rows: TableRows, id: number): void {
    const prefix = kind === 'timed' ? this.#timed : this.#untimed;
    putAddressPrefix(prefix, table, kind, rows.time(id));
    rows.pushKey(this.#stateKeys, prefix, id);
    this.#tables.push(table);
    this.#rows.push(rows);
    this.#ids.push(id);
  }

  /** Takes places out, by their state keys. */
  takeOut(isOut: (stateKeys: KeyColumn, i: number) => boolean): Place[] {
    const [stateKeys, tables, rows, ids] = [this.#stateKeys, this.#tables, this.#rows, this.#ids];
    [this.#stateKeys, this.#tables, this.#rows, this.#ids] = [new KeyColumn(stateKeys.count), [], [], []];
    const out: Place[] = [];
    for (let i = 0; i < stateKeys.count; i++) {
      if (isOut(stateKeys, i)) {
        out.push({ table: tables[i]!, rows: rows[i]!, id: ids[i]! });
        continue;
      }
      this.#stateKeys.pushFrom(stateKeys, i);
      this.#tables.push(tables[i]!);
      this.#rows.push(rows[i]!);
      this.#ids.push(ids[i]!);
    }
    return out;
  }

  /** What is to be looked up; nothing is pushed after that. */
  sort(): KeyColumn {
    this.#sorted = sortedKeys(this.#stateKeys);
    this.#answered = new Uint8Array(this.#sorted.keys.count);
    return this.#sorted.keys;
  }

  found(i: number, bytes: Uint8Array, start: number, end: number): void {
    this.#answered[i] = 1;
    if (!this.#owner.holds()) return;
    const at = this.#sorted!.from[i]!;
    this.#owner.fill(this.#tables[at]!, this.#rows[at]!, this.#ids[at]!, bytes, start, end);
  }

  deleted(i: number): void {
    this.#answered[i] = 1;
    this.#absent(i);
  }

  /** The look-up has ended: of what it has said nothing, there is none. */
  end(): void {
    for (let i = 0; i < this.#answered.length; i++) if (this.#answered[i] === 0) this.#absent(i);
  }

  #absent(i: number): void {
    if (!this.#owner.holds()) return;
    const at = this.#sorted!.from[i]!;
    this.#owner.fillAbsent(this.#tables[at]!, this.#rows[at]!, this.#ids[at]!);
  }
}
