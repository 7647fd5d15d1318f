/**
 * Creates that are sent again when they take longer than most (`hedging.ts`): the same bytes, under the same condition, so that there is
 * one object whichever of them comes first. A batch waits for the slowest of several PUTs one after the other.
 *
 * Only for who bears that its own object refuses it: where the name fixes the content (`create-once.ts`), or whose object is there is looked up
 * (`log/create.ts`, ⚑ attempt-id). A request that comes when the answer of another has long counted is one more that is late, as after a
 * time-out: ⚑ fresh-manifest covers what it finds collected. Never for compare-and-set.
 */
import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../util/clock.ts';
import { Hedging, onePerStore } from './hedging.ts';
import type { ObjectStore, RequestOptions, WriteResult } from './object-store.ts';

/** Objects that may be created more than once: an object store, or {@link HedgedCreates} in one. */
export type Creates = Pick<ObjectStore, 'create'>;

export class HedgedCreates implements Creates {
  /** Those in this store by this clock. */
  static readonly of = onePerStore((store, clock) => new HedgedCreates(store, clock));

  readonly #store: ObjectStore;
  readonly #hedging: Hedging;
  /** Requests, also those whose answer nobody waits for. */
  readonly #underWay = new Set<Promise<unknown>>();

  /** Use {@link HedgedCreates.of} where others create in the same store. */
  constructor(store: ObjectStore, clock: Clock) {
    this.#store = store;
    this.#hedging = new Hedging(clock);
  }

  /** The first answer: who is refused may have been so by his own object. @throws {StoreError} */
  create(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<WriteResult> {
    // ⚑ live-invocation: sent again as part of the invocation that it was first sent in, whoever's timer ends.
    const send = AsyncResource.bind(() => this.#send(name, body, options));
    return this.#hedging.first(body.length, send);
  }

  /** Waits until no request is under way any more: none has an effect after this. Never rejects. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  async #send(name: string, body: Uint8Array, options: RequestOptions): Promise<WriteResult> {
    const sent = this.#store.create(name, body, options);
    this.#underWay.add(sent);
    return sent.finally(() => this.#underWay.delete(sent));
  }
}
