/**
 * What a batch reads from: rows in memory, overlay and SSTs. What it had to fetch from below memory is its own, so that nothing
 * that others bring near or forget meanwhile can change what it sees.
 */
import type { ReadCounts } from '../log/entry.ts';
import type { Entry } from '../sst/entry.ts';
import type { OrderedEntry, ScannedRow } from '../stream/graph/tables.ts';
import { CHUNK, type Chunks } from '../util/chunks.ts';
import { unpackValue } from '../util/pack.ts';
import { addressPrefix, parseAddress, positionRange, type TableKind, tableRange, timeRange } from './address.ts';
import { AddressMap } from './address-map.ts';
import type { ChangedRow } from './changes.ts';
import type { Demand } from './demand.ts';
import type { Floors } from './floors.ts';
import type { MemoryRows } from './memory-rows.ts';
import type { OrderedIndex } from './ordered-index.ts';
import { byPosition } from './ordered-key.ts';
import { overlaid } from './overlaid.ts';
import type { Overlay } from './overlay.ts';
import { noCost, type SstReads } from './sst-reads.ts';

/** A row that is not there, where absence itself is what is known. */
const ABSENT = Symbol('absent');

/** Owned by `PartitionState`. */
export interface Tiers {
  readonly kinds: readonly TableKind[];
  readonly rows: MemoryRows;
  readonly overlay: Overlay;
  readonly floors: Floors;
  readonly order: OrderedIndex;
  readonly reads: SstReads;
  readonly demand: Demand;
  /** State answered ahead by a warm pack: `undefined`: not in it, `null`: absent. By state key. */
  readonly warm: ReadonlyMap<string, Uint8Array | null> | undefined;
}

/** Rows to be looked up at the end of the present turn. */
interface Round {
  readonly places: Map<string, { readonly table: number; readonly time: number; readonly key: string }>;
  readonly done: Promise<void>;
}

export class BatchReads {
  readonly #tiers: Tiers;
  readonly #fetched = new AddressMap<unknown>();
  readonly #cost = noCost();
  #memory = 0;
  #warm = 0;
  #answeredBelow = 0;
  #round: Round | undefined;

  constructor(tiers: Tiers) {
    this.#tiers = tiers;
  }

  /** Reads so far, by tier. */
  get counts(): ReadCounts {
    const { lmdb, store, requests } = this.#cost;
    return { memory: this.#memory, lmdb, warm: this.#warm, store, requests };
  }

  /** Rows that were read from below memory. */
  *fetched(): IterableIterator<ChangedRow> {
    for (const { table, time, rows } of this.#fetched.groups()) {
      for (const [key, row] of rows) if (row !== ABSENT) yield { table, time, key, row };
    }
  }

  kindOf(table: number): TableKind {
    return this.#tiers.kinds[table]!;
  }

  /** Rows of the table at or before this time are gone. */
  floorOf(table: number): number {
    return this.#tiers.floors.of(table);
  }

  get(table: number, time: number, key: string): unknown {
    const { rows, overlay } = this.#tiers;
    // ⚑ floors: whatever a tier below still holds.
    if (time <= this.floorOf(table)) return undefined;
    const row = rows.get(table, time, key);
    if (row !== undefined || rows.complete) return row;
    const unfolded = overlay.get(table, time, key);
    if (unfolded !== undefined) return unfolded.row;
    const read = this.#fetched.get(table, time, key);
    if (read === undefined) throw new Error(`table ${table}: row ${JSON.stringify(key)} was not loaded`);
    return read === ABSENT ? undefined : read;
  }

  /** Whether no batch before has left a row there, as far as is known here. */
  isAbsent(table: number, time: number, key: string): boolean {
    const { rows, overlay } = this.#tiers;
    if (time <= this.floorOf(table)) return true;
    if (rows.complete) return !rows.has(table, time, key);
    if (rows.has(table, time, key) || overlay.get(table, time, key) !== undefined) return false;
    return this.#fetched.get(table, time, key) === ABSENT;
  }

  /** So many rows were asked for, and found in memory. */
  found(count: number): void {
    this.#memory += count;
  }

  load(table: number, keys: readonly string[], times: readonly number[] | undefined): Promise<void> | undefined {
    const { rows, overlay } = this.#tiers;
    if (rows.complete) {
      this.#memory += keys.length;
      return undefined;
    }
    const floor = this.floorOf(table);
    const missing: { time: number; key: string }[] = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const time = times === undefined ? 0 : times[i]!;
      const here =
        time <= floor ||
        rows.has(table, time, key) ||
        overlay.get(table, time, key) !== undefined ||
        this.#fetched.get(table, time, key) !== undefined;
      if (here) this.#memory++;
      else missing.push({ time, key });
    }
    return missing.length === 0 ? undefined : this.#fetch(table, missing);
  }

  /** Rows with `after < time ≤ upTo`, by time, then key. */
  scan(table: number, from: number, upTo: number): Chunks<ScannedRow<unknown>> {
    const { rows, overlay } = this.#tiers;
    const after = Math.max(from, this.floorOf(table));
    if (!(upTo > after)) return [];
    if (rows.complete) return this.#counted(rows.scan(table, after, upTo));
    const unfolded = [...overlay.scan(table, after, upTo)].sort(byTimeAndKey);
    return overlaid(this.#scanBelow(table, after, upTo), unfolded, byTimeAndKey);
  }

  /** Rows of a key of an ordered table with positions in [from, to). */
  range(table: number, key: string, from: string | undefined, to: string | undefined): Chunks<OrderedEntry<unknown>> {
    const { rows, order, overlay } = this.#tiers;
    if (rows.complete) return this.#counted(this.#rangeInMemory(table, key, order.within(table, key, from, to)));
    const unfolded: OrderedEntry<unknown>[] = [];
    for (const position of order.within(table, key, from, to)) {
      const change = overlay.get(table, 0, key + position);
      if (change !== undefined) unfolded.push({ position, row: change.row });
    }
    return overlaid(this.#rangeBelow(table, key, from, to), unfolded, byPosition);
  }

  *#rangeInMemory(
    table: number,
    key: string,
    positions: Iterable<string>,
  ): Generator<OrderedEntry<unknown>[], void, undefined> {
    const { rows } = this.#tiers;
    let found: OrderedEntry<unknown>[] = [];
    for (const position of positions) {
      const row = rows.get(table, 0, key + position);
      if (row !== undefined) found.push({ position, row });
      if (found.length < CHUNK) continue;
      yield found;
      found = [];
    }
    if (found.length > 0) yield found;
  }

  async *#rangeBelow(
    table: number,
    key: string,
    from: string | undefined,
    to: string | undefined,
  ): AsyncGenerator<OrderedEntry<unknown>[], void, undefined> {
    const keyEnd = addressPrefix(table, 'ordered', 0).length + key.length;
    for await (const entries of this.#entriesBelow(positionRange(table, key, from, to))) {
      yield entries.map((entry) => ({ position: entry.key.slice(keyEnd), row: unpackValue(entry.value!) }));
    }
  }

  *#counted<T>(chunks: Iterable<readonly T[]>): Generator<readonly T[], void, undefined> {
    for (const chunk of chunks) {
      this.#memory += chunk.length;
      yield chunk;
    }
  }

  /** Rows that are asked for in one turn, of whatever tables, are looked up in one round. */
  #fetch(table: number, missing: readonly { time: number; key: string }[]): Promise<void> {
    if (this.#round === undefined) {
      const places: Round['places'] = new Map();
      const lookUp = (): Promise<void> => {
        this.#round = undefined;
        return this.#lookUp(places);
      };
      this.#round = { places, done: Promise.resolve().then(lookUp) };
    }
    const { kinds, warm } = this.#tiers;
    const { places, done } = this.#round;
    const prefixes = new Map<number, string>();
    for (const { time, key } of missing) {
      let prefix = prefixes.get(time);
      if (prefix === undefined) {
        prefix = addressPrefix(table, kinds[table]!, time);
        prefixes.set(time, prefix);
      }
      const stateKey = prefix + key;
      const packed = warm?.get(stateKey);
      if (packed !== undefined) {
        this.#warm++;
        this.#fetched.set(table, time, key, packed === null ? ABSENT : unpackValue(packed));
      } else {
        places.set(stateKey, { table, time, key });
      }
    }
    return done;
  }

  async #lookUp(places: Round['places']): Promise<void> {
    const stateKeys = [...places.keys()].sort();
    const { reads, demand } = this.#tiers;
    const values = await demand.during(() => reads.lookup(stateKeys, this.#cost));
    // A key that the filters of all SSTs deny was answered from memory.
    const below = this.#cost.lmdb + this.#cost.store;
    for (const [i, stateKey] of stateKeys.entries()) {
      const { table, time, key } = places.get(stateKey)!;
      const value = values[i];
      this.#fetched.set(table, time, key, value === null || value === undefined ? ABSENT : unpackValue(value));
    }
    this.#memory += Math.max(0, stateKeys.length - (below - this.#answeredBelow));
    this.#answeredBelow = below;
  }

  /** Rows of SSTs alone. */
  async *#scanBelow(
    table: number,
    after: number,
    upTo: number,
  ): AsyncGenerator<ScannedRow<unknown>[], void, undefined> {
    const { kinds } = this.#tiers;
    const range = kinds[table] === 'timed' ? timeRange(table, after, upTo) : tableRange(table);
    for await (const entries of this.#entriesBelow(range)) {
      const found: ScannedRow<unknown>[] = [];
      for (const { key: stateKey, value } of entries) {
        const { time, key } = parseAddress(stateKey, kinds);
        if (time > after && time <= upTo) found.push({ time, key, row: unpackValue(value!) });
      }
      if (found.length > 0) yield found;
    }
  }

  /** Entries of SSTs alone, counted by where they come from. */
  async *#entriesBelow({ from, to }: { from: string; to: string }): AsyncGenerator<Entry[], void, undefined> {
    const { requests } = this.#cost;
    for await (const entries of this.#tiers.reads.scan(from, to, this.#cost)) {
      if (this.#cost.requests > requests) this.#cost.store += entries.length;
      else this.#cost.lmdb += entries.length;
      this.#answeredBelow = this.#cost.lmdb + this.#cost.store;
      yield entries;
    }
  }
}

export function byTimeAndKey(a: Omit<ScannedRow<unknown>, 'row'>, b: Omit<ScannedRow<unknown>, 'row'>): number {
  return a.time - b.time || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}
