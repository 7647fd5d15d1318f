/**
 * Puts the time of a network between the engine and any store: for measurements on one machine and for the simulation.
 * A request travels (half of its latency, and its bytes), takes effect, and its answer travels (the rest): so a caller that
 * gives up half-way finds the effect sometimes done and sometimes not, as with the real thing. The latency is that of
 * the whole request: the time that the wrapped store takes is part of it, and adds to it only where it is longer.
 */
import type { Clock } from '../util/clock.ts';
import type { Random } from '../util/random.ts';
import { SharedSleeps } from '../util/shared-sleeps.ts';
import type { ByteRange, GetResult, ListedObject, ObjectStore, RequestOptions, WriteResult } from './object-store.ts';

/** Time of one kind of request, its bytes aside: lognormal around a median, and sometimes a multiple of that. */
export interface RequestLatency {
  readonly medianMs: number;
  /** Standard deviation of the latency's logarithm; 0: always the median. 0.35: 5 % take more than 1.8 medians. */
  readonly sigma: number;
  /** Share of requests, 0 to 1, that take `tailFactor` times as long. */
  readonly tailProbability: number;
  readonly tailFactor: number;
}

/** Plain data (but for `link`): goes through JSON and to worker threads. */
export interface LatencyModel {
  readonly get: RequestLatency;
  /** Also of create, compare-and-set, and of deletions (one request for 1,000 names). */
  readonly put: RequestLatency;
  /** Of each 1,000 objects listed. */
  readonly list: RequestLatency;
  /** Each way; `null`: no limit. */
  readonly bytesPerSecond: number | null;
  /** Whether all requests share `bytesPerSecond` (a function's network), or each has it (S3's side). */
  readonly shared: boolean;
  /** Of {@link newLink}: the shared link is that of all stores, in all threads, that are given the same. Default: the store's own. */
  readonly link?: SharedArrayBuffer | undefined;
}

/** A link that has carried nothing yet. */
export function newLink(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT);
}

/** Every request takes `ms`, however many bytes. */
export function constantLatency(ms: number): LatencyModel {
  const latency: RequestLatency = { medianMs: ms, sigma: 0, tailProbability: 0, tailFactor: 1 };
  return { get: latency, put: latency, list: latency, bytesPerSecond: null, shared: false };
}

/** About what a function sees of S3 Standard in its own region. An assumption for experiments, not a measurement. */
export const s3Like: LatencyModel = {
  get: { medianMs: 22, sigma: 0.35, tailProbability: 0.01, tailFactor: 5 },
  put: { medianMs: 40, sigma: 0.35, tailProbability: 0.01, tailFactor: 5 },
  list: { medianMs: 50, sigma: 0.35, tailProbability: 0.01, tailFactor: 5 },
  bytesPerSecond: 75_000_000,
  shared: true,
};

/** One request's latency in ms, drawn from the model. */
export function drawLatencyMs(latency: RequestLatency, random: Random): number {
  const { medianMs, sigma, tailProbability, tailFactor } = latency;
  const tail = tailProbability > 0 && random.next() < tailProbability ? tailFactor : 1;
  if (sigma === 0) return medianMs * tail;
  // Box and Muller 1958; 1 - next() is never 0.
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return medianMs * tail * Math.exp(sigma * normal);
}

const LIST_PAGE = 1000;
const DELETE_PAGE = 1000;

export class LatencyStore implements ObjectStore {
  readonly #store: ObjectStore;
  readonly #model: LatencyModel;
  readonly #clock: Clock;
  readonly #sleeps: SharedSleeps;
  readonly #random: Random;
  /** When the shared link, up and down, has carried all that was given to it; monotonic µs. */
  readonly #freeAt: BigInt64Array;

  constructor(store: ObjectStore, model: LatencyModel, options: { clock: Clock; random: Random }) {
    this.#store = store;
    this.#model = model;
    this.#clock = options.clock;
    this.#sleeps = new SharedSleeps(options.clock);
    this.#random = options.random;
    this.#freeAt = new BigInt64Array(model.link ?? newLink());
  }

  get(name: string, options: RequestOptions & { range?: ByteRange | undefined } = {}): Promise<GetResult> {
    return this.#request(this.#model.get, 0, () => this.#store.get(name, options), bytesOf, options.signal);
  }

  create(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<WriteResult> {
    const act = () => this.#store.create(name, body, options);
    return this.#request(this.#model.put, body.length, act, none, options.signal);
  }

  compareAndSet(
    name: string,
    body: Uint8Array,
    expected: string | undefined,
    options: RequestOptions = {},
  ): Promise<WriteResult> {
    const act = () => this.#store.compareAndSet(name, body, expected, options);
    return this.#request(this.#model.put, body.length, act, none, options.signal);
  }

  put(name: string, body: Uint8Array, options: RequestOptions = {}): Promise<void> {
    return this.#request(
      this.#model.put,
      body.length,
      () => this.#store.put(name, body, options),
      none,
      options.signal,
    );
  }

  async delete(names: readonly string[], options: RequestOptions = {}): Promise<void> {
    for (let start = 0; start < names.length; start += DELETE_PAGE) {
      const page = names.slice(start, start + DELETE_PAGE);
      await this.#request(this.#model.put, 0, () => this.#store.delete(page, options), none, options.signal);
    }
  }

  async *list(
    prefix: string,
    options: RequestOptions & { after?: string | undefined } = {},
  ): AsyncGenerator<ListedObject, void, void> {
    const objects = this.#store.list(prefix, options)[Symbol.asyncIterator]();
    for (;;) {
      const page = await this.#request(this.#model.list, 0, () => take(objects, LIST_PAGE), none, options.signal);
      yield* page;
      if (page.length < LIST_PAGE) return;
    }
  }

  async #request<T>(
    latency: RequestLatency,
    bytesUp: number,
    act: () => Promise<T>,
    bytesDown: (result: T) => number,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const start = this.#clock.monotonic();
    const latencyMs = drawLatencyMs(latency, this.#random);
    const arrivesAt = this.#carried('up', start, bytesUp) + latencyMs / 2;
    await this.#until(arrivesAt, signal);
    const result = await act();
    const sentAt = Math.max(arrivesAt, this.#clock.monotonic() - latencyMs / 2);
    await this.#until(this.#carried('down', sentAt, bytesDown(result)) + latencyMs / 2, signal);
    return result;
  }

  /** When the link has carried `bytes` that are given to it at `start`. */
  #carried(way: 'up' | 'down', start: number, bytes: number): number {
    const { bytesPerSecond, shared } = this.#model;
    if (bytesPerSecond === null || bytes === 0) return start;
    const transferMs = (bytes / bytesPerSecond) * 1000;
    if (!shared) return start + transferMs;
    const at = way === 'up' ? 0 : 1;
    for (;;) {
      const before = Atomics.load(this.#freeAt, at);
      const free = Math.max(Number(before) / 1000, start) + transferMs;
      const after = BigInt(Math.ceil(free * 1000));
      if (Atomics.compareExchange(this.#freeAt, at, before, after) === before) return free;
    }
  }

  #until(monotonicMs: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    const left = monotonicMs - this.#clock.monotonic();
    if (left > 0) return signal === undefined ? this.#sleeps.until(monotonicMs) : this.#clock.sleep(left, signal);
    signal?.throwIfAborted();
    return undefined;
  }
}

const none = (): number => 0;
const bytesOf = (result: GetResult): number => (result.found ? result.body.length : 0);

async function take<T>(iterator: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = await iterator.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
