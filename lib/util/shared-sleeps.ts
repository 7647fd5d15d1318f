/** Thousands of sleeps side by side: those that end in the same millisecond are one, as timers cost more than what many wait for. */
import type { Clock } from './clock.ts';

export class SharedSleeps {
  readonly #clock: Clock;
  /** By when they end, monotonic ms. */
  readonly #sleeps = new Map<number, Promise<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the clock's monotonic time has come to that, within the next millisecond. */
  until(monotonicMs: number): Promise<void> {
    const end = Math.ceil(monotonicMs);
    let sleep = this.#sleeps.get(end);
    if (sleep === undefined) {
      sleep = this.#clock.sleep(Math.max(0, end - this.#clock.monotonic()));
      this.#sleeps.set(end, sleep);
      const over = (): void => void this.#sleeps.delete(end);
      sleep.then(over, over);
    }
    return sleep;
  }
}
