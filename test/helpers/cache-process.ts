/** A process that puts parts of SSTs into a block cache for ever: `tsx cache-process.ts directory budget-bytes seed`. To be killed, once it says `full`. */
import { type CachedPart, LmdbBlockCache } from '../../lib/state/block-cache.ts';

const SSTS = 12;
const BLOCKS = 400;
/** After these it is full, and says so. */
const FIRST_PUTS = 100;

const made = new Map<string, Uint8Array>();

/** What is in that part of that SST: the same in every process. */
export function bytesOfPart(sst: string, part: number): Uint8Array {
  const name = `${sst}/${part}`;
  const bytes = made.get(name) ?? makePart(sst, part);
  made.set(name, bytes);
  return bytes;
}

function makePart(sst: string, part: number): Uint8Array {
  let state = (Number(sst.slice(4)) + 1) * 7919 + part * 31 + 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
  const length = [1 + (next() % 60), 3500 + (next() % 540), 4040, 4041 + (next() % 30_000)][next() % 4]!;
  return Uint8Array.from({ length }, next);
}

export const SST_NAMES = Array.from({ length: SSTS }, (_, i) => `sst-${i}`);
export const PARTS = Array.from({ length: BLOCKS }, (_, i) => i);

const [, script, directory, budget, seed] = process.argv;
if (script?.includes('cache-process') && directory !== undefined) {
  const cache = LmdbBlockCache.open(directory, Number(budget), (what, error) => {
    process.stdout.write(`${what} ${String(error)}\n`);
  });
  let state = Number(seed);
  const next = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % n;
  };
  for (let puts = 0; ; puts++) {
    if (puts === FIRST_PUTS) process.stdout.write('full\n');
    const parts = Array.from({ length: 1 + next(40) }, (): CachedPart => {
      const sst = cache.sst(SST_NAMES[next(SSTS)]!);
      const part = next(BLOCKS);
      return { sst, part, bytes: bytesOfPart(sst.id, part) };
    });
    cache.put(parts);
    for (const { sst, part } of parts) if (next(4) === 0) sst.get(part);
    if (next(50) === 0) cache.forget(SST_NAMES[next(SSTS)]!);
  }
}
