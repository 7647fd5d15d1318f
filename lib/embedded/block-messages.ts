/** The messages between the batch thread and the thread that reads blocks. Plain data; numbers by the thousand lie side by side. */
import type { StoreSpec } from '../object-store/store-spec.ts';

export interface ReaderSettings {
  readonly spec: StoreSpec;
}

/** To the thread: what was asked for in one turn of the event loop. */
export interface BlocksAsked {
  readonly objects: readonly string[];
  /** By request: its id, place of its object in `objects`, offset, length, how many blocks; then offset and length of each. */
  readonly numbers: Float64Array;
  /** Memory that came with blocks and is of no more use. */
  readonly emptied: readonly ArrayBuffer[];
}

/** Of the numbers of a request, those before its blocks'. */
export const ASKED_HEAD = 5;

/** From the thread, when its store is open. */
export interface ReaderReady {
  readonly kind: 'ready';
}

/** From the thread: what has come since the last one. */
export interface BlocksCame {
  readonly kind: 'blocks';
  /**
   * By request: its id, how often the store was asked once more, and how many blocks there are, or {@link FAILED}; then the length of each. The
   * blocks themselves lie one behind the other in `memory`.
   */
  readonly numbers: Float64Array;
  readonly memory: ArrayBuffer;
}

/** In place of a count of blocks: for whatever reason. */
export const FAILED = -1;

/** Of memory that blocks come in: the same pieces go to and fro. */
export const PIECE_BYTES = 256 << 10;

/** Pieces that each side keeps for later: more are a burst that has passed. */
export const MOST_PIECES = 64;

export type FromReader = ReaderReady | BlocksCame;
