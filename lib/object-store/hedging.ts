/**
 * Requests that do not wait for a store's slowest answers (Dean and Barroso, "The Tail at Scale", 2013): one that takes longer than most of
 * its size is sent again, and so is that one in its turn; the first answer counts. A batch that waits for many requests waits for the
 * slowest of them: without this, its usual time is the store's worst. The other answers are ignored when they come: to break them off would
 * cost their connections, and a signal for each.
 *
 * A store that is in trouble is not asked more: requests beyond what is asked for are a tenth of that at most, saved up by what was
 * answered; an error takes all that is saved.
 */
import { StoreTimeoutError } from '../errors.ts';
import type { Clock } from '../util/clock.ts';
import { Contemporaries, type Contemporary } from './contemporaries.ts';
import { LateWatch } from './late-watch.ts';
import type { ObjectStore } from './object-store.ts';
import { RecentDurations } from './recent-durations.ts';

/** Requests that each answer allows beside those that are asked for. */
const PER_ANSWER = 0.1;
/** Of these, saved up at most: enough for the slow ones of some thousand side by side. */
const MOST_SAVED = 256;
/** Times that the same is sent, at most. */
const MOST_TRIES = 4;
/** No sooner, however fast the store: for a batch it is nothing, and on a local disk it is the machine that is busy. */
const LEAST_WAIT_MS = 10;
/** A request is late when it takes so much longer than nine of ten: where all take about the same, none is. */
const MARGIN = 1.1;
/** Requests of up to this many bytes take about the same; above, those are alike that differ by less than fourfold. */
const SMALL_BYTES = 64 << 10;

/** Requests of about a size. */
interface Kind {
  readonly recent: RecentDurations;
  readonly together: Contemporaries;
}

export class Hedging {
  readonly #clock: Clock;
  readonly #late: LateWatch;
  /** By class of size. */
  readonly #kinds: Kind[] = [];
  #saved = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#late = new LateWatch(clock);
  }

  /**
   * The first answer of what is sent once, or more often. If there is none, an error: one that leaves open what became of the request before
   * one that does not, the first of its kind.
   * @param bytes asked for, or sent
   * @param send sends the same each time: who receives it twice must be none the worse
   * @param onHedge called each time that it is sent again
   */
  first<T>(bytes: number, send: () => Promise<T>, onHedge?: () => void): Promise<T> {
    const kind = this.#kindOf(bytes);
    return new Promise((resolve, reject) => {
      const errors: unknown[] = [];
      let requests = 0;
      let isOver = false;
      let unwatch: (() => void) | undefined;
      const take = (answer: T): void => {
        if (isOver) return;
        isOver = true;
        unwatch?.();
        this.#saved = Math.min(MOST_SAVED, this.#saved + PER_ANSWER);
        resolve(answer);
      };
      const fail = (error: unknown): void => {
        if (errors.push(error) < requests || isOver) return;
        isOver = true;
        unwatch?.();
        reject(errors.find((e) => e instanceof StoreTimeoutError) ?? errors[0]);
      };
      const watch = (ms: number): void => {
        unwatch?.();
        unwatch = this.#late.watch(ms, late);
      };
      const request = (): void => {
        const tries = ++requests;
        const { slowMs } = kind.recent;
        const startMs = this.#clock.monotonic();
        if (slowMs !== undefined && tries < MOST_TRIES) watch(Math.max(LEAST_WAIT_MS, slowMs * MARGIN));
        const one = kind.together.sent(startMs, () => {
          if (isOver || tries < requests || tries === MOST_TRIES) return;
          const ms = this.#clock.monotonic() - startMs;
          watch(Math.max(LEAST_WAIT_MS - ms, ms * (MARGIN - 1)));
        });
        this.#timed(send, kind, startMs, one).then(take, fail);
      };
      const late = (): void => {
        if (this.#saved < 1) return;
        this.#saved--;
        onHedge?.();
        request();
      };
      request();
    });
  }

  async #timed<T>(send: () => Promise<T>, kind: Kind, startMs: number, one: Contemporary): Promise<T> {
    try {
      const answer = await send();
      kind.recent.add(this.#clock.monotonic() - startMs);
      return answer;
    } catch (error) {
      this.#saved = 0;
      throw error;
    } finally {
      kind.together.answered(one, this.#clock.monotonic());
    }
  }

  #kindOf(bytes: number): Kind {
    const size = bytes <= SMALL_BYTES ? 0 : Math.ceil(Math.log2(bytes / SMALL_BYTES) / 2);
    this.#kinds[size] ??= { recent: new RecentDurations(), together: new Contemporaries() };
    return this.#kinds[size];
  }
}

/** What there is one of for each store and clock: all who ask one store learn from one another, and share what may be sent beyond. */
export function onePerStore<T>(make: (store: ObjectStore, clock: Clock) => T): (store: ObjectStore, clock: Clock) => T {
  const made = new WeakMap<ObjectStore, { readonly clock: Clock; readonly one: T }>();
  return (store, clock) => {
    let found = made.get(store);
    if (found?.clock !== clock) {
      found = { clock, one: make(store, clock) };
      made.set(store, found);
    }
    return found.one;
  };
}
