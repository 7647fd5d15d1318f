/**
 * What a batch reads from: rows in memory, and SSTs below. What it has to fetch goes into memory at once, as the batch before has left it,
 * and stays there until the batch ends. Where another batch is at work in memory, this one has rows of its own, to which what it loads is
 * copied.
 */

import type { KeyColumn } from '../columns/key-column.ts';
import type { ReadCounts } from '../log/read-counts.ts';
import type { Entry } from '../sst/entry.ts';
import type { OrderedEntry, ScannedRow } from '../stream/graph/tables.ts';
import { CHUNK, type Chunks } from '../util/chunks.ts';
import { unpackValue } from '../util/pack.ts';
import { addressPrefix, parseAddress, positionRange, type TableKind, tableRange, timeRange } from './address.ts';
import type { Demand } from './demand.ts';
import type { ExpectedRows } from './expected-rows.ts';
import type { Floors } from './floors.ts';
import type { MemoryRows } from './memory-rows.ts';
import type { OrderedIndex } from './ordered-index.ts';
import { byPosition } from './ordered-key.ts';
import { overlaid } from './overlaid.ts';
import { type Place, PlaceAnswers } from './place-answers.ts';
import { noCost } from './read-cost.ts';
import { byTimeAndKey } from './row-order.ts';
import type { SstReads } from './sst-reads.ts';
import type { TableRows } from './table-rows.ts';

/** Owned by `PartitionState`. */
export interface Tiers {
  readonly kinds: readonly TableKind[];
  readonly rows: MemoryRows;
  readonly floors: Floors;
  readonly order: OrderedIndex;
  readonly reads: SstReads;
  readonly demand: Demand;
  /** State answered ahead by a warm pack: `undefined`: not in it, `null`: absent. By state key. */
  readonly warm: ReadonlyMap<string, Uint8Array | null> | undefined;
  /** What is brought near for this batch. */
  readonly expected: () => ExpectedRows | undefined;
  /** @returns tells later whether what memory does not know now, and then, is still as SSTs had it now */
  readonly snapshot: () => () => boolean;
}

/** Rows to be looked up at the end of the present turn. */
interface Round {
  readonly places: PlaceAnswers;
  readonly done: Promise<void>;
}

export class BatchReads {
  readonly #tiers: Tiers;
  /** The rows in which it has places, by table: memory's, or its own. */
  #rows: (TableRows | undefined)[] = [];
  /** Another batch was at work in memory when this one first asked; or this one is over. */
  #isApart = false;
  readonly #cost = noCost();
  #memory = 0;
  #warm = 0;
  #answeredBelow = 0;
  #round: Round | undefined;
  #isOver = false;

  constructor(tiers: Tiers) {
    this.#tiers = tiers;
  }

  /** Reads so far, by tier. */
  get counts(): ReadCounts {
    const { lmdb, store, requests, bytes } = this.#cost;
    const preloaded = this.#tiers.expected()?.counts;
    const ahead = preloaded === undefined ? {} : { preloaded };
    return { memory: this.#memory, lmdb, warm: this.#warm, store, requests, bytes, ...ahead };
  }

  kindOf(table: number): TableKind {
    return this.#tiers.kinds[table]!;
  }

  /** Rows of the table at or before this time are gone. */
  floorOf(table: number): number {
    return this.#tiers.floors.of(table);
  }

  /** The rows in which this batch has its places. */
  rowsOf(table: number): TableRows {
    const memory = this.#tiers.rows;
    const known = this.#rows[table];
    if (known !== undefined) return known;
    if (!memory.own(this)) this.#isApart = true;
    const rows = this.#isApart ? memory.newTable(table) : memory.table(table);
    this.#rows[table] = rows;
    return rows;
  }

  /** The batch is applied, or discarded: what is still on its way comes to nothing. */
  end(): void {
    this.#tiers.rows.endBatch(this);
    this.#rows = [];
    this.#isApart = true;
    this.#isOver = true;
  }

  get(table: number, time: number, key: string): unknown {
    const memory = this.#tiers.rows;
    // ⚑ floors: whatever a tier below still holds.
    if (time <= this.floorOf(table)) return undefined;
    const near = memory.table(table);
    const own = this.#rows[table];
    if (own !== undefined && own !== near) {
      const id = own.findText(key, time);
      if (id >= 0 && own.isKnown(id)) return own.row(id);
    }
    const id = near.findText(key, time);
    if (id >= 0 && near.isKnown(id)) return near.row(id);
    if (memory.complete) return undefined;
    throw new Error(`table ${table}: row ${JSON.stringify(key)} was not loaded`);
  }

  /** Whether no batch before has left a row at a place of this batch, as far as is known here. */
  isAbsent(table: number, rows: TableRows, id: number): boolean {
    if (!this.#bringHere(table, rows, id)) return this.#tiers.rows.complete;
    return rows.isAbsent(id);
  }

  /** So many rows were asked for, and found in memory. */
  found(count: number): void {
    this.#memory += count;
  }

  load(table: number, keys: readonly string[], times: readonly number[] | undefined): Promise<void> | undefined {
    if (this.#tiers.rows.complete) {
      this.#memory += keys.length;
      return undefined;
    }
    const rows = this.rowsOf(table);
    const floor = this.floorOf(table);
    const ids: number[] = [];
    for (let i = 0; i < keys.length; i++) {
      const time = times === undefined ? 0 : times[i]!;
      if (time <= floor) {
        this.#memory++;
        continue;
      }
      const id = rows.internText(keys[i]!, time);
      rows.setLoaded(id);
      ids.push(id);
    }
    return this.loadPlaces(table, rows, ids);
  }

  /** As {@link load}, of places of this batch. */
  loadPlaces(table: number, rows: TableRows, ids: readonly number[]): Promise<void> | undefined {
    const missing = ids.filter((id) => !this.#bringHere(table, rows, id));
    this.#memory += ids.length - missing.length;
    return missing.length === 0 ? undefined : this.#fetch(table, rows, missing);
  }

  /** Rows with `after < time ≤ upTo`, by time, then key. */
  scan(table: number, from: number, upTo: number): Chunks<ScannedRow<unknown>> {
    const { rows } = this.#tiers;
    const after = Math.max(from, this.floorOf(table));
    if (!(upTo > after)) return [];
    if (rows.complete) return this.#counted(rows.scan(table, after, upTo));
    return overlaid(this.#scanBelow(table, after, upTo), rows.unfolded(table, after, upTo), byTimeAndKey);
  }

  /** Rows of a key of an ordered table with positions in [from, to). */
  range(table: number, key: string, from: string | undefined, to: string | undefined): Chunks<OrderedEntry<unknown>> {
    const { rows, order } = this.#tiers;
    if (rows.complete) return this.#counted(this.#rangeInMemory(table, key, order.within(table, key, from, to)));
    const near = rows.table(table);
    const unfolded: OrderedEntry<unknown>[] = [];
    for (const position of order.within(table, key, from, to)) {
      const id = near.findText(key + position, 0);
      if (id >= 0 && rows.isUnfolded(near, id)) unfolded.push({ position, row: near.row(id) });
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

  /** Whether it is known what is at a place of this batch; where it has rows of its own, they learn what memory knows. */
  #bringHere(table: number, rows: TableRows, id: number): boolean {
    const memory = this.#tiers.rows;
    const near = memory.table(table);
    if (near === rows) {
      if (rows.has(id)) memory.used(rows, id);
      return rows.isKnown(id);
    }
    if (rows.isKnown(id)) return true;
    const there = near.findText(rows.key(id), rows.time(id));
    if (there < 0 || !near.isKnown(there)) return false;
    if (near.has(there)) rows.set(id, near.row(there));
    else rows.setAbsent(id);
    return true;
  }

  /** Rows that are asked for in one turn, of whatever tables, are looked up in one round. */
  #fetch(table: number, rows: TableRows, ids: readonly number[]): Promise<void> {
    const { kinds, warm } = this.#tiers;
    this.#round ??= this.#newRound();
    const { places, done } = this.#round;
    const kind = kinds[table]!;
    for (const id of ids) {
      const packed = warm?.get(addressPrefix(table, kind, rows.time(id)) + rows.key(id));
      if (packed === undefined) places.push(table, kind, rows, id);
      else this.#fillWarm(table, rows, id, packed);
    }
    return done;
  }

  #newRound(): Round {
    const places = this.#newPlaces();
    const lookUp = (): Promise<void> => {
      this.#round = undefined;
      return this.#lookUp(places);
    };
    return { places, done: Promise.resolve().then(lookUp) };
  }

  #newPlaces(): PlaceAnswers {
    const stillHolds = this.#tiers.snapshot();
    return new PlaceAnswers({
      // ⚑ one-manifest: else the batch comes to nothing, and memory must not learn what is old. Nor does it of a batch that is over.
      holds: () => !this.#isOver && stillHolds(),
      fill: (table, rows, id, bytes, start, end) => this.#fill(table, rows, id, bytes, start, end),
      fillAbsent: (table, rows, id) => this.#fillAbsent(table, rows, id),
    });
  }

  /** What is on its way into memory is waited for, and looked up only if it has not come. */
  async #lookUp(places: PlaceAnswers): Promise<void> {
    const { reads, demand } = this.#tiers;
    const expected = this.#tiers.expected();
    const coming = new Set<Promise<void>>();
    const isComing = (stateKeys: KeyColumn, i: number): boolean => {
      const come = expected!.comes(stateKeys, i);
      if (come !== undefined) coming.add(come);
      return come !== undefined;
    };
    const later = expected?.areComing ? places.takeOut(isComing) : [];
    const stateKeys = places.sort();
    await demand.during(() => Promise.all([reads.lookup(stateKeys, places, this.#cost), ...coming]));
    places.end();
    // A key that the filters of all SSTs deny was answered from memory.
    const below = this.#cost.lmdb + this.#cost.store;
    this.#memory += Math.max(0, stateKeys.count - (below - this.#answeredBelow));
    this.#answeredBelow = below;
    if (later.length > 0) await this.#lookUpIfMissing(later);
  }

  async #lookUpIfMissing(places: readonly Place[]): Promise<void> {
    const missing = places.filter(({ table, rows, id }) => !this.#bringHere(table, rows, id));
    this.#memory += places.length - missing.length;
    if (missing.length === 0) return;
    const again = this.#newPlaces();
    for (const { table, rows, id } of missing) again.push(table, this.kindOf(table), rows, id);
    await this.#lookUp(again);
  }

  #fill(table: number, rows: TableRows, id: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isToCome(table, rows, id)) return;
    const memory = this.#tiers.rows;
    if (memory.table(table) === rows) memory.setStored(rows, id, bytes, start, end);
    else rows.setPacked(id, bytes, start, end);
  }

  #fillAbsent(table: number, rows: TableRows, id: number): void {
    if (this.#isToCome(table, rows, id)) rows.setAbsent(id);
  }

  #fillWarm(table: number, rows: TableRows, id: number, packed: Uint8Array | null): void {
    this.#warm++;
    if (packed === null) this.#fillAbsent(table, rows, id);
    else this.#fill(table, rows, id, packed, 0, packed.length);
  }

  /** Else somebody has brought the row near meanwhile, or it has been changed or forgotten. */
  #isToCome(table: number, rows: TableRows, id: number): boolean {
    return !rows.isKnown(id) && rows.time(id) > this.floorOf(table);
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
