/**
 * Random numbers from a seed and the number of an event: each event is a function of the two alone, so a part of the stream can be made
 * without what comes before it.
 */
export class Dice {
  #state: number;

  constructor(seed: number, of: number) {
    this.#state = Math.imul(seed ^ 0x5bd1e995, 0x85ebca6b) ^ Math.imul(of + 1, 0xc2b2ae35);
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** From 3 to `longest` − 1 letters, about one in 13 of them `gap`. */
  text(longest: number, gap = ' '): string {
    let text = '';
    for (let left = 3 + this.below(longest - 3); left > 0; left--) {
      text += this.below(13) === 0 ? gap : String.fromCharCode(97 + this.below(26));
    }
    return text.trim();
  }

  /** What makes a record of `size` bytes about `wanted` long: a fifth more or less. */
  filling(size: number, wanted: number): string {
    const missing = wanted - size;
    if (missing <= 0) return '';
    const fifth = Math.round(missing * 0.2);
    const length = missing - fifth + (fifth === 0 ? 0 : this.below(2 * fifth));
    const from = this.below(LETTERS.length - length);
    return LETTERS.slice(from, from + length);
  }
}

const LETTERS = letters(1 << 16);

function letters(count: number): string {
  const dice = new Dice(0, 0);
  return Array.from({ length: count }, () => String.fromCharCode(97 + dice.below(26))).join('');
}
