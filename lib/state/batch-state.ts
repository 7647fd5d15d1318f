/**
 * The state as one batch sees it: its own changes over the partition's rows, overlay and SSTs. Nothing of the partition is
 * changed before the batch is durable, so an attempt that is discarded leaves no trace.
 */

import { writeChange } from '../log/changes.ts';
import type { ReadCounts } from '../log/entry.ts';
import type { ScannedRow, Table, TableSpec } from '../stream/operator.ts';
import { ByteWriter } from '../util/bytes.ts';
import { packValue, unpackValue } from '../util/pack.ts';
import { assertPlain, NotPlainError } from '../util/plain-data.ts';
import { addressPrefix, parseAddress, type TableKind, tableRange, timeRange } from './address.ts';
import { AddressMap } from './address-map.ts';
import type { ChangedRow, Overlay } from './overlay.ts';
import type { Rows } from './rows.ts';
import { noCost, type SstReads } from './sst-reads.ts';

/** A row that is not there, where absence itself is what is known. */
const ABSENT = Symbol('absent');

/** What a batch reads from; owned by `PartitionState`. */
export interface Tiers {
  readonly kinds: readonly TableKind[];
  readonly rows: Rows;
  readonly overlay: Overlay;
  readonly reads: SstReads;
  /** State answered ahead by a warm pack: `undefined`: not in it, `null`: absent. By state key. */
  readonly warm: ReadonlyMap<string, Uint8Array | null> | undefined;
}

/** A batch's changes, encoded for its log entry and decoded for the tiers. */
export interface Changes {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly rows: readonly (ChangedRow & { readonly valueBytes: number })[];
}

/** A value of a table that is no plain data. */
export class UnstorableError extends Error {
  readonly table: number;
  declare readonly cause: NotPlainError;

  constructor(table: number, cause: NotPlainError) {
    super(cause.message, { cause });
    this.table = table;
  }
}

function packRow(table: number, row: unknown): Uint8Array {
  try {
    return packValue(row);
  } catch (error) {
    if (!(error instanceof NotPlainError)) throw error;
    // A row of slots: the place is one within the user's own value.
    for (const slot of Array.isArray(row) ? row : []) assertStorable(table, slot);
    throw new UnstorableError(table, error);
  }
}

function assertStorable(table: number, value: unknown): void {
  try {
    assertPlain(value);
  } catch (error) {
    throw error instanceof NotPlainError ? new UnstorableError(table, error) : error;
  }
}

export class BatchState {
  readonly #tiers: Tiers;
  readonly #changes = new AddressMap<unknown>();
  readonly #fetched = new AddressMap<unknown>();
  readonly #cost = noCost();
  #memory = 0;
  #warm = 0;

  constructor(tiers: Tiers) {
    this.#tiers = tiers;
  }

  /** @param first number of the first of these tables in the partition */
  tables(specs: readonly TableSpec[], first: number): Table[] {
    return specs.map((_, i) => this.#table(first + i));
  }

  /** Reads so far, by tier. */
  get reads(): ReadCounts {
    const { lmdb, store, requests } = this.#cost;
    return { memory: this.#memory, lmdb, warm: this.#warm, store, requests };
  }

  /** Rows that were read from below memory and not changed: worth keeping there. */
  *unchangedReads(): IterableIterator<ChangedRow> {
    for (const { table, time, rows } of this.#fetched.groups()) {
      for (const [key, row] of rows) {
        if (row !== ABSENT && this.#changes.get(table, time, key) === undefined) yield { table, time, key, row };
      }
    }
  }

  /** Encodes the changes, sorted by state key. @throws {UnstorableError} */
  encode(): Changes {
    const writer = new ByteWriter(Math.max(1024, this.#changes.size * 48));
    const changed: (ChangedRow & { valueBytes: number })[] = [];
    const groups = [...this.#changes.groups()].map(({ table, time, rows }) => ({
      table,
      time,
      rows,
      prefix: addressPrefix(table, this.#tiers.kinds[table]!, time),
    }));
    groups.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
    for (const { table, time, rows, prefix } of groups) {
      for (const key of [...rows.keys()].sort()) {
        const row = rows.get(key);
        if (row === ABSENT) {
          // A row that was made and deleted within the batch was never anywhere.
          if (this.#knownAbsent(table, time, key)) continue;
          writeChange(writer, prefix + key, null);
          changed.push({ table, time, key, row: undefined, valueBytes: 0 });
        } else {
          const value = packRow(table, row);
          writeChange(writer, prefix + key, value);
          changed.push({ table, time, key, row, valueBytes: value.length });
        }
      }
    }
    return { bytes: writer.view(), count: changed.length, rows: changed };
  }

  #table(table: number): Table {
    const { rows, overlay } = this.#tiers;
    const changes = this.#changes;
    const fetched = this.#fetched;
    return {
      load: (keys, times) => this.#load(table, keys, times),
      get: (key, time) => {
        const changed = changes.size === 0 ? undefined : changes.get(table, time, key);
        if (changed !== undefined) return changed === ABSENT ? undefined : changed;
        const row = rows.get(table, time, key);
        if (row !== undefined || rows.complete) return row;
        const unfolded = overlay.get(table, time, key);
        if (unfolded !== undefined) return unfolded.row;
        const read = fetched.get(table, time, key);
        if (read === undefined) throw new Error(`table ${table}: row ${JSON.stringify(key)} was not loaded`);
        return read === ABSENT ? undefined : read;
      },
      put: (key, time, row) => {
        changes.set(table, time, key, row);
      },
      delete: (key, time) => {
        changes.set(table, time, key, ABSENT);
      },
      scan: (after, upTo) => this.#scan(table, after, upTo),
    };
  }

  #load(table: number, keys: readonly string[], times: readonly number[] | undefined): Promise<void> | undefined {
    const { rows, overlay } = this.#tiers;
    if (rows.complete) {
      this.#memory += keys.length;
      return undefined;
    }
    const missing: { time: number; key: string }[] = [];
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const time = times === undefined ? 0 : times[i]!;
      const here =
        rows.get(table, time, key) !== undefined ||
        overlay.get(table, time, key) !== undefined ||
        this.#fetched.get(table, time, key) !== undefined;
      if (here) this.#memory++;
      else missing.push({ time, key });
    }
    return missing.length === 0 ? undefined : this.#fetch(table, missing);
  }

  async #fetch(table: number, missing: readonly { time: number; key: string }[]): Promise<void> {
    const { kinds, reads, warm } = this.#tiers;
    const prefixes = new Map<number, string>();
    const places = new Map<string, { time: number; key: string }>();
    for (const place of missing) {
      let prefix = prefixes.get(place.time);
      if (prefix === undefined) {
        prefix = addressPrefix(table, kinds[table]!, place.time);
        prefixes.set(place.time, prefix);
      }
      const stateKey = prefix + place.key;
      const packed = warm?.get(stateKey);
      if (packed !== undefined) {
        this.#warm++;
        this.#fetched.set(table, place.time, place.key, packed === null ? ABSENT : unpackValue(packed));
      } else {
        places.set(stateKey, place);
      }
    }
    const stateKeys = [...places.keys()].sort();
    const values = await reads.lookup(stateKeys, this.#cost);
    // A key that the filters of all SSTs deny was answered from memory.
    const below = this.#cost.lmdb + this.#cost.store;
    for (const [i, stateKey] of stateKeys.entries()) {
      const { time, key } = places.get(stateKey)!;
      const value = values[i];
      this.#fetched.set(table, time, key, value === null || value === undefined ? ABSENT : unpackValue(value));
    }
    this.#memory += Math.max(0, stateKeys.length - (below - this.#answeredBelow));
    this.#answeredBelow = below;
  }

  #answeredBelow = 0;

  #scan(table: number, after: number, upTo: number): Promise<ScannedRow<unknown>[]> | ScannedRow<unknown>[] {
    const { rows } = this.#tiers;
    if (!(upTo > after)) return [];
    if (rows.complete) {
      const stored = rows.scan(table, after, upTo);
      this.#memory += stored.length;
      return this.#withChanges(table, after, upTo, stored);
    }
    return this.#scanBelow(table, after, upTo);
  }

  async #scanBelow(table: number, after: number, upTo: number): Promise<ScannedRow<unknown>[]> {
    const { kinds, reads, overlay } = this.#tiers;
    const { from, to } = kinds[table] === 'timed' ? timeRange(table, after, upTo) : tableRange(table);
    const requests = this.#cost.requests;
    const entries = await reads.scan(from, to, this.#cost);
    if (this.#cost.requests > requests) this.#cost.store += entries.length;
    else this.#cost.lmdb += entries.length;
    this.#answeredBelow = this.#cost.lmdb + this.#cost.store;
    const found = new AddressMap<unknown>();
    for (const { key: stateKey, value } of entries) {
      const { time, key } = parseAddress(stateKey, kinds);
      if (time > after && time <= upTo) found.set(table, time, key, unpackValue(value!));
    }
    for (const { time, key, row } of overlay.scan(table, after, upTo)) {
      if (row === undefined) found.delete(table, time, key);
      else found.set(table, time, key, row);
    }
    const stored: ScannedRow<unknown>[] = [];
    for (const time of found.times(table, after, upTo)) {
      for (const [key, row] of found.at(table, time)!) stored.push({ time, key, row });
    }
    return this.#withChanges(table, after, upTo, stored);
  }

  /** Puts this batch's changes over rows of earlier batches, in order. */
  #withChanges(table: number, after: number, upTo: number, stored: ScannedRow<unknown>[]): ScannedRow<unknown>[] {
    const changedTimes = this.#changes.times(table, after, upTo);
    const merged =
      changedTimes.length === 0 ? stored : stored.filter((r) => !this.#changes.at(table, r.time)?.has(r.key));
    for (const time of changedTimes) {
      for (const [key, row] of this.#changes.at(table, time)!) if (row !== ABSENT) merged.push({ time, key, row });
    }
    return merged.sort((a, b) => a.time - b.time || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  }

  #knownAbsent(table: number, time: number, key: string): boolean {
    const { rows, overlay } = this.#tiers;
    if (rows.get(table, time, key) !== undefined || overlay.get(table, time, key) !== undefined) return false;
    return rows.complete || this.#fetched.get(table, time, key) === ABSENT;
  }
}
