/** One request for blocks of an SST, under way, and who waits for them. */
import type { BlockSpan } from '../sst/scan.ts';
import type { BlockCache, CachedSst } from './block-cache.ts';
import type { BlockPlaces, BlocksRequest } from './block-source.ts';
import type { Worth } from './cache-slots.ts';
import { addHedge, type ReadCost } from './read-cost.ts';

/** Who asks, and what for. */
export interface Asked {
  readonly cost: ReadCost;
  readonly worth: Worth;
}

/** Gets a block's plain bytes, which are valid until it returns. */
export type Take = (block: number, plain: Uint8Array) => void;

/** Somebody who waits for blocks, of several requests maybe. */
export class BlockWaiter {
  readonly asked: Asked;
  readonly #take: Take;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  #left = 1;

  constructor(asked: Asked, take: Take, resolve: () => void, reject: (error: unknown) => void) {
    this.asked = asked;
    this.#take = take;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** One more is to come. */
  begin(): void {
    this.#left++;
  }

  /** One of those that were to come has, or the asking is over. */
  end(): void {
    if (--this.#left === 0) this.#resolve();
  }

  take(block: number, plain: Uint8Array): void {
    try {
      this.#take(block, plain);
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}

interface Sharer {
  readonly block: number;
  readonly waiter: BlockWaiter;
  /** Asks for himself. */
  readonly again: () => void;
}

/** Where blocks come from and go to. */
export interface SpanPlace {
  readonly object: string;
  readonly cached: CachedSst | undefined;
  readonly cache: BlockCache | undefined;
  /** Blocks that are on their way, by number. */
  readonly underWay: Map<number, FetchedSpan>;
}

export class FetchedSpan implements BlocksRequest {
  readonly object: string;
  readonly offset: number;
  readonly length: number;
  readonly blocks: BlockPlaces;
  readonly first: number;
  readonly last: number;
  readonly #place: SpanPlace;
  readonly #waiter: BlockWaiter;
  #sharers: Sharer[] | undefined;

  /** @param first of `blocks`, the first that it is to bring @param last the one behind the last */
  constructor(
    place: SpanPlace,
    { offset, length }: BlockSpan,
    blocks: BlockPlaces,
    first: number,
    last: number,
    waiter: BlockWaiter,
  ) {
    this.object = place.object;
    this.offset = offset;
    this.length = length;
    this.blocks = blocks;
    this.first = first;
    this.last = last;
    this.#place = place;
    this.#waiter = waiter;
    for (let i = first; i < last; i++) place.underWay.set(blocks.numbers[i]!, this);
  }

  /** Somebody else waits for a block of it. */
  share(sharer: Sharer): void {
    sharer.waiter.begin();
    this.#sharers ??= [];
    this.#sharers.push(sharer);
  }

  hedged(): void {
    addHedge(this.#waiter.asked.cost, this.length);
  }

  came(plain: readonly Uint8Array[]): void {
    this.#leave();
    const { cost, worth } = this.#waiter.asked;
    const { numbers } = this.blocks;
    cost.bytes += this.length;
    const { cached, cache } = this.#place;
    if (cached !== undefined && cache !== undefined) {
      const parts = plain.map((bytes, i) => ({ sst: cached, part: numbers[this.first + i]!, bytes }));
      cache.put(parts, worth);
    }
    for (let i = 0; i < plain.length; i++) this.#waiter.take(numbers[this.first + i]!, plain[i]!);
    this.#waiter.end();
    for (const { block, waiter } of this.#sharers ?? []) {
      waiter.take(block, plain[numbers.indexOf(block, this.first) - this.first]!);
      waiter.end();
    }
  }

  failed(error: unknown): void {
    this.#leave();
    this.#waiter.fail(error);
    // He may have failed of something that is his alone, his deadline say.
    for (const { again } of this.#sharers ?? []) again();
  }

  #leave(): void {
    for (let i = this.first; i < this.last; i++) this.#place.underWay.delete(this.blocks.numbers[i]!);
  }
}
