/**
 * Reads that do not wait for a store's slowest answers (Dean and Barroso, "The Tail at Scale", 2013): one that has taken longer than most of
 * its size is asked once more, and the first answer counts. A batch that waits for many reads waits for
 * the slowest of them: without this, its usual time is the store's worst. The other answer is ignored when it comes: to break it off would cost its
 * connection, and a signal for each read.
 *
 * Only for objects that never change (SSTs): both answers are the same bytes. Never for what is asked to learn what is true now.
 *
 * A store that is in trouble is not asked more: requests beyond the reads themselves are a tenth of these at most, saved up by reads that were
 * answered; an error takes all that is saved.
 */
import type { Clock } from '../util/clock.ts';
import { LateWatch } from './late-watch.ts';
import type { ByteRange, GetResult, ObjectStore } from './object-store.ts';
import { RecentDurations } from './recent-durations.ts';

export interface RangeOptions {
  readonly range: ByteRange;
  /** Called when the same is asked once more. */
  readonly onHedge?: (() => void) | undefined;
}

/** Ranges of objects that never change: an object store, or {@link HedgedReads} of one. */
export interface RangeReads {
  /** @throws {StoreError} */
  get(name: string, options: RangeOptions): Promise<GetResult>;
}

/** Requests that each answered read allows beside the reads themselves. */
const HEDGES_PER_READ = 0.1;
/** Of these, saved up at most: enough for the slow ones of some hundred reads side by side. */
const MOST_SAVED = 32;
/** No sooner, however fast the store: for a batch it is nothing, and on a local disk it is the machine that is busy. */
const LEAST_WAIT_MS = 10;
/** A read is late when it takes so much longer than nine of ten: where all take about the same, none is. */
const MARGIN = 1.25;
/** Reads up to this many bytes take about the same; above, those are alike that differ by less than fourfold. */
const SMALL_READ_BYTES = 64 << 10;

/** By store: all who read from one learn from one another, and share what may be asked beyond. */
const ofStores = new WeakMap<ObjectStore, HedgedReads>();

export class HedgedReads implements RangeReads {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #late: LateWatch;
  /** By class of size. */
  readonly #recent: RecentDurations[] = [];
  #saved = 0;

  /** Use {@link HedgedReads.of} where others read from the same store. */
  constructor(store: ObjectStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#late = new LateWatch(clock);
  }

  /** Those of this store by this clock. */
  static of(store: ObjectStore, clock: Clock): HedgedReads {
    let reads = ofStores.get(store);
    if (reads === undefined || reads.#clock !== clock) {
      reads = new HedgedReads(store, clock);
      ofStores.set(store, reads);
    }
    return reads;
  }

  /** The first answer; if there is none, the first error. @throws {StoreError} */
  get(name: string, { range, onHedge }: RangeOptions): Promise<GetResult> {
    const recent = this.#recentOf(range.length);
    const { slowMs } = recent;
    const original = this.#read(name, range, recent);
    if (slowMs === undefined) return original;
    return new Promise((resolve, reject) => {
      const errors: unknown[] = [];
      let requests = 1;
      const take = (answer: GetResult): void => {
        end();
        resolve(answer);
      };
      const fail = (error: unknown): void => {
        end();
        if (errors.push(error) === requests) reject(errors[0]);
      };
      const end = this.#late.watch(Math.max(LEAST_WAIT_MS, slowMs * MARGIN), () => {
        if (this.#saved < 1) return;
        this.#saved--;
        requests++;
        onHedge?.();
        this.#ask(name, range, recent).then(take, fail);
      });
      original.then(take, fail);
    });
  }

  async #read(name: string, range: ByteRange, recent: RecentDurations): Promise<GetResult> {
    const answer = await this.#ask(name, range, recent);
    this.#saved = Math.min(MOST_SAVED, this.#saved + HEDGES_PER_READ);
    return answer;
  }

  async #ask(name: string, range: ByteRange, recent: RecentDurations): Promise<GetResult> {
    const startMs = this.#clock.monotonic();
    try {
      const answer = await this.#store.get(name, { range });
      recent.add(this.#clock.monotonic() - startMs);
      return answer;
    } catch (error) {
      this.#saved = 0;
      throw error;
    }
  }

  #recentOf(bytes: number): RecentDurations {
    const size = bytes <= SMALL_READ_BYTES ? 0 : Math.ceil(Math.log2(bytes / SMALL_READ_BYTES) / 2);
    this.#recent[size] ??= new RecentDurations();
    return this.#recent[size];
  }
}
