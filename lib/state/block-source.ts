/**
 * Where blocks come from that are not local: one ranged request for blocks that lie near each other, each checked and decompressed. By the
 * store, in this thread, or by whoever does the same elsewhere. There are thousands of them a batch: what is asked is an object that takes the
 * answer itself, with no promise between.
 *
 * Who reads elsewhere may search there, too: of a block that is wanted for a row or two, these come, and not the block.
 */
import type { KeyColumn } from '../columns/key-column.ts';
import type { RangeReads } from '../object-store/hedged-reads.ts';
import { plainBlock } from '../sst/compression.ts';
import type { SearchedBlocks } from './searched-blocks.ts';
import { wholeRange } from './sst-files.ts';

/** Blocks of an object, ascending. */
export interface BlockPlaces {
  readonly numbers: readonly number[];
  /** Of each: its offset and its length. */
  readonly places: Float64Array;
  /** Undefined: the blocks are wanted. */
  readonly sought?: Sought | undefined;
}

/** What is looked for in blocks. */
export interface Sought {
  readonly keys: KeyColumn;
  /** By block: which keys are looked for in it; `undefined`: the block is wanted itself. */
  readonly inBlock: readonly (readonly number[] | undefined)[];
}

/** A part of an object, and blocks in it. */
export interface BlocksWanted {
  readonly object: string;
  readonly offset: number;
  readonly length: number;
  readonly blocks: BlockPlaces;
  /** The first of these that is wanted, and the one behind the last. */
  readonly first: number;
  readonly last: number;
}

/** A request, and who made it. He is told once that it has come or failed, and not before {@link BlockSource.read} has returned. */
export interface BlocksRequest extends BlocksWanted {
  /** The store is asked once more for the same. */
  hedged(): void;
  /** @param plain bytes of each block, in their order: valid until this returns */
  came(plain: readonly Uint8Array[]): void;
  /** In place of {@link came}, where something was {@link BlockPlaces.sought}. @param found stands before its first block; valid until this returns */
  searched(found: SearchedBlocks): void;
  /** @param error a {@link MissingSstError}, {@link CorruptionError} or {@link StoreError} */
  failed(error: unknown): void;
}

export interface BlockSource {
  /** It searches blocks, for now: it may be told what is {@link BlockPlaces.sought}. It may give blocks all the same. */
  readonly searches: boolean;
  read(request: BlocksRequest): void;
}

export function blocksOf(store: RangeReads): BlockSource {
  return {
    searches: false,
    read(request) {
      const { object, offset, length } = request;
      store
        .get(object, { range: { offset, length }, onHedge: () => request.hedged() })
        .then((answer) => plainBlocks(request, wholeRange(object, answer, length)))
        .then(
          (plain) => request.came(plain),
          (error: unknown) => request.failed(error),
        );
    },
  };
}

function plainBlocks({ object, offset, blocks, first, last }: BlocksWanted, body: Uint8Array): Uint8Array[] {
  const { numbers, places } = blocks;
  return Array.from({ length: last - first }, (_, i) => {
    const at = 2 * (first + i);
    const start = places[at]! - offset;
    return plainBlock(body.subarray(start, start + places[at + 1]!), `${object} block ${numbers[first + i]}`);
  });
}
