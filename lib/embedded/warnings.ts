/**
 * What a run got over, told once each. It is noted wherever it happens, in the middle of a batch too, and told between
 * batches: there whoever is told may throw, and nothing is left half done.
 */
import { errorText } from '../errors.ts';

export class Warnings {
  readonly #onWarning: ((error: Error) => void) | undefined;
  readonly #known = new Set<string>();
  #waiting: Error[] = [];

  constructor(onWarning: ((error: Error) => void) | undefined) {
    this.#onWarning = onWarning;
  }

  /** @param what the same text each time: the first time counts */
  note(what: string, error: unknown): void {
    if (this.#known.has(what)) return;
    this.#known.add(what);
    this.#waiting.push(new Error(`${what}: ${errorText(error)}`, { cause: error }));
  }

  /** Passes on what was noted since the last call. */
  tell(): void {
    const told = this.#waiting;
    this.#waiting = [];
    for (const warning of told) this.#onWarning?.(warning);
  }

  /** Passes on the rest at the end. Errors of the listener are ignored: the run is over, or has failed already. */
  tellLast(): void {
    try {
      this.tell();
    } catch {}
  }
}
