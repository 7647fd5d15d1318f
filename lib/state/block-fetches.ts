/**
 * Blocks from the store: in as few ranged requests as are worth it, all side by side, each block asked for once however many want it. They
 * are checked, decompressed, and put into the local tier as they will be searched.
 *
 * A source that searches gives rows in place of blocks that the local tier would not take. Such a block is nobody else's: who wants
 * it meanwhile asks for himself.
 */
import type { SstRef } from '../manifest/manifest.ts';
import type { SstIndex } from '../sst/sst-index.ts';
import type { BlockCache } from './block-cache.ts';
import type { BlockPlaces, BlockSource, Sought } from './block-source.ts';
import { type Asked, BlockWaiter, FetchedSpan, type Seeker, type SpanPlace, type Take } from './fetched-span.ts';
import type { OpenSst } from './open-sst.ts';
import { planSpans } from './plan-spans.ts';

export class BlockFetches {
  readonly #nameOf: (sst: SstRef) => string;
  readonly #source: BlockSource;
  readonly #cache: BlockCache | undefined;

  constructor(nameOf: (sst: SstRef) => string, source: BlockSource, cache: BlockCache | undefined) {
    this.#nameOf = nameOf;
    this.#source = source;
    this.#cache = cache;
  }

  /**
   * @param blocks ascending, each once
   * @param take gets each of them as it comes, in no order; what it throws, this does
   * @param seeker gets what was looked for, of some of them maybe, in place of the block
   * @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError}
   */
  fetch(open: OpenSst, blocks: readonly number[], asked: Asked, take: Take, seeker?: Seeker): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = new BlockWaiter(asked, take, seeker, resolve, reject);
      this.#ask(open, blocks, waiter);
      waiter.end();
    });
  }

  #ask(open: OpenSst, blocks: readonly number[], waiter: BlockWaiter): void {
    const own: number[] = [];
    for (const block of blocks) {
      const underWay = open.underWay.get(block);
      if (underWay?.brings(block) !== true) own.push(block);
      else underWay.share({ block, waiter, again: () => this.#askAgain(open, block, waiter) });
    }
    const { index, cached, underWay } = open;
    const place: SpanPlace = { object: this.#nameOf(open.sst), cached, cache: this.#cache, underWay };
    const wanted: BlockPlaces = { numbers: own, places: placesOf(index, own), sought: this.#sought(open, own, waiter) };
    let first = 0;
    for (const span of planSpans(index, own)) {
      let last = first + 1;
      while (last < own.length && own[last]! < span.last) last++;
      waiter.begin();
      waiter.asked.cost.requests++;
      this.#source.read(new FetchedSpan(place, span, wanted, first, last, waiter));
      first = last;
    }
  }

  /** What is looked for in blocks, where nobody here has a use for the blocks themselves. */
  #sought({ index, cached }: OpenSst, blocks: readonly number[], { seeker }: BlockWaiter): Sought | undefined {
    if (seeker === undefined || !this.#source.searches) return undefined;
    const inBlock = blocks.map((block) =>
      cached !== undefined && this.#cache?.wants(cached, block, index.block(block).length) === true
        ? undefined
        : seeker.keysIn(block),
    );
    return { keys: seeker.keys, inBlock };
  }

  #askAgain(open: OpenSst, block: number, waiter: BlockWaiter): void {
    this.#ask(open, [block], waiter);
    waiter.end();
  }
}

function placesOf(index: SstIndex, blocks: readonly number[]): Float64Array {
  const places = new Float64Array(2 * blocks.length);
  for (let i = 0; i < blocks.length; i++) {
    const { offset, length } = index.block(blocks[i]!);
    places[2 * i] = offset;
    places[2 * i + 1] = length;
  }
  return places;
}
