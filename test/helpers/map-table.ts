/** The table contract on a plain map: the reference for tests, with checks that operators keep their side of it. */
import type { OrderedEntry, OrderedTable, ScannedRow, StateTable, TableSpec } from '../../lib/stream/graph/tables.ts';
import type { Chunks } from '../../lib/util/chunks.ts';

export class MapTable<Row = unknown> implements StateTable<Row> {
  readonly rows = new Map<string, ScannedRow<Row>>();
  readonly #spec: TableSpec;
  readonly #async: boolean;
  readonly #loaded = new Set<string>();
  #forgotten = Number.NEGATIVE_INFINITY;

  /** @param async `load` and `scan` answer promises, as the engine's do when rows are far away */
  constructor(spec: TableSpec, async = false) {
    this.#spec = spec;
    this.#async = async;
  }

  /** The same rows, for a batch that may be dropped. */
  copy(): MapTable<Row> {
    const copy = new MapTable<Row>(this.#spec, this.#async);
    for (const [address, row] of this.rows) copy.rows.set(address, row);
    copy.#forgotten = this.#forgotten;
    return copy;
  }

  load(keys: readonly string[], times?: readonly number[]): Promise<void> | undefined {
    for (const [i, key] of keys.entries()) this.#loaded.add(this.#address(key, times?.[i] ?? 0));
    return this.#async ? Promise.resolve() : undefined;
  }

  get(key: string, time: number): Row | undefined {
    const address = this.#address(key, time);
    if (!this.#loaded.has(address))
      throw new Error(`get of an address that was not loaded: ${JSON.stringify(address)}`);
    return this.rows.get(address)?.row;
  }

  put(key: string, time: number, row: Row): void {
    if (this.#time(time) <= this.#forgotten) throw new Error(`a row at ${time}, which is forgotten`);
    // Frozen, so that a change in place of what was put fails at once.
    this.rows.set(this.#address(key, time), { time: this.#time(time), key, row: deepFreeze(row) });
  }

  delete(key: string, time: number): void {
    this.rows.delete(this.#address(key, time));
  }

  forget(upTo: number): void {
    if (this.#spec.kind !== 'timed' || !Number.isFinite(upTo)) throw new Error(`cannot forget up to ${upTo}`);
    this.#forgotten = Math.max(this.#forgotten, upTo);
    for (const [address, { time }] of this.rows) if (time <= upTo) this.rows.delete(address);
  }

  scan(after: number, upTo: number): Chunks<ScannedRow<Row>> {
    const found = [...this.rows.values()]
      .filter(({ time }) => time > after && time <= upTo)
      .sort((a, b) => a.time - b.time || (a.key < b.key ? -1 : 1));
    return this.#chunks(found);
  }

  /** The same table, where it is an ordered one. */
  get ordered(): OrderedTable<Row> {
    const range = (key: string, from = '', to = '\xff'): OrderedEntry<Row>[] =>
      [...this.rows.values()]
        .filter((row) => row.key.startsWith(key))
        .map(({ key: whole, row }) => ({ position: whole.slice(key.length), row }))
        .filter(({ position }) => position >= from && position < to)
        .sort((a, b) => (a.position < b.position ? -1 : 1));
    return {
      load: (keys, positions) => this.load(keys.map((key, i) => key + positions[i]!)),
      get: (key, position) => this.get(key + position, 0),
      put: (key, position, row) => this.put(key + position, 0, row),
      delete: (key, position) => this.delete(key + position, 0),
      range: (key, from, to) => this.#chunks(range(key, from, to)),
      deleteRange: (key, from, to) => {
        for (const { position } of range(key, from, to)) this.delete(key + position, 0);
        return this.#async ? Promise.resolve() : undefined;
      },
    };
  }

  /** Two at a time, so that whoever takes the first chunk for all is found out. */
  #chunks<T>(found: readonly T[]): Chunks<T> {
    const chunks: T[][] = [];
    for (let i = 0; i < found.length; i += 2) chunks.push(found.slice(i, i + 2));
    return this.#async ? later(chunks) : chunks;
  }

  #time(time: number): number {
    return this.#spec.kind === 'timed' ? time : 0;
  }

  #address(key: string, time: number): string {
    return `${this.#time(time)} ${key}`;
  }
}

async function* later<T>(chunks: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* chunks;
}

function deepFreeze<V>(value: V): V {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
