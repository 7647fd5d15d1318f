/**
 * Blocks from the store: in as few ranged requests as are worth it, all side by side, each block asked for once however many want it. They
 * are checked, decompressed, and put into the local tier as they will be searched.
 */
import type { SstRef } from '../manifest/manifest.ts';
import type { BlockSpan } from '../sst/scan.ts';
import type { BlockCache } from './block-cache.ts';
import type { BlockSource } from './block-source.ts';
import type { Worth } from './cache-slots.ts';
import type { FetchedSpan, OpenSst } from './open-sst.ts';
import { planSpans } from './plan-spans.ts';
import { addHedge, type ReadCost } from './read-cost.ts';

/** Who asks, and what for. */
export interface Asked {
  readonly cost: ReadCost;
  readonly worth: Worth;
}

type Take = (block: number, plain: Uint8Array) => void;

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
   * @param take gets each of them as it comes, in no order
   * @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError}
   */
  async fetch(open: OpenSst, blocks: readonly number[], asked: Asked, take: Take): Promise<void> {
    const shared: number[] = [];
    const own: number[] = [];
    for (const block of blocks) (open.underWay.has(block) ? shared : own).push(block);
    const waits: Promise<void>[] = shared.map((block) => this.#share(open, block, asked, take));
    let at = 0;
    for (const span of planSpans(open.index, own)) {
      const from = at;
      while (at < own.length && own[at]! < span.last) at++;
      waits.push(this.#begin(open, span, own.slice(from, at), asked).then((found) => takeAll(found, take)));
    }
    await Promise.all(waits);
  }

  /** A block that somebody else has asked for. */
  async #share(open: OpenSst, block: number, asked: Asked, take: Take): Promise<void> {
    let plain: Uint8Array;
    try {
      plain = (await open.underWay.get(block)!.blocks).get(block)!;
    } catch {
      // He may have failed of something that is his alone, his deadline say.
      return this.fetch(open, [block], asked, take);
    }
    take(block, plain);
  }

  #begin(
    open: OpenSst,
    span: BlockSpan,
    wanted: readonly number[],
    asked: Asked,
  ): Promise<ReadonlyMap<number, Uint8Array>> {
    const fetched: FetchedSpan = {
      blocks: this.#read(open, span, wanted, asked).finally(() => {
        for (const block of wanted) open.underWay.delete(block);
      }),
    };
    for (const block of wanted) open.underWay.set(block, fetched);
    return fetched.blocks;
  }

  async #read(
    open: OpenSst,
    span: BlockSpan,
    wanted: readonly number[],
    { cost, worth }: Asked,
  ): Promise<ReadonlyMap<number, Uint8Array>> {
    const { sst, index, cached } = open;
    cost.requests++;
    const { offset, length } = span;
    const blocks = wanted.map((number) => ({ number, ...index.block(number) }));
    const plain = await this.#source.read({ object: this.#nameOf(sst), offset, length, blocks }, () =>
      addHedge(cost, length),
    );
    cost.bytes += length;
    const found = new Map(wanted.map((block, i) => [block, plain[i]!]));
    if (cached !== undefined && this.#cache !== undefined) {
      const parts = Array.from(found, ([part, plain]) => ({ sst: cached, part, bytes: plain }));
      this.#cache.put(parts, worth);
    }
    return found;
  }
}

function takeAll(found: ReadonlyMap<number, Uint8Array>, take: Take): void {
  for (const [block, plain] of found) take(block, plain);
}
