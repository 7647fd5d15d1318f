/** Randomness, passed in, for the same reason as the clock. Only this file touches the machine's random source. */
import { randomBytes } from 'node:crypto';

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** A new random name: 20 lower-case hex digits. */
  id(): string;
}

/** The machine's random source. */
export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => randomBytes(10).toString('hex'),
};

/** Deterministic randomness from a seed (mulberry32): for tests and simulation, not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const hex = (): string =>
    Math.floor(next() * 0x100000)
      .toString(16)
      .padStart(5, '0');
  return { next, id: () => hex() + hex() + hex() + hex() };
}
