/** The messages between the batch thread and the thread that reads blocks. Plain data. */
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { BlocksWanted } from '../state/block-source.ts';

export interface ReaderSettings {
  readonly spec: StoreSpec;
}

export interface ReadCall {
  readonly id: number;
  readonly wanted: BlocksWanted;
}

/** To the thread: what was asked for in one turn of the event loop. */
export type ReadCalls = readonly ReadCall[];

/** From the thread, when its store is open. */
export interface ReaderReady {
  readonly kind: 'ready';
}

/** From the thread: what has come since the last one. Blocks lie one behind the other in `bytes`, call by call. */
export interface BlocksCame {
  readonly kind: 'blocks';
  readonly ids: readonly number[];
  /** By call: lengths of its blocks; `undefined`: it failed, for whatever reason. */
  readonly lengths: readonly (readonly number[] | undefined)[];
  /** By call: how often the store was asked once more. */
  readonly hedges: readonly number[];
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export type FromReader = ReaderReady | BlocksCame;
