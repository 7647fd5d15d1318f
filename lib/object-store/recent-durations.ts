/** How long the last requests of a kind took, and what is slow among them. Counted by classes of 4 %, so that each costs next to nothing. */

/**
 * So many are known, up to twice as many. Of some thousands that begin together the slow ones end last: these alone must not be all
 * that is known.
 */
const KEPT = 4096;
/** Of fewer than this nothing is told. */
const LEAST = 16;
/** Found anew after so many. */
const TOLD_EVERY = 16;
/** Not 0.95, where a store of which one answer in twenty is slow would have slow ones for usual half of the time. */
const SLOW = 0.9;

const CLASSES_AN_OCTAVE = 16;
/** From 1/16 ms to about a minute: what is shorter or longer is in the first class or the last one. */
const OCTAVES = 20;
const LEAST_OCTAVE = -4;
const CLASSES = OCTAVES * CLASSES_AN_OCTAVE;

export class RecentDurations {
  #counts = new Uint32Array(CLASSES);
  #before = new Uint32Array(CLASSES);
  #count = 0;
  #countBefore = 0;
  #slowMs: number | undefined;

  add(ms: number): void {
    this.#counts[classOf(ms)]!++;
    if (++this.#count % TOLD_EVERY !== 0 || this.#count + this.#countBefore < LEAST) return;
    this.#slowMs = this.#found();
    if (this.#count < KEPT) return;
    [this.#counts, this.#before] = [this.#before.fill(0), this.#counts];
    [this.#count, this.#countBefore] = [0, this.#count];
  }

  /** What nine of ten take at most, ms; `undefined` while too few are known. */
  get slowMs(): number | undefined {
    return this.#slowMs;
  }

  #found(): number {
    let above = (1 - SLOW) * (this.#count + this.#countBefore);
    let c = CLASSES;
    do above -= this.#counts[--c]! + this.#before[c]!;
    while (above >= 0 && c > 0);
    return 2 ** ((c + 1) / CLASSES_AN_OCTAVE + LEAST_OCTAVE);
  }
}

function classOf(ms: number): number {
  const c = Math.ceil((Math.log2(ms) - LEAST_OCTAVE) * CLASSES_AN_OCTAVE) - 1;
  return Math.min(Math.max(c, 0), CLASSES - 1);
}
