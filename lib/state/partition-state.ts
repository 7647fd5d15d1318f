/**
 * One partition's state in this environment: position, memory tier and SST reads under one pinned manifest.
 *
 *     State(n) = SSTs of the manifest (through) ⊕ log(through + 1 … n), without what either has forgotten
 *
 * What log entries have changed and no SST holds is in the memory tier, which lets go of nothing of it: so a read asks memory first, then SSTs.
 *
 * Invariants: the tiers are never ahead of the durable head (changes are applied after the log entry is durable, in one
 * synchronous step, at position n − 1 only); what is lost or damaged here changes only time.
 */

import { KeyColumn } from '../columns/key-column.ts';
import { type Forgotten, NOTHING_FORGOTTEN } from '../log/forgotten.ts';
import { EMPTY_MANIFEST, type LoadedManifest, type Manifest } from '../manifest/manifest.ts';
import type { Entry } from '../sst/entry.ts';
import { unpackValue } from '../util/pack.ts';
import { parseAddress, type TableKind } from './address.ts';
import { BatchState } from './batch-state.ts';
import type { ChangedRow, Changes } from './changes.ts';
import { Demand } from './demand.ts';
import { ExpectedRows } from './expected-rows.ts';
import { Floors } from './floors.ts';
import { MemoryRows } from './memory-rows.ts';
import { NearAnswers, StateKeyPlaces } from './near-answers.ts';
import { OrderedIndex } from './ordered-index.ts';
import type { ReadCost } from './read-cost.ts';
import { SstReads, type SstReadsOptions } from './sst-reads.ts';

export interface PartitionStateOptions extends SstReadsOptions {
  readonly kinds: readonly TableKind[];
  /** By table: numbers of a row where rows are so many numbers. Default: nowhere. */
  readonly widths?: readonly number[] | undefined;
  /** By table: how a row ends that has fewer numbers. Default: none has. */
  readonly blanks?: readonly (readonly number[] | undefined)[] | undefined;
  /** Budget of the memory tier. */
  readonly rowBytes: number;
}

/** How much more memory a row takes than its share of an SST, at most. */
const MEMORY_PER_STORED_BYTE = 20;

export class PartitionState {
  readonly #rowBytes: number;
  readonly kinds: readonly TableKind[];
  readonly rows: MemoryRows;
  /** What is forgotten as of {@link position}. */
  readonly floors = new Floors();
  readonly #order: OrderedIndex;
  readonly reads: SstReads;
  /** Of the batch under way. */
  readonly demand = new Demand();
  /** By number of the batch that is coming, or runs. */
  readonly #expected = new Map<number, ExpectedRows>();
  /** The last batch whose changes are applied. */
  #position = 0;
  /** Hash of log entry `position`; '' before the first. */
  #hash = '';
  #pinned: LoadedManifest = { manifest: EMPTY_MANIFEST, etag: undefined, dateMs: Number.NEGATIVE_INFINITY };
  /** Batches that are reading, and the newest manifest that waits for them. */
  #readers = 0;
  #next: LoadedManifest | undefined;
  #warm: { pack: ReadonlyMap<string, Uint8Array | null>; n: number } | undefined;

  constructor(options: PartitionStateOptions) {
    this.#rowBytes = options.rowBytes;
    this.kinds = options.kinds;
    this.rows = new MemoryRows(options.rowBytes, true, options);
    this.reads = new SstReads(options);
    this.#order = new OrderedIndex(options.kinds, this.rows);
  }

  get position(): number {
    return this.#position;
  }

  get hash(): string {
    return this.#hash;
  }

  get manifest(): Manifest {
    return this.#pinned.manifest;
  }

  /** The newest manifest read, with the store's time of that answer. */
  get pinned(): LoadedManifest {
    return this.#pinned;
  }

  /**
   * Takes a newer manifest. ⚑ left-behind: where it has folded beyond this environment's position, another one wrote in
   * between: rows and the all-keys mark are dropped, and the position becomes the manifest's.
   * @returns whether the tiers were dropped
   */
  adopt(loaded: LoadedManifest): boolean {
    const { manifest } = loaded;
    if (manifest.version < this.#pinned.manifest.version) return false;
    if (this.#readers > 0 && manifest.version > this.#pinned.manifest.version) {
      if (manifest.version >= (this.#next?.manifest.version ?? 0)) this.#next = loaded;
      return false;
    }
    if (manifest.version === this.#pinned.manifest.version) {
      if (loaded.dateMs > this.#pinned.dateMs) this.#pinned = loaded;
      return false;
    }
    this.#pinned = loaded;
    this.reads.pin(manifest);
    // ⚑ one-manifest: a warm pack answers for one; under a newer one what hid the old in it may be folded, and evicted.
    this.#warm = undefined;
    if (manifest.through > this.#position) {
      this.#drop(manifest);
      return true;
    }
    this.rows.folded(manifest.through);
    this.#order.folded();
    return false;
  }

  /**
   * ⚑ one-manifest: reads under one pinned manifest; one that is adopted meanwhile is taken when `work` has ended. Else a fold
   * would let rows go from memory after the batch has found them there, or has read the SSTs of before without them.
   */
  async pinnedFor<T>(work: () => Promise<T>): Promise<T> {
    this.#readers++;
    try {
      return await work();
    } finally {
      const next = this.#next;
      if (--this.#readers === 0 && next !== undefined) {
        this.#next = undefined;
        this.adopt(next);
      }
    }
  }

  /** Forgets all that is in memory, and goes back to what the pinned manifest has folded. */
  reset(): void {
    this.#drop(this.#pinned.manifest);
  }

  /** Answers of a warm pack for batch n, that its reader has found usable. */
  warmFor(n: number, pack: ReadonlyMap<string, Uint8Array | null>): void {
    this.#warm = { pack, n };
  }

  /** State for batch `position + 1`. */
  begin(): BatchState {
    const warm = this.#warm?.n === this.#position + 1 ? this.#warm.pack : undefined;
    const { kinds, rows, floors, reads, demand } = this;
    const snapshot = (): (() => boolean) => this.#snapshot();
    const n = this.#position + 1;
    const expected = (): ExpectedRows | undefined => this.#expected.get(n);
    return new BatchState({ kinds, rows, floors, order: this.#order, reads, demand, warm, expected, snapshot });
  }

  /** Applies a batch's own changes. Only after its log entry is durable. */
  apply(n: number, hash: string, changes: Changes, batch: BatchState): void {
    this.#advance(n, hash);
    batch.apply(changes, n);
    this.#forget(changes.forgotten);
    this.#order.push({ tables: changes.tables });
    batch.end();
    this.#endExpected(n);
  }

  /** What a batch that is coming will ask for. */
  expect(n: number): ExpectedRows {
    let expected = this.#expected.get(n);
    if (expected === undefined) {
      expected = new ExpectedRows(n);
      this.#expected.set(n, expected);
    }
    return expected;
  }

  /** Applies a log entry that someone else made, or that an earlier life of this environment made. */
  adoptEntry(n: number, hash: string, entries: Iterable<Entry>, forgotten: Forgotten = NOTHING_FORGOTTEN): void {
    this.#advance(n, hash);
    this.#forget(forgotten);
    const rows: ChangedRow[] = [];
    for (const { key: stateKey, value } of entries) {
      const { table, time, key } = parseAddress(stateKey, this.kinds);
      const row = value === null ? undefined : unpackValue(value);
      if (this.kinds[table] === 'ordered') rows.push({ table, time, key, row });
      if (row === undefined) this.rows.delete(table, time, key, n);
      else this.rows.put(table, time, key, row, value!.length, n);
    }
    this.#order.push(rows);
  }

  /** Whether there are no rows of this time any more. */
  isForgotten(table: number, time: number): boolean {
    return time <= this.floors.of(table);
  }

  /** Whether a read of this address would be answered from memory. */
  isNear(table: number, time: number, key: string): boolean {
    const { rows } = this;
    if (rows.complete || this.isForgotten(table, time)) return true;
    return rows.knows(table, time, key);
  }

  /** As {@link isNear}, of key i of a column; then it stays until the batch that expects it has run. */
  keepNear(expected: ExpectedRows, table: number, time: number, keys: KeyColumn, i: number): boolean {
    const { rows } = this;
    if (this.isForgotten(table, time) || rows.complete) return true;
    const columns = rows.table(table);
    const id = columns.find(keys, i, time);
    if (id < 0 || !columns.isKnown(id)) return false;
    if (columns.has(id)) expected.keep(columns, id);
    rows.used(columns, id);
    return true;
  }

  /**
   * Reads rows into memory ahead of the batch that expects them.
   * @param stateKeys ascending, each once
   */
  async bringNear(stateKeys: KeyColumn, expected: ExpectedRows): Promise<void> {
    const stillHolds = this.#snapshot();
    // What is near now may be folded, evicted, and newer than what SSTs have at present.
    const keys = this.#notNear(stateKeys);
    const isWanted = (table: number, time: number): boolean =>
      // ⚑ one-manifest: under a newer one, what is newer than these values may be folded, and evicted.
      stillHolds() && !expected.isOver && !this.rows.complete && !this.isForgotten(table, time);
    const answers = new NearAnswers(new StateKeyPlaces(keys, this.kinds), this.rows, expected, isWanted);
    await expected.coming(keys, this.reads.lookup(keys, answers, expected.cost));
  }

  #notNear(stateKeys: KeyColumn): KeyColumn {
    const { rows } = this;
    const places = new StateKeyPlaces(stateKeys, this.kinds);
    const unknown = new KeyColumn(stateKeys.count);
    for (let i = 0; i < stateKeys.count; i++) {
      const { table, time, key } = places.open(i);
      const of = rows.table(table);
      const id = of.find(key, 0, time);
      if (!this.isForgotten(table, time) && (id < 0 || !of.isKnown(id))) unknown.pushFrom(stateKeys, i);
    }
    return unknown;
  }

  /**
   * Reads all of the partition into memory if it is sure to fit, so that absent means absent. Batches may go on meanwhile.
   * @returns `overtaken`: a newer manifest came meanwhile, try again
   */
  async loadAll(cost: ReadCost): Promise<'complete' | 'too large' | 'overtaken'> {
    const { version } = this.#pinned.manifest;
    const stored = this.reads.ssts.reduce((sum, sst) => sum + sst.size, 0);
    if (this.rows.complete) return 'complete';
    if (stored * MEMORY_PER_STORED_BYTE > this.#rowBytes) return 'too large';
    const entries = await this.reads.scanAll('', undefined, cost);
    // ⚑ one-manifest: under a newer one, what is newer than these entries may be folded, and evicted.
    if (version !== this.#pinned.manifest.version) return 'overtaken';
    const { evictions } = this.rows;
    for (const { key: stateKey, value } of entries) {
      const { table, time, key } = parseAddress(stateKey, this.kinds);
      if (!this.isNear(table, time, key)) this.rows.put(table, time, key, unpackValue(value!), value!.length);
    }
    if (this.rows.evictions !== evictions) return 'too large';
    this.rows.markComplete();
    return 'complete';
  }

  /**
   * What memory does not know now is as SSTs have it now. That holds for what memory does not know later, as long as no batch is folded that
   * is applied meanwhile: what it has changed is in memory until then.
   */
  #snapshot(): () => boolean {
    const position = this.#position;
    return () => this.#pinned.manifest.through <= position;
  }

  #endExpected(through: number): void {
    for (const [n, expected] of this.#expected) {
      if (n > through) continue;
      expected.end();
      this.#expected.delete(n);
    }
  }

  #advance(n: number, hash: string): void {
    if (n !== this.#position + 1) throw new Error(`batch ${n} cannot be applied at position ${this.#position}`);
    this.#position = n;
    this.#hash = hash;
  }

  #forget(forgotten: Forgotten): void {
    this.floors.raise(forgotten);
    for (const [table, upTo] of forgotten) this.rows.forgetUpTo(table, upTo);
  }

  #drop(manifest: Manifest): void {
    this.#order.clear();
    this.#endExpected(Number.POSITIVE_INFINITY);
    // ⚑ floors: the position goes where the manifest is, and they go with it.
    this.floors.set(manifest.forgotten ?? NOTHING_FORGOTTEN);
    this.rows.clear(manifest.l0.length === 0 && manifest.levels.every((level) => level.length === 0));
    this.rows.folded(manifest.through);
    this.#position = manifest.through;
    this.#hash = manifest.logHash;
    this.#warm = undefined;
  }
}
