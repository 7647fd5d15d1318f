/** What a full block cache lets in, against the same clock that lets everything in. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { LmdbBlockCache } from '../../lib/state/block-cache.ts';
import { CacheSlots } from '../../lib/state/cache-slots.ts';
import { Doorkeeper } from '../../lib/state/doorkeeper.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { shuffled } from '../helpers/shuffled.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-admission-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

const PAGE_BYTES = 4096;
const BLOCK = new Uint8Array(4000);

interface Counts {
  readonly hitRate: number;
  readonly puts: number;
}

/** An open cache with room for that many blocks. */
function cacheOf(blocks: number): LmdbBlockCache {
  return LmdbBlockCache.open(path.join(root, String(folders++)), blocks * PAGE_BYTES);
}

/** Reads a block, and puts it if it is not there. */
function readBlock(cache: LmdbBlockCache, block: number): 'hit' | 'put' | 'refused' {
  const sst = cache.sst('sst-1');
  if (sst.get(block) !== undefined) return 'hit';
  cache.put([{ sst, part: block, bytes: BLOCK }]);
  return sst.has(block) ? 'put' : 'refused';
}

/** Of the second half of these reads. */
async function counted(blocks: number, reads: Uint32Array): Promise<Counts> {
  const cache = cacheOf(blocks);
  let hits = 0;
  let puts = 0;
  for (const [i, block] of reads.entries()) {
    const result = readBlock(cache, block);
    if (i * 2 < reads.length) continue;
    if (result === 'hit') hits++;
    if (result === 'put') puts++;
  }
  expect(cache.bytes).toBeLessThanOrEqual(blocks * PAGE_BYTES);
  await cache.close();
  return { hitRate: (2 * hits) / reads.length, puts };
}

/** The same with everything let in. */
function countedWithout(blocks: number, reads: Uint32Array): Counts {
  const slots = new CacheSlots();
  const slotOf = new Map<number, number>();
  let hits = 0;
  let puts = 0;
  for (const [i, block] of reads.entries()) {
    const slot = slotOf.get(block);
    if (slot !== undefined) slots.touch(slot);
    else {
      if (slots.pagesTaken === blocks) {
        const leaving = slots.leaving('read');
        slotOf.delete(slots.partOf(leaving));
        slots.release(leaving);
      }
      slotOf.set(block, slots.take(1, block, 1));
    }
    if (i * 2 < reads.length) continue;
    if (slot === undefined) puts++;
    else hits++;
  }
  return { hitRate: (2 * hits) / reads.length, puts };
}

function uniformReads(blocks: number, count: number, seed: number): Uint32Array {
  const random = seededRandom(seed);
  return new Uint32Array(count).map(() => Math.floor(random.next() * blocks));
}

function zipfReads(blocks: number, count: number, exponent: number, seed: number): Uint32Array {
  const random = seededRandom(seed);
  const sums = new Float64Array(blocks);
  let sum = 0;
  for (let rank = 0; rank < blocks; rank++) sums[rank] = sum += (rank + 1) ** -exponent;
  return new Uint32Array(count).map(() => {
    const at = random.next() * sum;
    let low = 0;
    let high = blocks - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! < at) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

describe('a full block cache', () => {
  it('property: of a tenth of blocks that are read uniformly puts a fifth of those before, for as many hits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(2000, 5000), seeds, async (blocks, seed) => {
        const reads = uniformReads(blocks, 12 * blocks, seed);
        const counts = await counted(blocks / 10, reads);
        const without = countedWithout(blocks / 10, reads);
        expect(counts.puts * 5).toBeLessThanOrEqual(without.puts);
        expect(Math.abs(counts.hitRate - without.hitRate)).toBeLessThan(0.02);
      }),
      { numRuns: 8 },
    );
  });

  it('property: has more hits among blocks of which few are read often, with a fraction of the puts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(200, 500), seeds, async (room, seed) => {
        const reads = zipfReads(5000, 60_000, 0.99, seed);
        const counts = await counted(room, reads);
        const without = countedWithout(room, reads);
        expect(counts.hitRate).toBeGreaterThanOrEqual(without.hitRate);
        expect(counts.puts * 2).toBeLessThan(without.puts);
      }),
      { numRuns: 8 },
    );
  });

  it('property: has all of another set that fits after two passes in any order, or three if what was there had hits', async () => {
    const size = fc.integer({ min: 4, max: 300 });
    await fc.assert(
      fc.asyncProperty(size, size, fc.constantFrom(0, 0.5, 1), seeds, async (a, b, hit, seed) => {
        const room = Math.max(a, b);
        const cache = cacheOf(room);
        const random = seededRandom(seed);
        for (let block = 0; block < room; block++) readBlock(cache, block);
        for (let block = 0; block < room; block++) if (random.next() < hit) readBlock(cache, block);
        const set = Array.from({ length: Math.min(a, b) }, (_, i) => 10_000 + i * 7);
        for (let passes = hit === 0 ? 2 : 3; passes > 0; passes--)
          for (const block of shuffled(set, random)) readBlock(cache, block);
        for (const block of set) expect(cache.sst('sst-1').has(block), String(block)).toBe(true);
        expect(cache.bytes).toBeLessThanOrEqual(room * PAGE_BYTES);
        await cache.close();
      }),
      { numRuns: 60 },
    );
  });

  it('property: asked before a block is brought, lets in the same as when it is put', async () => {
    const block = fc.integer({ min: 0, max: 60 });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 5, max: 40 }),
        fc.array(block, { maxLength: 300, size: 'max' }),
        async (room, reads) => {
          const [put, asked] = [cacheOf(room), cacheOf(room)];
          const sst = asked.sst('sst-1');
          for (const block of reads) {
            const expected = readBlock(put, block);
            const isHit = sst.get(block) !== undefined;
            const isWanted = !isHit && asked.wants(sst, block, BLOCK.length);
            if (isWanted) asked.put([{ sst, part: block, bytes: BLOCK }]);
            expect(isHit ? 'hit' : isWanted ? 'put' : 'refused').toBe(expected);
            expect(sst.has(block)).toBe(expected !== 'refused');
          }
          await Promise.all([put.close(), asked.close()]);
          expect(asked.wants(sst, 0, BLOCK.length), 'when it is closed').toBe(false);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('puts everything while there is room, and indexes always', async () => {
    const cache = cacheOf(40);
    for (let block = 0; block < 40; block++) expect(readBlock(cache, block)).toBe('put');
    expect(readBlock(cache, 40)).toBe('refused');
    const sst = cache.sst('sst-2');
    cache.put([{ sst, part: 'index', bytes: BLOCK }]);
    expect(sst.has('index')).toBe(true);
    cache.forget('sst-2');
    expect(readBlock(cache, 41)).toBe('put');
    expect(readBlock(cache, 40)).toBe('put');
    await cache.close();
  });
});

describe('a doorkeeper', () => {
  it('property: knows each of the last blocks that it has turned away, as many as there is room for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 0, max: 5000 }), seeds, (most, before, sst) => {
        const doorkeeper = new Doorkeeper(most);
        const away: number[] = [];
        for (let block = 0; block < before + most; block++) if (!doorkeeper.letsIn(sst, block)) away.push(block);
        for (const block of away.slice(-most)) expect(doorkeeper.letsIn(sst, block)).toBe(true);
      }),
    );
  });

  it('forgets those before, and takes few for another', () => {
    const doorkeeper = new Doorkeeper(1000);
    let letIn = 0;
    for (let block = 0; block < 50_000; block++) if (doorkeeper.letsIn(7, block)) letIn++;
    expect(letIn).toBeLessThan(50_000 / 50);
    for (let block = 0; block < 1000; block++) if (doorkeeper.letsIn(7, block)) letIn++;
    expect(letIn).toBeLessThan(50_000 / 50);
  });
});
