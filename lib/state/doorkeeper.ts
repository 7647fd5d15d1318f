/**
 * What a full block cache lets in of what is looked into: what was wanted twice of late. A block that is wanted once, as nearly all are where keys are uniform and
 * the cache is small, would push out another of no less use, and be pushed out before it is wanted again.
 *
 * Who was turned away lately is remembered as two sets of two bits each in a bitmap (Bloom filters): when one has as many as the cache
 * has room for, it takes the place of the older, which is emptied. So what comes again after at most so many others is let in, always; one
 * in fifty is by mistake. Four to eight bytes a block of the budget.
 */
import { finishHash } from '../util/hash.ts';

/** Bits for each that one set remembers, at least. */
const BITS_EACH = 16;

export class Doorkeeper {
  /** How many one set remembers. */
  readonly #most: number;
  /** Of a hash, what is left is the number of a bit. */
  readonly #shift: number;
  #newer: Uint8Array;
  #older: Uint8Array;
  #count = 0;

  /** @param most blocks that the cache has room for */
  constructor(most: number) {
    this.#most = Math.max(1, most);
    const logBits = Math.min(31, Math.max(3, Math.ceil(Math.log2(this.#most * BITS_EACH))));
    this.#shift = 32 - logBits;
    this.#newer = new Uint8Array(2 ** (logBits - 3));
    this.#older = new Uint8Array(2 ** (logBits - 3));
  }

  /**
   * Whether that block was turned away lately; if not, it is now.
   * @param sst a hash of its name
   */
  letsIn(sst: number, block: number): boolean {
    const hash = finishHash(sst ^ Math.imul(block + 1, 0x9e3779b1));
    const first = hash >>> this.#shift;
    const second = Math.imul(hash, 0x85ebca77) >>> this.#shift;
    if (hasBoth(this.#newer, first, second) || hasBoth(this.#older, first, second)) return true;
    if (this.#count === this.#most) this.#turn();
    setBit(this.#newer, first);
    setBit(this.#newer, second);
    this.#count++;
    return false;
  }

  #turn(): void {
    const emptied = this.#older.fill(0);
    this.#older = this.#newer;
    this.#newer = emptied;
    this.#count = 0;
  }
}

function hasBoth(bits: Uint8Array, first: number, second: number): boolean {
  return (bits[first >>> 3]! & (1 << (first & 7))) !== 0 && (bits[second >>> 3]! & (1 << (second & 7))) !== 0;
}

function setBit(bits: Uint8Array, at: number): void {
  bits[at >>> 3]! |= 1 << (at & 7);
}
