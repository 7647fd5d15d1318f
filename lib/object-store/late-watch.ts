/**
 * Tells of what has not ended in its time. One sleep for all that is watched, until the first of them is due: a timer that can be taken back
 * costs more than many a read. Nobody sleeps where nothing is watched.
 */
import type { Clock } from '../util/clock.ts';

interface Watched {
  readonly dueMs: number;
  readonly late: () => void;
}

/** A sleep that ends so much later tells of a busy thread. */
const OVERSLEPT_MS = 2;

/** The reason given to a sleep that is of no more use. */
const NOT_NEEDED = new Error('nothing is waited for');

export class LateWatch {
  readonly #clock: Clock;
  readonly #watched = new Set<Watched>();
  #sleep: { readonly untilMs: number; readonly control: AbortController } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param late called once, when `ms` have passed
   * @returns ends it; nothing if it has ended
   */
  watch(ms: number, late: () => void): () => void {
    const one: Watched = { dueMs: this.#clock.monotonic() + ms, late };
    this.#watched.add(one);
    if (this.#sleep === undefined || one.dueMs < this.#sleep.untilMs) void this.#run();
    return () => {
      if (this.#watched.delete(one) && this.#watched.size === 0) this.#wake();
    };
  }

  #wake(): void {
    this.#sleep?.control.abort(NOT_NEEDED);
    this.#sleep = undefined;
  }

  async #run(): Promise<void> {
    this.#wake();
    while (this.#watched.size > 0) {
      let untilMs = Number.POSITIVE_INFINITY;
      for (const { dueMs } of this.#watched) untilMs = Math.min(untilMs, dueMs);
      const sleep = { untilMs, control: new AbortController() };
      this.#sleep = sleep;
      const isOver = await this.#sleptUntil(untilMs, sleep.control.signal);
      // Somebody else sleeps, or nobody has to.
      if (this.#sleep !== sleep) return;
      if (!isOver) break;
      const nowMs = this.#clock.monotonic();
      for (const one of this.#watched) {
        if (one.dueMs > nowMs) continue;
        this.#watched.delete(one);
        one.late();
      }
      // What `late` has begun to watch is due after this sleep, and waits for the next one. Unless nothing was watched in between.
      if (this.#sleep !== sleep) return;
    }
    this.#sleep = undefined;
  }

  /** @returns false: the sleep was ended, by us or by the end of the invocation it is in */
  async #sleptUntil(untilMs: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#clock.sleep(Math.max(0, Math.ceil(untilMs - this.#clock.monotonic())), signal);
      const overMs = this.#clock.monotonic() - untilMs;
      // While this thread was busy what is watched may have ended: it is given as long again to say so.
      if (overMs > OVERSLEPT_MS) await this.#clock.sleep(overMs, signal);
      return true;
    } catch {
      return false;
    }
  }
}
