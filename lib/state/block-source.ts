/**
 * Where blocks come from that are not local: one ranged request for blocks that lie near each other, each checked and decompressed. By the
 * store, in this thread, or by whoever does the same elsewhere.
 */
import type { RangeReads } from '../object-store/hedged-reads.ts';
import { plainBlock } from '../sst/compression.ts';
import { readSstRange } from './sst-files.ts';

/** A part of an object, and blocks in it: offsets are the object's. Plain data. */
export interface BlocksWanted {
  readonly object: string;
  readonly offset: number;
  readonly length: number;
  readonly blocks: readonly { readonly number: number; readonly offset: number; readonly length: number }[];
}

export interface BlockSource {
  /**
   * @param onHedge called when the store is asked once more for the same
   * @returns plain bytes of each block, in the order of `wanted.blocks`
   * @throws {MissingSstError} @throws {CorruptionError} @throws {StoreError}
   */
  read(wanted: BlocksWanted, onHedge?: () => void): Promise<readonly Uint8Array[]>;
}

export function blocksOf(store: RangeReads): BlockSource {
  return {
    async read({ object, offset, length, blocks }, onHedge) {
      const body = await readSstRange(store, object, { range: { offset, length }, onHedge });
      return blocks.map((block) => {
        const start = block.offset - offset;
        return plainBlock(body.subarray(start, start + block.length), `${object} block ${block.number}`);
      });
    },
  };
}
