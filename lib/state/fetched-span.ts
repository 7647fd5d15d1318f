/** One request for blocks of an SST, under way, and who waits for them. */
import type { KeyColumn } from '../columns/key-column.ts';
import type { BlockSpan } from '../sst/scan.ts';
import type { BlockCache, CachedPart, CachedSst } from './block-cache.ts';
import type { BlockPlaces, BlocksRequest } from './block-source.ts';
import type { Worth } from './cache-slots.ts';
import { addHedge, type ReadCost } from './read-cost.ts';
import type { SearchedBlocks } from './searched-blocks.ts';

/** Who asks, and what for. */
export interface Asked {
  readonly cost: ReadCost;
  readonly worth: Worth;
}

/** Gets a block's plain bytes, which are valid until it returns. */
export type Take = (block: number, plain: Uint8Array) => void;

/** Somebody who looks for keys in blocks, and does with what is found in place of them. */
export interface Seeker {
  readonly keys: KeyColumn;
  /** Which keys are looked for in a block. */
  keysIn(block: number): readonly number[];
  /** @param found its next rows are those of the keys: valid until this returns */
  takeRows(block: number, found: SearchedBlocks): void;
}

/** Somebody who waits for blocks, of several requests maybe. */
export class BlockWaiter {
  readonly asked: Asked;
  readonly seeker: Seeker | undefined;
  readonly #take: Take;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  #left = 1;

  constructor(
    asked: Asked,
    take: Take,
    seeker: Seeker | undefined,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.asked = asked;
    this.#take = take;
    this.seeker = seeker;
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

  takeRows(block: number, found: SearchedBlocks): void {
    try {
      this.seeker!.takeRows(block, found);
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

  /** Whether a block comes itself, for whoever wants it, and not what was looked for in it. */
  brings(block: number): boolean {
    const { numbers, sought } = this.blocks;
    return sought === undefined || sought.inBlock[numbers.indexOf(block, this.first)] === undefined;
  }

  /** Somebody else waits for a block that it {@link brings}. */
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
    this.#waiter.asked.cost.bytes += this.length;
    const { numbers } = this.blocks;
    this.#keep(plain.map((bytes, i) => [numbers[this.first + i]!, bytes]));
    for (let i = 0; i < plain.length; i++) this.#waiter.take(numbers[this.first + i]!, plain[i]!);
    this.#waiter.end();
    for (const { block, waiter } of this.#sharers ?? []) {
      waiter.take(block, plain[numbers.indexOf(block, this.first) - this.first]!);
      waiter.end();
    }
  }

  searched(found: SearchedBlocks): void {
    this.#leave();
    this.#waiter.asked.cost.bytes += this.length;
    const { numbers, sought } = this.blocks;
    const whole: [block: number, plain: Uint8Array][] = [];
    for (let i = this.first; i < this.last; i++) {
      const block = numbers[i]!;
      const plain = found.block(sought?.inBlock[i]?.length ?? 0);
      if (plain === undefined) {
        this.#waiter.takeRows(block, found);
        continue;
      }
      whole.push([block, plain]);
      this.#waiter.take(block, plain);
    }
    this.#keep(whole);
    this.#waiter.end();
    for (const { block, waiter } of this.#sharers ?? []) {
      waiter.take(block, whole.find(([number]) => number === block)![1]);
      waiter.end();
    }
  }

  failed(error: unknown): void {
    this.#leave();
    this.#waiter.fail(error);
    // He may have failed of something that is his alone, his deadline say.
    for (const { again } of this.#sharers ?? []) again();
  }

  /** Offers blocks to the local tier. */
  #keep(blocks: readonly (readonly [block: number, plain: Uint8Array])[]): void {
    const { cached, cache } = this.#place;
    if (cached === undefined || cache === undefined || blocks.length === 0) return;
    const parts = blocks.map(([part, bytes]): CachedPart => ({ sst: cached, part, bytes }));
    cache.put(parts, this.#waiter.asked.worth);
  }

  #leave(): void {
    const { underWay } = this.#place;
    for (let i = this.first; i < this.last; i++) {
      const block = this.blocks.numbers[i]!;
      // Who could not share it has asked for himself.
      if (underWay.get(block) === this) underWay.delete(block);
    }
  }
}
