/** How long the last requests of a kind took, and what is slow among them. */

/**
 * Of so many the percentile is told. Of some hundreds that begin together the slow ones end last: these alone must not be all that is known.
 */
const KEPT = 512;
/** Of fewer than this nothing is told. */
const LEAST = 32;
/** Found anew after so many. */
const TOLD_EVERY = 16;
/** Not 0.95, where a store of which one answer in twenty is slow would have slow ones for usual half of the time. */
const SLOW = 0.9;

export class RecentDurations {
  readonly #ring = new Float64Array(KEPT);
  #count = 0;
  #slowMs: number | undefined;

  add(ms: number): void {
    this.#ring[this.#count++ % KEPT] = ms;
    if (this.#count < LEAST || this.#count % TOLD_EVERY !== 0) return;
    const sorted = this.#ring.slice(0, this.#count).sort();
    this.#slowMs = sorted[Math.ceil(SLOW * sorted.length) - 1];
  }

  /** What nine of ten take at most, ms; `undefined` while too few are known. */
  get slowMs(): number | undefined {
    return this.#slowMs;
  }
}
