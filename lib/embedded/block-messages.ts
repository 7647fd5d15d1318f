/** The messages between the batch thread and the thread that reads blocks. Plain data; numbers by the thousand lie side by side. */
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { KeyBytes } from '../sst/block.ts';

export interface ReaderSettings {
  readonly spec: StoreSpec;
}

/** To the thread: what was asked for in one turn of the event loop. */
export interface BlocksAsked {
  readonly objects: readonly string[];
  /** By request: its id, place of its object in `objects`, offset, length, how many blocks; then of each offset, length, and how many keys, or {@link WHOLE}. */
  readonly numbers: Float64Array;
  /** The keys that are looked for, in the order of their blocks. */
  readonly keys: KeyBytes;
  /** Memory that came with blocks and is of no more use. */
  readonly emptied: readonly ArrayBuffer[];
}

/** Of the numbers of a request, those before its blocks'; and those of a block. */
export const ASKED_HEAD = 5;
export const ASKED_BLOCK = 3;

/** In place of a count of keys: the block itself is wanted. */
export const WHOLE = -1;

/** From the thread, when its store is open. */
export interface ReaderReady {
  readonly kind: 'ready';
}

/** From the thread: what has come since the last one. */
export interface BlocksCame {
  readonly kind: 'blocks';
  /**
   * By request: its id, how often the store was asked once more, and how many blocks there are, or {@link FAILED}; then of each its length, or
   * what was found in it: see {@link SearchedBlocks}. Blocks and values lie one behind the other in `memory`.
   */
  readonly numbers: Float64Array;
  readonly memory: ArrayBuffer;
}

/** In place of a count of blocks: for whatever reason. */
export const FAILED = -1;

/** Of memory that blocks come in: the same pieces go to and fro. */
export const PIECE_BYTES = 256 << 10;

/** Pieces that each side keeps for later: more are a burst that has passed. */
export const MOST_PIECES = 8;

export type FromReader = ReaderReady | BlocksCame;
