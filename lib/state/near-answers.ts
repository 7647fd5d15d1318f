/** Rows that are brought near ahead of their batch: what a look-up finds of state keys, straight into memory where it is not known yet. */
import { KeyColumn } from '../columns/key-column.ts';
import { stateKeyPlace, type TableKind } from './address.ts';
import type { ExpectedRows } from './expected-rows.ts';
import type { MemoryRows } from './memory-rows.ts';
import type { Answers } from './sst-lookup.ts';

/** Addresses of a column of state keys, one at a time. */
export class StateKeyPlaces {
  readonly #stateKeys: KeyColumn;
  readonly #kinds: readonly TableKind[];
  table = 0;
  time = 0;
  /** Of this key alone. */
  readonly key = new KeyColumn(1, 64);

  constructor(stateKeys: KeyColumn, kinds: readonly TableKind[]) {
    this.#stateKeys = stateKeys;
    this.#kinds = kinds;
  }

  /** Goes to state key i. */
  open(i: number): this {
    const { bytes, starts } = this.#stateKeys;
    const { table, time, keyStart } = stateKeyPlace(bytes, starts[i]!, this.#kinds);
    this.table = table;
    this.time = time;
    this.key.truncate(0);
    this.key.pushBytes(bytes, keyStart, starts[i + 1]!);
    return this;
  }
}

export class NearAnswers implements Answers {
  readonly #places: StateKeyPlaces;
  readonly #memory: MemoryRows;
  readonly #expected: ExpectedRows;
  readonly #isWanted: (table: number, time: number) => boolean;

  /** @param isWanted asked of each row; false: it is of no use any more */
  constructor(
    places: StateKeyPlaces,
    memory: MemoryRows,
    expected: ExpectedRows,
    isWanted: (table: number, time: number) => boolean,
  ) {
    this.#places = places;
    this.#memory = memory;
    this.#expected = expected;
    this.#isWanted = isWanted;
  }

  found(i: number, bytes: Uint8Array, start: number, end: number): void {
    const { table, time, key } = this.#places.open(i);
    if (!this.#isWanted(table, time)) return;
    const rows = this.#memory.table(table);
    const id = rows.intern(key, 0, time);
    if (rows.isKnown(id)) return;
    // Before it counts, so that it does not go at once.
    rows.setExpected(id, this.#expected.n);
    this.#memory.setStored(rows, id, bytes, start, end);
    this.#expected.brought(rows, id);
  }

  deleted(): void {}
}
