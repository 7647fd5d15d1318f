/**
 * The job of the benchmarks of large state, and the rows that it is given: a running aggregate of several numbers by key, each changed
 * key published. Lines of input all have the same length, so that a piece of them is made by writing digits over a template:
 * making rows must not cost what processing them does.
 */
import { avg, count, job, max, min, source, sum } from '../lib/index.ts';
import { compileJob } from '../lib/stream/compile/compile.ts';
import type { PhysicalJob } from '../lib/stream/compile/physical.ts';
import { type Random, seededRandom } from '../lib/util/random.ts';

export type KeyOrder = 'uniform' | 'zipf';

export interface LargeJobOptions {
  readonly mode: 'async' | 'sync';
  readonly preload: 'off' | 'keys';
  /** Of a batch. */
  readonly rows: number;
  /** Budget of rows in memory. */
  readonly rowBytes: number;
}

/** Slots of a row of state: count, sum, avg (2), min (2), max (2), sum. */
export const ROW_NUMBERS = 9;
export const SOURCE = 'payments';
const DIGITS = 12;
/** Neighbours in the order of keys differ in several digits, as identifiers do. */
const STEP = 7919;
const EXPONENT = 0.99;

export function largeJob({ mode, preload, rows, rowBytes }: LargeJobOptions): PhysicalJob {
  const fields = { time: 'timestamp', user: 'string', amount: 'number', fee: 'number' } as const;
  const payments = source(SOURCE, { fields, eventTime: (e) => e.time, delay: '1 minute' });
  const spending = payments
    .keyBy((e) => e.user)
    .aggregate({
      count: count(),
      total: sum((e) => e.amount),
      mean: avg((e) => e.amount),
      least: min((e) => e.amount),
      most: max((e) => e.amount),
      fees: sum((e) => e.fee),
    });
  return compileJob(
    job('large', spending, {
      outputMode: 'update',
      commit: { mode },
      preload,
      // By rows alone: a batch is never cut short by time.
      trigger: { maxRows: rows, maxBytes: 1 << 30, maxWait: '1 hour' },
      state: { cacheBytes: rowBytes },
    }),
  );
}

/** Key `i`; ascending in `i`. */
export function userOf(i: number): string {
  return `user-${String(i * STEP).padStart(DIGITS, '0')}`;
}

/** Which key each row has. */
export function keyDrawer(keys: number, order: KeyOrder, random: Random): () => number {
  if (order === 'uniform') return () => Math.floor(random.next() * keys);
  const ranks = zipfRanks(keys, random);
  // Frequent keys lie scattered among the others. The factor is a prime, so each rank has a key of its own.
  return () => (ranks() * 15_485_863) % keys;
}

/** Ranks from 0, the frequent ones first. Gray et al. 1994, as in YCSB. */
function zipfRanks(keys: number, random: Random): () => number {
  const zeta = harmonic(keys, EXPONENT);
  const two = 1 + 0.5 ** EXPONENT;
  const alpha = 1 / (1 - EXPONENT);
  const eta = (1 - (2 / keys) ** (1 - EXPONENT)) / (1 - two / zeta);
  return () => {
    const u = random.next();
    const uz = u * zeta;
    if (uz < 1) return 0;
    if (uz < two) return 1;
    return Math.min(keys - 1, Math.floor(keys * (eta * u - eta + 1) ** alpha));
  };
}

/** Sum of 1/i^s: its beginning term by term, the rest by Euler and Maclaurin. */
function harmonic(n: number, s: number): number {
  const exact = Math.min(n, 10_000);
  let total = 0;
  for (let i = 1; i <= exact; i++) total += i ** -s;
  if (exact === n) return total;
  return total + (n ** (1 - s) - exact ** (1 - s)) / (1 - s) + (n ** -s - exact ** -s) / 2;
}

const TIME = Date.UTC(2025, 0, 1);
const LINE = `{"time":${TIME},"user":"user-${'0'.repeat(DIGITS)}","amount":000.00,"fee":0.00}\n`;
const USER_AT = LINE.indexOf('user-') + 5;
const AMOUNT_AT = LINE.indexOf('000.00');
const FEE_AT = LINE.indexOf('"fee":') + 6;

/** Makes pieces of input, one after the other. */
export class Rows {
  readonly #key: () => number;
  readonly #random: Random;

  constructor(keys: number, order: KeyOrder, seed: number) {
    this.#random = seededRandom(seed);
    this.#key = keyDrawer(keys, order, this.#random);
  }

  piece(rows: number): Buffer {
    const bytes = Buffer.alloc(rows * LINE.length, LINE, 'latin1');
    for (let i = 0, at = 0; i < rows; i++, at += LINE.length) {
      putDigits(bytes, at + USER_AT, DIGITS, this.#key() * STEP);
      const cents = 10_000 + Math.floor(this.#random.next() * 90_000);
      putDigits(bytes, at + AMOUNT_AT, 3, Math.floor(cents / 100));
      putDigits(bytes, at + AMOUNT_AT + 4, 2, cents % 100);
      putDigits(bytes, at + FEE_AT + 2, 2, cents % 97);
    }
    return bytes;
  }
}

function putDigits(bytes: Buffer, at: number, digits: number, value: number): void {
  let left = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const rest = Math.floor(left / 10);
    bytes[i] = 48 + left - rest * 10;
    left = rest;
  }
}
