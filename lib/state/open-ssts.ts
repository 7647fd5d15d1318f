/**
 * The SSTs of one manifest as far as they are open here: index, filter, and what the local tier has of each. Opened once however many
 * ask. A large filter of the deepest level is not waited for, and not asked for until it would have paid: it says little of keys that are
 * nearly all there, and without it a look-up is as right.
 */
import { type Manifest, type SstRef, sstsOf } from '../manifest/manifest.ts';
import { BLOCK_BYTES } from '../sst/builder.ts';
import { SstFilter } from '../sst/sst-filter.ts';
import { SstIndex } from '../sst/sst-index.ts';
import type { BlockCache, CachedSst } from './block-cache.ts';
import type { OpenSst } from './open-sst.ts';
import { noCost, type ReadCost } from './read-cost.ts';
import type { SstFiles } from './sst-files.ts';

/** What comes with the index in no time worth speaking of: half a millisecond at 90 MB/s. */
const SMALL_FILTER_BYTES = 48 << 10;

export interface OpenSstsOptions {
  readonly files: SstFiles;
  readonly cache: BlockCache | undefined;
  readonly onDamage: (error: unknown) => void;
}

export class OpenSsts {
  readonly #options: OpenSstsOptions;
  readonly #open = new Map<string, OpenSst>();
  readonly #opening = new Map<string, Promise<OpenSst>>();
  readonly #filtering = new Map<string, Promise<void>>();
  /** Newest first. */
  #all: readonly SstRef[] = [];
  #deepest: ReadonlySet<string> = new Set();

  constructor(options: OpenSstsOptions) {
    this.#options = options;
  }

  /** Newest first. */
  get all(): readonly SstRef[] {
    return this.#all;
  }

  /** From now on these are the ones of another manifest. */
  pin(manifest: Manifest): void {
    const before = this.#all;
    this.#all = sstsOf(manifest);
    this.#deepest = new Set(manifest.levels.findLast((level) => level.length > 0)?.map(({ id }) => id));
    const named = new Set(this.#all.map(({ id }) => id));
    for (const { id } of before) {
      if (named.has(id)) continue;
      this.#open.delete(id);
      this.#options.cache?.forget(id);
    }
  }

  /** @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError} */
  open(sst: SstRef, cost: ReadCost): Promise<OpenSst> | OpenSst {
    const open = this.#open.get(sst.id);
    if (open !== undefined) return open;
    const underWay = this.#opening.get(sst.id);
    // What another's request failed of, his deadline say, need not be ours.
    if (underWay !== undefined) return underWay.catch(() => this.open(sst, cost));
    const opening = this.#read(sst, cost).finally(() => this.#opening.delete(sst.id));
    this.#opening.set(sst.id, opening);
    return opening;
  }

  /**
   * Asks for filters without which as many bytes of blocks were read for nothing as they have themselves: so whether keys are nearly
   * all there or nearly all new, twice the bytes of the better way are read at most. Nobody waits for them.
   */
  filterBeside(opened: readonly OpenSst[]): void {
    for (const open of opened) {
      const { sst, filter, misses } = open;
      if (filter !== undefined || misses * BLOCK_BYTES < sst.indexOffset - sst.metaOffset) continue;
      this.#filter(open, noCost()).catch(() => {});
    }
  }

  async #read(sst: SstRef, cost: ReadCost): Promise<OpenSst> {
    const cached = this.#options.cache?.sst(sst.id);
    let index = this.#local(cached, 'index', (bytes) => SstIndex.decode(sst, bytes));
    let filter = this.#local(cached, 'filter', (bytes) => SstFilter.decode(sst, bytes));
    const later = this.#deepest.has(sst.id) && sst.indexOffset - sst.metaOffset > SMALL_FILTER_BYTES;
    const offset = filter !== undefined || later ? sst.indexOffset : sst.metaOffset;
    if (index === undefined) {
      const meta = await this.#options.files.read(sst, { offset, length: sst.size - offset }, cost);
      index = this.#keepIndex(sst, meta.subarray(sst.indexOffset - offset), cached);
      if (offset < sst.indexOffset) filter = this.#keepFilter(sst, meta.subarray(0, sst.indexOffset - offset), cached);
    }
    const open: OpenSst = { sst, index, filter, misses: 0, cached, underWay: new Map() };
    if (filter === undefined && !later) await this.#filter(open, cost);
    // The manifest may be another one by now.
    if (this.#all.some(({ id }) => id === sst.id)) this.#open.set(sst.id, open);
    return open;
  }

  #filter(open: OpenSst, cost: ReadCost): Promise<void> {
    if (open.filter !== undefined) return Promise.resolve();
    const { sst, cached } = open;
    const underWay = this.#filtering.get(sst.id);
    if (underWay !== undefined) return underWay.catch(() => this.#filter(open, cost));
    const range = { offset: sst.metaOffset, length: sst.indexOffset - sst.metaOffset };
    const filtering = this.#options.files
      .read(sst, range, cost)
      .then((bytes) => {
        open.filter = this.#keepFilter(sst, bytes, cached);
      })
      .finally(() => this.#filtering.delete(sst.id));
    this.#filtering.set(sst.id, filtering);
    return filtering;
  }

  #keepIndex(sst: SstRef, bytes: Uint8Array, cached: CachedSst | undefined): SstIndex {
    const index = SstIndex.decode(sst, bytes, this.#options.files.nameOf(sst));
    if (cached !== undefined) this.#options.cache?.put([{ sst: cached, part: 'index', bytes }]);
    return index;
  }

  #keepFilter(sst: SstRef, bytes: Uint8Array, cached: CachedSst | undefined): SstFilter {
    // A copy of its own: it would keep the index's bytes alive.
    const filter = SstFilter.decode(sst, bytes.slice(), this.#options.files.nameOf(sst));
    if (cached !== undefined) this.#options.cache?.put([{ sst: cached, part: 'filter', bytes }]);
    return filter;
  }

  /** What the local tier has; what is damaged there is forgotten. */
  #local<T>(cached: CachedSst | undefined, part: 'index' | 'filter', decode: (bytes: Uint8Array) => T): T | undefined {
    const bytes = cached?.get(part);
    if (bytes === undefined) return undefined;
    try {
      return decode(bytes.slice());
    } catch (error) {
      cached!.drop(part);
      this.#options.onDamage(error);
      return undefined;
    }
  }
}
