/**
 * Reads that are sent again when they take longer than most (`hedging.ts`). Only of objects that never change (SSTs): all answers are the same
 * bytes. Never of what is asked to learn what is true now.
 */
import type { Clock } from '../util/clock.ts';
import { Hedging, onePerStore } from './hedging.ts';
import type { ByteRange, GetResult, ObjectStore } from './object-store.ts';

export interface RangeOptions {
  readonly range: ByteRange;
  /** Called each time that the same is asked once more. */
  readonly onHedge?: (() => void) | undefined;
}

/** Ranges of objects that never change: an object store, or {@link HedgedReads} of one. */
export interface RangeReads {
  /** @throws {StoreError} */
  get(name: string, options: RangeOptions): Promise<GetResult>;
}

export class HedgedReads implements RangeReads {
  /** Those of this store by this clock. */
  static readonly of = onePerStore((store, clock) => new HedgedReads(store, clock));

  readonly #store: ObjectStore;
  readonly #hedging: Hedging;

  /** Use {@link HedgedReads.of} where others read from the same store. */
  constructor(store: ObjectStore, clock: Clock) {
    this.#store = store;
    this.#hedging = new Hedging(clock);
  }

  /** The first answer; if there is none, the first error. @throws {StoreError} */
  get(name: string, { range, onHedge }: RangeOptions): Promise<GetResult> {
    return this.#hedging.first(range.length, () => this.#store.get(name, { range }), onHedge);
  }
}
