/**
 * Input objects that cannot be read: left aside so that others go on, and tried again after a while. What is kept here is
 * an environment's own and may be lost at any time: the listing finds such an object again.
 */
import type { Clock } from '../util/clock.ts';
import type { Report } from './report.ts';

const FIRST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 60 * 60_000;

interface Failure {
  readonly error: unknown;
  readonly tries: number;
  readonly untilMs: number;
}

export class Unreadable {
  readonly #clock: Clock;
  readonly #report: Report;
  readonly #failures = new Map<string, Failure>();
  readonly #overwritten = new Set<string>();

  constructor(clock: Clock, report: Report) {
    this.#clock = clock;
    this.#report = report;
  }

  add(name: string, error: unknown): void {
    const tries = (this.#failures.get(name)?.tries ?? 0) + 1;
    const waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 4 ** (tries - 1));
    this.#failures.set(name, { error, tries, untilMs: this.#clock.monotonic() + waitMs });
    this.#report.error('an input object cannot be read; others go on', error, { object: name });
  }

  /** Whether an object is left aside now. */
  has(name: string): boolean {
    const failure = this.#failures.get(name);
    return failure !== undefined && this.#clock.monotonic() < failure.untilMs;
  }

  errorOf(name: string): unknown {
    return this.#failures.get(name)?.error;
  }

  /** It was announced again: it may have been repaired. */
  retry(name: string): void {
    const failure = this.#failures.get(name);
    if (failure !== undefined) this.#failures.set(name, { ...failure, untilMs: Number.NEGATIVE_INFINITY });
  }

  /** Reports, once, that an object was overwritten after all of it was read. */
  tellOverwritten(name: string): void {
    if (this.#overwritten.has(name)) return;
    this.#overwritten.add(name);
    this.#report.warn('an input object was overwritten after it was read: it is not read again', { object: name });
    this.#report.metric('Overwritten', 1);
  }
}
