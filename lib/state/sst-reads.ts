/**
 * Reads the SSTs of one manifest, through the local tier. Point reads are grouped: filters first, then the blocks that are
 * not here in as few ranged requests as possible, all at once; so a batch's reads cost one round trip however many keys it
 * has (two where an index is missing). Nothing here knows of rows or operators: keys and bytes only.
 */
import { KeyColumn } from '../columns/key-column.ts';
import { CorruptionError } from '../errors.ts';
import { type Manifest, type SstRef, sstsOf } from '../manifest/manifest.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ByteRange, ObjectStore } from '../object-store/object-store.ts';
import { ABSENT, Block, FOUND } from '../sst/block.ts';
import { plainBlock } from '../sst/compression.ts';
import type { Entry } from '../sst/entry.ts';
import { mergeRuns } from '../sst/merge.ts';
import { type BlockSpan, scanBlocks, splitSpan } from '../sst/scan.ts';
import { SstFilter } from '../sst/sst-filter.ts';
import { SstIndex } from '../sst/sst-index.ts';
import { pushAll } from '../util/numbers.ts';
import type { BlockCache, Part } from './block-cache.ts';

/** Blocks between two wanted ones that are fetched along, to save a request. */
const GAP_BLOCKS = 2;
/** A request asks for at most this many bytes. */
const SPAN_BYTES = 4 << 20;

/** ⚑ missing-sst: one that the manifest names is not in the store. The manifest is old (read it again), or the store is damaged. */
export class MissingSstError extends CorruptionError {
  constructor(object: string) {
    super(object, 'it is missing although the manifest names it');
  }
}

/** Where a point read was answered, and what it cost. */
export interface ReadCost {
  lmdb: number;
  store: number;
  requests: number;
  bytes: number;
}

export const noCost = (): ReadCost => ({ lmdb: 0, store: 0, requests: 0, bytes: 0 });

/** A place to look for a key. */
interface Candidate {
  readonly sst: SstRef;
  readonly block: number;
}

interface OpenSst {
  readonly index: SstIndex;
  readonly filter: SstFilter;
}

/** Blocks by SST. References and not places in the manifest: another one may be pinned while these are fetched. */
export type BlockSets = Map<SstRef, Set<number>>;

export interface SstReadsOptions {
  readonly store: ObjectStore;
  readonly names: Names;
  readonly path: PartitionPath;
  readonly cache: BlockCache | undefined;
  /** Told what cost time and no results: a damaged block of the cache, say. */
  readonly onTrouble?: ((what: string, error: unknown) => void) | undefined;
}

export class SstReads {
  readonly #options: SstReadsOptions;
  #ssts: readonly SstRef[] = [];
  readonly #indexes = new Map<string, OpenSst>();
  readonly #opening = new Map<string, Promise<OpenSst>>();
  /** Blocks that are on their way, by SST and number: two who ask for one share its request. */
  readonly #fetching = new Map<string, Promise<Uint8Array>>();

  constructor(options: SstReadsOptions) {
    this.#options = options;
  }

  /** Reads from now on see this manifest's SSTs. */
  pin(manifest: Manifest): void {
    const before = this.#ssts;
    this.#ssts = sstsOf(manifest);
    const named = new Set(this.#ssts.map((s) => s.id));
    for (const { id } of before) {
      if (named.has(id)) continue;
      this.#indexes.delete(id);
      this.#options.cache?.forget(id);
    }
  }

  get ssts(): readonly SstRef[] {
    return this.#ssts;
  }

  /** Brings indexes and filters of all SSTs near, side by side. */
  async openAll(cost: ReadCost = noCost()): Promise<void> {
    await Promise.all(this.#ssts.map((sst) => this.#index(sst, cost)));
  }

  /**
   * The newest value of each key: bytes, `null` (deleted), or `undefined` (in no SST).
   * @param keys ascending, without duplicates
   * @throws {MissingSstError} @throws {CorruptionError}
   */
  async lookup(keys: readonly string[], cost: ReadCost): Promise<(Uint8Array | null | undefined)[]> {
    const column = KeyColumn.of(keys);
    const candidates = await this.#candidates(keys, column, cost);
    const blocks = new Map<string, Block>();
    const found: (Uint8Array | null | undefined)[] = new Array(keys.length);
    const waiting: number[] = [];
    const missing: BlockSets = new Map();
    for (let i = 0; i < keys.length; i++) {
      const places = candidates[i];
      if (places === undefined) continue;
      for (let c = 0; c < places.length; c++) {
        const { sst, block } = places[c]!;
        const here = this.#localBlock(sst, block, blocks);
        if (here === undefined) {
          // All that is left for this key is fetched in the same round, so that there is only one.
          for (const place of places.slice(c)) wanted(missing, place.sst).add(place.block);
          waiting.push(i);
          break;
        }
        const value = valueIn(here, column, i);
        // ⚑ tombstones: `null` is an answer.
        if (value !== undefined) {
          found[i] = value;
          cost.lmdb++;
          break;
        }
      }
    }
    await this.#fetchBlocks(missing, blocks, cost);
    for (const i of waiting) {
      cost.store++;
      for (const { sst, block } of candidates[i]!) {
        const here = this.#localBlock(sst, block, blocks);
        const value = here === undefined ? undefined : valueIn(here, column, i);
        if (value !== undefined) {
          found[i] = value;
          break;
        }
      }
    }
    return found;
  }

  /** Entries with keys in [from, to), newest change of each, without deleted ones; read a little ahead of who takes them. */
  async *scan(from: string, to: string | undefined, cost: ReadCost): AsyncGenerator<Entry[], void, undefined> {
    const overlapping = this.#ssts.filter((s) => s.maxKey >= from && (to === undefined || s.minKey < to));
    const indexes = await Promise.all(overlapping.map((sst) => this.indexOf(sst, cost)));
    const runs = overlapping.map((sst, i) =>
      scanBlocks(indexes[i]!, (span) => this.#fetchSpan(sst, indexes[i]!, span, cost), { from, to }),
    );
    yield* mergeRuns(runs, { dropTombstones: true });
  }

  /** As {@link scan}, all of them. */
  async scanAll(from: string, to: string | undefined, cost: ReadCost): Promise<Entry[]> {
    const entries: Entry[] = [];
    for await (const chunk of this.scan(from, to, cost)) pushAll(entries, chunk);
    return entries;
  }

  /** The blocks that these keys may be in, or that these ranges cover, and that are not in the local tier. */
  async missingBlocks(
    keys: readonly string[],
    ranges: readonly { readonly from: string; readonly to: string }[],
    cost: ReadCost,
  ): Promise<BlockSets> {
    const ssts = this.#ssts;
    const missing: BlockSets = new Map();
    const want = (sst: SstRef, block: number): void => {
      if (!this.#options.cache?.sst(sst.id).has(block)) wanted(missing, sst).add(block);
    };
    const candidates = await this.#candidates(keys, KeyColumn.of(keys), cost);
    for (const places of candidates) for (const p of places ?? []) want(p.sst, p.block);
    for (const sst of ssts) {
      for (const { from, to } of ranges) {
        if (sst.maxKey < from || sst.minKey >= to) continue;
        const [first, last] = (await this.indexOf(sst, cost)).blockRange(from, to);
        for (let block = first; block < last; block++) want(sst, block);
      }
    }
    return missing;
  }

  /** Blocks of an SST that the local tier holds. */
  localBlocks(sst: SstRef, blockCount: number): Set<number> {
    const local = new Set<number>();
    for (let b = 0; b < blockCount; b++) if (this.#options.cache?.sst(sst.id).has(b)) local.add(b);
    return local;
  }

  /** Fetches spans into the local tier, side by side. */
  async fetchSpans(
    fetches: readonly { readonly sst: SstRef; readonly span: BlockSpan }[],
    cost: ReadCost,
  ): Promise<void> {
    await Promise.all(
      fetches.map(async ({ sst, span }) => {
        await this.#fetchSpan(sst, await this.indexOf(sst, cost), span, cost);
      }),
    );
  }

  async indexOf(sst: SstRef, cost: ReadCost): Promise<SstIndex> {
    return (await this.#index(sst, cost)).index;
  }

  /** For each key the places it may be in, newest first; `undefined`: nowhere. */
  async #candidates(keys: readonly string[], column: KeyColumn, cost: ReadCost): Promise<(Candidate[] | undefined)[]> {
    const candidates: (Candidate[] | undefined)[] = new Array(keys.length);
    if (keys.length === 0) return candidates;
    const least = keys[0]!;
    const greatest = keys[keys.length - 1]!;
    const relevant = this.#ssts.filter((sst) => sst.minKey <= greatest && sst.maxKey >= least);
    const opened = await Promise.all(relevant.map((sst) => this.#index(sst, cost)));
    for (const [at, sst] of relevant.entries()) {
      const { index, filter } = opened[at]!;
      let near = 0;
      for (let k = lowerBound(keys, sst.minKey); k < keys.length && keys[k]! <= sst.maxKey; k++) {
        if (!filter.mayContain(column.hashes[k]!)) continue;
        near = index.findBlock(column, k, near);
        const place = { sst, block: near };
        const places = candidates[k];
        if (places === undefined) candidates[k] = [place];
        else places.push(place);
      }
    }
    return candidates;
  }

  /** A block that is decoded already or in the local tier; one that is damaged there is forgotten and fetched again. */
  #localBlock(sst: SstRef, block: number, decoded: Map<string, Block>): Block | undefined {
    const key = `${sst.id}/${block}`;
    const known = decoded.get(key);
    if (known !== undefined) return known;
    const raw = this.#options.cache?.sst(sst.id).get(block)?.slice();
    if (raw === undefined) return undefined;
    try {
      const fresh = new Block().open(plainBlock(raw, key), key);
      decoded.set(key, fresh);
      return fresh;
    } catch (error) {
      this.#damaged(sst, block, error);
      return undefined;
    }
  }

  async #fetchBlocks(
    missing: ReadonlyMap<SstRef, ReadonlySet<number>>,
    decoded: Map<string, Block>,
    cost: ReadCost,
  ): Promise<void> {
    await Promise.all(
      [...missing].map(async ([sst, blocks]) => {
        const index = await this.indexOf(sst, cost);
        await Promise.all(
          planSpans(
            index,
            [...blocks].sort((a, b) => a - b),
          ).map(async (span) => {
            const raws = await this.#fetchSpan(sst, index, span, cost);
            for (const [k, raw] of raws.entries()) {
              const key = `${sst.id}/${span.first + k}`;
              const where = this.#where(sst, span.first + k);
              if (!decoded.has(key)) decoded.set(key, new Block().open(plainBlock(raw, where), where));
            }
          }),
        );
      }),
    );
  }

  /** The stored blocks of a span: from the local tier if all are there, else by one ranged request, which fills it. */
  async #fetchSpan(sst: SstRef, index: SstIndex, span: BlockSpan, cost: ReadCost): Promise<Uint8Array[]> {
    const cached = this.#options.cache?.sst(sst.id);
    if (cached !== undefined) {
      const local: Uint8Array[] = [];
      for (let b = span.first; b < span.last && cached.has(b); b++) {
        const raw = cached.get(b)?.slice();
        if (raw === undefined) break;
        try {
          plainBlock(raw, '');
        } catch (error) {
          this.#damaged(sst, b, error);
          break;
        }
        local.push(raw);
      }
      if (local.length === span.last - span.first) return local;
    }
    const blocks: Promise<Uint8Array>[] = [];
    for (let b = span.first; b < span.last; ) {
      const underWay = this.#fetching.get(`${sst.id}/${b}`);
      if (underWay !== undefined) {
        const block = b++;
        // Whoever asked first may fail of something that is his alone, his deadline say: then it is asked for again.
        const again = async (): Promise<Uint8Array> => (await this.#fetchSpan(sst, index, one(index, block), cost))[0]!;
        blocks.push(underWay.catch(again));
        continue;
      }
      const first = b++;
      while (b < span.last && !this.#fetching.has(`${sst.id}/${b}`)) b++;
      pushAll(blocks, this.#fetch(sst, index, { first, last: b, ...index.span(first, b) }, cost));
    }
    return Promise.all(blocks);
  }

  /** One ranged request for blocks that nobody has asked for. */
  #fetch(sst: SstRef, index: SstIndex, span: BlockSpan, cost: ReadCost): Promise<Uint8Array>[] {
    const reading = (async () => {
      const raws = splitSpan(index, span, await this.#read(sst, span, cost));
      for (const [k, raw] of raws.entries()) plainBlock(raw, this.#where(sst, span.first + k));
      const cached = this.#options.cache?.sst(sst.id);
      if (cached !== undefined) {
        this.#options.cache?.put(raws.map((bytes, k) => ({ sst: cached, part: span.first + k, bytes })));
      }
      return raws;
    })();
    return Array.from({ length: span.last - span.first }, (_, k) => {
      const name = `${sst.id}/${span.first + k}`;
      const block = reading
        .then((raws) => raws[k]!)
        .finally(() => {
          if (this.#fetching.get(name) === block) this.#fetching.delete(name);
        });
      this.#fetching.set(name, block);
      return block;
    });
  }

  /** One index, opened once however many ask. */
  #index(sst: SstRef, cost: ReadCost): Promise<OpenSst> | OpenSst {
    const open = this.#indexes.get(sst.id);
    if (open !== undefined) return open;
    const underWay = this.#opening.get(sst.id);
    // As for blocks: what another's request failed of need not be ours.
    if (underWay !== undefined) return underWay.catch(() => this.#index(sst, cost));
    const opening = this.#open(sst, cost).finally(() => this.#opening.delete(sst.id));
    this.#opening.set(sst.id, opening);
    return opening;
  }

  async #open(sst: SstRef, cost: ReadCost): Promise<OpenSst> {
    const { cache } = this.#options;
    const local = cache?.sst(sst.id).get('meta')?.slice();
    if (local !== undefined) {
      try {
        return this.#keep(opened(sst, local));
      } catch (error) {
        this.#damaged(sst, 'meta', error);
      }
    }
    const meta = await this.#read(sst, { offset: sst.metaOffset, length: sst.size - sst.metaOffset }, cost);
    const { names, path } = this.#options;
    const open = opened(sst, meta, names.sst(path, sst.id));
    cache?.put([{ sst: cache.sst(sst.id), part: 'meta', bytes: meta }]);
    return this.#keep(open);
  }

  #keep(open: OpenSst): OpenSst {
    this.#indexes.set(open.index.info.id, open);
    return open;
  }

  async #read(sst: SstRef, range: ByteRange, cost: ReadCost): Promise<Uint8Array> {
    const { store, names, path } = this.#options;
    const name = names.sst(path, sst.id);
    cost.requests++;
    const answer = await store.get(name, { range: { offset: range.offset, length: range.length } });
    if (!answer.found) throw new MissingSstError(name);
    if (answer.body.length !== range.length) throw new CorruptionError(name, 'it is shorter than the manifest says');
    cost.bytes += answer.body.length;
    return answer.body;
  }

  #damaged(sst: SstRef, part: Part, error: unknown): void {
    this.#options.cache?.sst(sst.id).drop(part);
    this.#options.onTrouble?.('a damaged part of the local cache is read again from the store', error);
  }

  #where(sst: SstRef, block: number): string {
    return `${this.#options.names.sst(this.#options.path, sst.id)} block ${block}`;
  }
}

/** @param meta the file's bytes from the filter on @throws {CorruptionError} */
function opened(sst: SstRef, meta: Uint8Array, where?: string): OpenSst {
  const filterBytes = sst.indexOffset - sst.metaOffset;
  return {
    index: SstIndex.decode(sst, meta.subarray(filterBytes), where),
    filter: SstFilter.decode(sst, meta.subarray(0, filterBytes), where),
  };
}

/** The value of key i of a column: bytes, a view of the block; `null`: deleted; `undefined`: not there. */
function valueIn(block: Block, keys: KeyColumn, i: number): Uint8Array | null | undefined {
  const answer = block.find(keys, i);
  if (answer === ABSENT) return undefined;
  return answer === FOUND ? block.bytes.subarray(block.valueStart, block.valueEnd) : null;
}

function one(index: SstIndex, block: number): BlockSpan {
  return { first: block, last: block + 1, ...index.span(block, block + 1) };
}

/** Adjacent blocks, or nearly so, as one request each. */
export function planSpans(index: SstIndex, blocks: readonly number[]): BlockSpan[] {
  const spans: BlockSpan[] = [];
  let first = -1;
  let last = -1;
  const close = (): void => {
    if (first >= 0) spans.push({ first, last, ...index.span(first, last) });
  };
  for (const block of blocks) {
    if (first >= 0 && block - last <= GAP_BLOCKS && index.span(first, block + 1).length <= SPAN_BYTES) {
      last = block + 1;
    } else {
      close();
      first = block;
      last = block + 1;
    }
  }
  close();
  return spans;
}

function wanted(missing: BlockSets, sst: SstRef): Set<number> {
  let blocks = missing.get(sst);
  if (blocks === undefined) {
    blocks = new Set();
    missing.set(sst, blocks);
  }
  return blocks;
}

/** The first index whose key is ≥ `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
