/**
 * `countDistinct` by HyperLogLog with 2^14 registers: standard error 1.04 / √16384 ≈ 0.8 %. One slot, a `Uint8Array`. While
 * it is shorter than the registers it is a sorted list of 64-bit hashes, 8 bytes each, so up to 2,047 values are counted
 * exactly (but for a collision of hashes, chance below 2^-43); then it becomes the registers, one byte each. The estimate
 * is Ertl's, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), which needs no correction table at
 * any size. Written here because state must be plain data that merges; the hash is part of the stored format.
 */

import type { Slots } from '../graph/accumulator.ts';
import { encodeKey, type Key } from '../operators/key.ts';
import { type Aggregate, define, needsFunction } from './aggregate.ts';

const INDEX_BITS = 14;
const REGISTERS = 1 << INDEX_BITS;
const HASH_BYTES = 8;
/** Bits of a hash behind the register's number; the greatest rank is one more. */
const RANK_BITS = 64 - INDEX_BITS;

/** Number of different values, by HyperLogLog: standard error about 1 %; exact while there are few. */
export function countDistinct<T>(f: (row: T) => Key | undefined): Aggregate<T, number> {
  needsFunction(f, 'countDistinct()');
  return define('countDistinct', () => ({
    width: 1,
    init: (slots, at) => {
      slots[at] = new Uint8Array(0);
    },
    add: (slots, at, row) => {
      const value = f(row as T);
      if (value === null || value === undefined) return;
      const [high, low] = hash64(encodeKey(value));
      put(slots, at, high, low);
    },
    merge: (slots, at, other, otherAt) => {
      const from = other[otherAt] as Uint8Array;
      if (from.length === REGISTERS) {
        const to = toRegisters(slots[at] as Uint8Array);
        for (let i = 0; i < REGISTERS; i++) if (from[i]! > to[i]!) to[i] = from[i]!;
        slots[at] = to;
        return;
      }
      for (let i = 0; i < from.length; i += HASH_BYTES) put(slots, at, wordAt(from, i), wordAt(from, i + 4));
    },
    result: (slots, at) => {
      const sketch = slots[at] as Uint8Array;
      return sketch.length === REGISTERS ? Math.round(estimate(sketch)) : sketch.length / HASH_BYTES;
    },
    own: (slots, at) => {
      slots[at] = Uint8Array.from(slots[at] as Uint8Array);
    },
  }));
}

function put(slots: Slots, at: number, high: number, low: number): void {
  const sketch = slots[at] as Uint8Array;
  if (sketch.length === REGISTERS) {
    putRank(sketch, high, low);
    return;
  }
  const where = findHash(sketch, high, low);
  if (where < 0) return;
  if (sketch.length + HASH_BYTES >= REGISTERS) {
    const registers = toRegisters(sketch);
    putRank(registers, high, low);
    slots[at] = registers;
    return;
  }
  const longer = new Uint8Array(sketch.length + HASH_BYTES);
  longer.set(sketch.subarray(0, where));
  for (let i = 0; i < 4; i++) {
    longer[where + i] = high >>> (24 - 8 * i);
    longer[where + 4 + i] = low >>> (24 - 8 * i);
  }
  longer.set(sketch.subarray(where), where + HASH_BYTES);
  slots[at] = longer;
}

/** The registers of a sketch; the sketch itself if it has them already. */
function toRegisters(sketch: Uint8Array): Uint8Array {
  if (sketch.length === REGISTERS) return sketch;
  const registers = new Uint8Array(REGISTERS);
  for (let i = 0; i < sketch.length; i += HASH_BYTES) putRank(registers, wordAt(sketch, i), wordAt(sketch, i + 4));
  return registers;
}

/** The first 14 bits choose the register; it keeps the greatest position of the first 1 in the others. */
function putRank(registers: Uint8Array, high: number, low: number): void {
  const register = high >>> (32 - INDEX_BITS);
  const rest = (high << INDEX_BITS) >>> 0;
  const zeros = rest !== 0 ? Math.clz32(rest) : 32 - INDEX_BITS + Math.clz32(low);
  const rank = zeros + 1;
  if (rank > registers[register]!) registers[register] = rank;
}

/** Where in the sorted list a hash belongs, in bytes; -1: it is there. */
function findHash(list: Uint8Array, high: number, low: number): number {
  let from = 0;
  let to = list.length / HASH_BYTES;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const order = wordAt(list, middle * HASH_BYTES) - high || wordAt(list, middle * HASH_BYTES + 4) - low;
    if (order === 0) return -1;
    if (order < 0) from = middle + 1;
    else to = middle;
  }
  return from * HASH_BYTES;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Two unsigned words from a binary string: two multiplicative hashes that are mixed into each other at the end. */
function hash64(text: string): [high: number, low: number] {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return [mix(a), mix(b)];
}

/** Murmur3's finalizer. */
function mix(word: number): number {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Ertl's improved raw estimate, algorithm 6 of the paper. */
function estimate(registers: Uint8Array): number {
  const counts = new Array<number>(RANK_BITS + 2).fill(0);
  for (const rank of registers) counts[rank]!++;
  let z = REGISTERS * tau(1 - counts[RANK_BITS + 1]! / REGISTERS);
  for (let k = RANK_BITS; k >= 1; k--) z = 0.5 * (z + counts[k]!);
  z += REGISTERS * sigma(counts[0]! / REGISTERS);
  return REGISTERS ** 2 / (2 * Math.LN2 * z);
}

function sigma(share: number): number {
  if (share === 1) return Infinity;
  let x = share;
  let y = 1;
  let z = x;
  for (;;) {
    x *= x;
    const before = z;
    z += x * y;
    y += y;
    if (z === before) return z;
  }
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let z = 1 - x;
  for (;;) {
    x = Math.sqrt(x);
    const before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
    if (z === before) return z / 3;
  }
}
