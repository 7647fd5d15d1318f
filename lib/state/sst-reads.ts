/**
 * Reads the SSTs of one manifest, through the local tier. A look-up costs one round trip however many keys it has (two where an
 * index is missing). Nothing here knows of rows or operators: keys and bytes only.
 */
import { KeyColumn } from '../columns/key-column.ts';
import type { Manifest, SstRef } from '../manifest/manifest.ts';
import type { Entry } from '../sst/entry.ts';
import { mergeRuns } from '../sst/merge.ts';
import { type BlockSpan, planScan, scanBlocks } from '../sst/scan.ts';
import type { SstIndex } from '../sst/sst-index.ts';
import { pushAll } from '../util/numbers.ts';
import type { BlockCache } from './block-cache.ts';
import { BlockFetches } from './block-fetches.ts';
import { type BlockSource, blocksOf } from './block-source.ts';
import type { Seeker, Take } from './fetched-span.ts';
import type { OpenSst } from './open-sst.ts';
import { OpenSsts } from './open-ssts.ts';
import type { ReadCost } from './read-cost.ts';
import { SstFiles, type SstPlace } from './sst-files.ts';
import { type Answers, keysIn, keysWithin, SstLookup } from './sst-lookup.ts';

export interface SstReadsOptions extends SstPlace {
  readonly cache: BlockCache | undefined;
  /** Default: the store, in this thread. */
  readonly blocks?: BlockSource | undefined;
  /** Told what cost time and no results: a damaged block of the cache, say. */
  readonly onTrouble?: ((what: string, error: unknown) => void) | undefined;
}

export class SstReads {
  readonly #onDamage: (error: unknown) => void;
  readonly #open: OpenSsts;
  readonly #fetches: BlockFetches;

  constructor({ cache, onTrouble, blocks, ...place }: SstReadsOptions) {
    const files = new SstFiles(place);
    this.#onDamage = (error) => onTrouble?.('a damaged part of the local cache is read again from the store', error);
    this.#open = new OpenSsts({ files, cache, onDamage: this.#onDamage });
    this.#fetches = new BlockFetches((sst) => files.nameOf(sst), blocks ?? blocksOf(place.store), cache);
  }

  /** Reads from now on see this manifest's SSTs. */
  pin(manifest: Manifest): void {
    this.#open.pin(manifest);
  }

  /** Newest first. */
  get ssts(): readonly SstRef[] {
    return this.#open.all;
  }

  /** Opens all SSTs, side by side, as far as look-ups and scans wait for it. */
  async open(cost: ReadCost): Promise<void> {
    await this.#opened(this.ssts, cost);
  }

  async indexOf(sst: SstRef, cost: ReadCost): Promise<SstIndex> {
    return (await this.#open.open(sst, cost)).index;
  }

  /**
   * Tells the newest change of each key; nothing of a key that no SST has.
   * @param keys state keys, ascending, each once
   * @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError}
   */
  async lookup(keys: KeyColumn, answers: Answers, cost: ReadCost): Promise<void> {
    const ssts = this.ssts.filter((sst) => {
      const [first, end] = keysWithin(keys, sst);
      return first < end;
    });
    const opened = await this.#opened(ssts, cost);
    const lookup = new SstLookup(keys, answers, this.#onDamage);
    for (const [rank, open] of opened.entries()) lookup.search(rank, open);
    cost.lmdb += lookup.local;
    cost.store += lookup.waited;
    await Promise.all(
      lookup.missing.map((missing) => {
        const seeker: Seeker = {
          keys,
          keysIn: (block) => keysIn(missing, block),
          takeRows: (block, found) => lookup.takeRows(missing, block, found),
        };
        const take: Take = (block, plain) => lookup.take(missing, block, plain);
        return this.#fetches.fetch(missing.open, missing.blocks, { cost, worth: 'read' }, take, seeker);
      }),
    );
    // Behind the blocks that a batch waits for.
    this.#open.filterBeside(opened);
  }

  /**
   * As {@link lookup}, of few keys, with copies of what is found.
   * @param keys ascending, each once
   * @returns by key: bytes, `null` (deleted), or `undefined` (in no SST)
   */
  async values(keys: readonly string[], cost: ReadCost): Promise<(Uint8Array | null | undefined)[]> {
    const values: (Uint8Array | null | undefined)[] = new Array(keys.length).fill(undefined);
    const answers: Answers = {
      found: (i, bytes, start, end) => {
        values[i] = Uint8Array.prototype.slice.call(bytes, start, end);
      },
      deleted: (i) => {
        values[i] = null;
      },
    };
    await this.lookup(KeyColumn.of(keys), answers, cost);
    return values;
  }

  /** Entries with keys in [from, to), newest change of each, without deleted ones; read a little ahead of who takes them. */
  async *scan(from: string, to: string | undefined, cost: ReadCost): AsyncGenerator<Entry[], void, undefined> {
    const overlapping = this.ssts.filter((s) => s.maxKey >= from && (to === undefined || s.minKey < to));
    const opened = await this.#opened(overlapping, cost);
    const runs = opened.map((open) => scanBlocks(open.index, (span) => this.#span(open, span, cost), { from, to }));
    yield* mergeRuns(runs, { dropTombstones: true });
  }

  /** As {@link scan}, all of them. */
  async scanAll(from: string, to: string | undefined, cost: ReadCost): Promise<Entry[]> {
    const entries: Entry[] = [];
    for await (const chunk of this.scan(from, to, cost)) pushAll(entries, chunk);
    return entries;
  }

  /**
   * Brings the blocks of a {@link scan} into the local tier, where that takes no room from what is read.
   * @param goesOn asked before each request; false ends it
   */
  async bringRange(from: string, to: string, cost: ReadCost, goesOn: () => Promise<boolean>): Promise<void> {
    const overlapping = this.ssts.filter((s) => s.maxKey >= from && s.minKey < to);
    for (const open of await this.#opened(overlapping, cost)) {
      const { cached } = open;
      if (cached === undefined) return;
      for (const { first, last } of planScan(open.index, { from, to })) {
        const missing: number[] = [];
        for (let block = first; block < last; block++) if (!cached.has(block)) missing.push(block);
        if (missing.length === 0) continue;
        if (!(await goesOn())) return;
        await this.#fetches.fetch(open, missing, { cost, worth: 'preloaded' }, () => {});
      }
    }
  }

  async #opened(ssts: readonly SstRef[], cost: ReadCost): Promise<OpenSst[]> {
    return Promise.all(ssts.map((sst) => this.#open.open(sst, cost)));
  }

  /** The plain blocks of a span: from the local tier if all are there, else from the store what is not. */
  async #span(open: OpenSst, { first, last }: BlockSpan, cost: ReadCost): Promise<Uint8Array[]> {
    const plain: Uint8Array[] = [];
    const missing: number[] = [];
    for (let block = first; block < last; block++) {
      const local = open.cached?.get(block)?.slice();
      if (local === undefined) missing.push(block);
      else plain[block - first] = local;
    }
    // A scan reads what is read once, mostly: it takes no room from what is read again.
    await this.#fetches.fetch(open, missing, { cost, worth: 'preloaded' }, (block, bytes) => {
      plain[block - first] = Uint8Array.prototype.slice.call(bytes);
    });
    return plain;
  }
}
