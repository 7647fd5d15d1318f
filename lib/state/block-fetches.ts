/**
 * Blocks from the store: in as few ranged requests as are worth it, all side by side, each block asked for once however many want it. They
 * are checked, decompressed, and put into the local tier as they will be searched.
 */
import type { SstRef } from '../manifest/manifest.ts';
import type { SstIndex } from '../sst/sst-index.ts';
import type { BlockCache } from './block-cache.ts';
import type { BlockSource } from './block-source.ts';
import { type Asked, BlockWaiter, FetchedSpan, type SpanPlace, type Take } from './fetched-span.ts';
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
   * @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError}
   */
  fetch(open: OpenSst, blocks: readonly number[], asked: Asked, take: Take): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = new BlockWaiter(asked, take, resolve, reject);
      this.#ask(open, blocks, waiter);
      waiter.end();
    });
  }

  #ask(open: OpenSst, blocks: readonly number[], waiter: BlockWaiter): void {
    const own: number[] = [];
    for (const block of blocks) {
      const underWay = open.underWay.get(block);
      if (underWay === undefined) own.push(block);
      else underWay.share({ block, waiter, again: () => this.#askAgain(open, block, waiter) });
    }
    const { index, cached, underWay } = open;
    const place: SpanPlace = { object: this.#nameOf(open.sst), cached, cache: this.#cache, underWay };
    const wanted = { numbers: own, places: placesOf(index, own) };
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
