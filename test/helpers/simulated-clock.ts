/**
 * Simulated time: what is to happen is kept in its order, and time stands still while the code under test works. Of one seed
 * all comes in the same order again, as nothing here waits for the machine.
 */
import type { Clock } from '../../lib/util/clock.ts';

interface Event {
  readonly atMs: number;
  readonly seq: number;
  act: (() => void) | undefined;
}

/** Takes back what was to happen. */
export type Cancel = () => void;

export class SimulatedClock implements Clock {
  #nowMs: number;
  #seq = 0;
  /** A binary heap. */
  readonly #events: Event[] = [];

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = this.after(ms, resolve);
      const aborted = (): void => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  after(ms: number, act: () => void): Cancel {
    const event: Event = { atMs: this.#nowMs + Math.max(0, ms), seq: this.#seq++, act };
    this.#push(event);
    return () => {
      event.act = undefined;
    };
  }

  /** Lets things happen, one after the other, until `done`; it is asked after each. @throws nothing is left to happen */
  async run(done: () => boolean): Promise<void> {
    while (!done()) {
      const event = this.#pop();
      if (event === undefined) throw new Error('nothing is left to happen, and it is not done');
      if (event.act === undefined) continue;
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      event.act();
      // All that follows from it.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #push(event: Event): void {
    const events = this.#events;
    let at = events.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(events[parent]!, event)) break;
      events[at] = events[parent]!;
      at = parent;
    }
    events[at] = event;
  }

  #pop(): Event | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1]!, events[child]!)) child++;
      if (isBefore(last, events[child]!)) break;
      events[at] = events[child]!;
      at = child;
    }
    events[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
}
