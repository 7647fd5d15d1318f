/**
 * The order within each key of the rows of ordered tables that are near: of all rows where memory has them all, else of what no SST holds
 * yet. Made when somebody asks, kept up with each batch, and made again when what is near has become another.
 */
import type { TableKind } from './address.ts';
import { type ChangedRow, changedRows, type TableChanges } from './changes.ts';
import type { MemoryRows } from './memory-rows.ts';
import { splitOrdered } from './ordered-key.ts';
import { Positions } from './positions.ts';

/** Changed rows of a batch: one by one, as a log entry gives them, or by column, as the batch itself does. */
type BatchChanges = readonly ChangedRow[] | { readonly tables: readonly TableChanges[] };

interface TableIndex {
  readonly byKey: Map<string, Positions>;
  /** Of all rows, not only of those that no SST holds. */
  readonly complete: boolean;
  /** Deleted since it was made. */
  gone: number;
  size: number;
}

const NONE: readonly string[] = [];

export class OrderedIndex {
  readonly #rows: MemoryRows;
  readonly #ordered: readonly boolean[];
  readonly #tables: (TableIndex | undefined)[] = [];

  constructor(kinds: readonly TableKind[], rows: MemoryRows) {
    this.#rows = rows;
    this.#ordered = kinds.map((kind) => kind === 'ordered');
  }

  /** Positions of a key in [from, to), ascending; some may be gone. Not changed before the batch ends. */
  *within(
    table: number,
    key: string,
    from: string | undefined,
    to: string | undefined,
  ): Generator<string, void, undefined> {
    const positions = this.#of(table).byKey.get(key);
    const all = positions?.all() ?? NONE;
    const [first, end] = positions?.within(from, to) ?? [0, 0];
    for (let i = first; i < end; i++) yield all[i]!;
  }

  /** A batch has been applied. */
  push(changes: BatchChanges): void {
    if (this.#tables.length === 0) return;
    for (const { table, key, row } of rowsOf(changes, (table) => this.#tables[table] !== undefined)) {
      const index = this.#tables[table]!;
      if (row === undefined && index.complete) index.gone++;
      else add(index, key);
    }
    for (const [table, index] of this.#tables.entries()) {
      // When half of it is gone.
      if (index !== undefined && index.gone * 2 > index.size) this.#prune(table, index);
    }
  }

  /** What is near is another. */
  clear(): void {
    this.#tables.length = 0;
  }

  /** SSTs hold more. */
  folded(): void {
    for (const [table, index] of this.#tables.entries()) {
      if (index !== undefined && !index.complete) this.#prune(table, index);
    }
  }

  #of(table: number): TableIndex {
    const { complete } = this.#rows;
    const known = this.#tables[table];
    if (known !== undefined && known.complete === complete) return known;
    if (this.#ordered[table] !== true) throw new Error(`table ${table} is not ordered`);
    const index: TableIndex = { byKey: new Map(), complete, gone: 0, size: 0 };
    if (complete) {
      for (const chunk of this.#rows.scan(table, -1, 1)) for (const { key } of chunk) add(index, key);
    } else {
      for (const { key } of this.#rows.unfolded(table, -1, 1)) add(index, key);
    }
    this.#tables[table] = index;
    return index;
  }

  /** Takes out what is not near any more. */
  #prune(table: number, index: TableIndex): void {
    const rows = this.#rows.table(table);
    const isNear = (orderedKey: string): boolean => {
      const id = rows.findText(orderedKey, 0);
      return id >= 0 && (index.complete ? rows.has(id) : this.#rows.isUnfolded(rows, id));
    };
    index.gone = 0;
    index.size = 0;
    for (const [key, positions] of index.byKey) {
      positions.keep((position) => isNear(key + position));
      index.size += positions.size;
      if (positions.size === 0) index.byKey.delete(key);
    }
  }
}

function rowsOf(changes: BatchChanges, of: (table: number) => boolean): Iterable<ChangedRow> {
  if ('tables' in changes) return changedRows(changes.tables.filter(({ table }) => of(table)));
  return changes.filter(({ table }) => of(table));
}

function add(index: TableIndex, orderedKey: string): void {
  const [key, position] = splitOrdered(orderedKey);
  let positions = index.byKey.get(key);
  if (positions === undefined) {
    positions = new Positions();
    index.byKey.set(key, positions);
  }
  const before = positions.size;
  positions.add(position);
  index.size += positions.size - before;
}
