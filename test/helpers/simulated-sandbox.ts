/**
 * One execution environment of a function: it is frozen when a handler has answered, goes on where it was at the next
 * invocation, and dies at any time. Whatever its code waits for comes through here: held while it is frozen, never once it
 * is dead. What it has sent takes effect nevertheless, or does not: the network does not know.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import { errorText } from '../../lib/errors.ts';
import type { Clock } from '../../lib/util/clock.ts';
import type { Random } from '../../lib/util/random.ts';
import type { Cancel, SimulatedClock } from './simulated-clock.ts';

/** Whose code runs. */
const caller = new AsyncLocalStorage<{ readonly sandbox: Sandbox; readonly invocation: number }>();

/** Longer than most invocations. */
const HANG_MS = 400_000;

export class Sandbox implements Clock {
  readonly name: string;
  /** It dies when so much more has come back to it. */
  left = Number.POSITIVE_INFINITY;
  onDeath: () => void = () => {};
  /** Continuations that were held while it was frozen. */
  thawed = 0;
  #invocation = 0;
  readonly #strays: string[];
  readonly #clock: SimulatedClock;
  readonly #random: Random;
  #state: 'runs' | 'frozen' | 'dead' = 'runs';
  #held: (() => void)[] = [];

  /** @param strays takes requests that an invocation makes after it has ended */
  constructor(name: string, clock: SimulatedClock, random: Random, strays: string[]) {
    this.#strays = strays;
    this.name = name;
    this.#clock = clock;
    this.#random = random;
  }

  get frozen(): boolean {
    return this.#state === 'frozen';
  }

  get dead(): boolean {
    return this.#state === 'dead';
  }

  freeze(): void {
    if (!this.dead) this.#state = 'frozen';
  }

  /** Runs an invocation; what was under way goes on, soon. */
  invoke<T>(handler: () => T): T {
    this.#state = 'runs';
    this.thawed += this.#held.length;
    for (const act of this.#held.splice(0)) this.#clock.after(this.#random.next() * 3, () => this.#enter(act));
    return caller.run({ sandbox: this, invocation: ++this.#invocation }, handler);
  }

  kill(): void {
    if (this.dead) return;
    this.#state = 'dead';
    this.#held = [];
    this.onDeath();
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.now();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#unlessAborted(signal, (resolve) => this.#clock.after(ms, () => this.#enter(resolve)));
  }

  /** A request to a service: on its way for a while, then done at once, then answered. */
  request<T>(
    what: string,
    signal: AbortSignal | undefined,
    log: (line: string) => void,
    act: () => Promise<T>,
    hangs = false,
  ): Promise<T> {
    return this.#unlessAborted(signal, (resolve, reject) => {
      const { sandbox, invocation } = caller.getStore()!;
      log(`${this.name} asks ${what}`);
      if (sandbox !== this || invocation !== this.#invocation || this.frozen)
        this.#strays.push(`${this.name}: ${what}`);
      const lost = this.#random.next() < 0.5;
      const backMs = hangs ? HANG_MS * this.#random.next() : this.#wayMs();
      const answer = (give: () => void): void => void this.#clock.after(backMs, () => this.#enter(give));
      this.#clock.after(this.#wayMs(), () => {
        // Whoever asked is no longer there: it may have been on its way.
        if ((this.dead || signal?.aborted) && lost) return;
        log(`done ${what}`);
        act().then(
          (result) => answer(() => resolve(result)),
          (error: unknown) => {
            log(`${this.name} gets ${errorText(error)}`);
            answer(() => reject(error));
          },
        );
      });
      return () => {};
    });
  }

  /** Rejects a moment after the signal is aborted, which may be in another invocation. */
  #unlessAborted<T>(
    signal: AbortSignal | undefined,
    begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => Cancel,
  ): Promise<T> {
    // An invocation may wait for any number of answers.
    if (signal !== undefined) setMaxListeners(0, signal);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const done = (): void => signal?.removeEventListener('abort', aborted);
      const aborted = (): void => {
        cancel();
        this.#clock.after(this.#random.next() * 2, () => this.#enter(() => reject(signal!.reason)));
      };
      signal?.addEventListener('abort', aborted, { once: true });
      const cancel = begin(
        (value) => {
          done();
          resolve(value);
        },
        (error) => {
          done();
          reject(error);
        },
      );
    });
  }

  #wayMs(): number {
    return 2 + this.#random.next() * (this.#random.next() < 0.005 ? 4000 : 15);
  }

  #enter(act: () => void): void {
    if (this.dead) return;
    if (this.frozen) {
      this.#held.push(act);
      return;
    }
    if (this.left-- <= 0) this.kill();
    else act();
  }
}
