/** The block cache: what it gives is what was put, whatever became of the process that put it, and of the file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type CachedPart, LmdbBlockCache } from '../../lib/state/block-cache.ts';
import { findValues } from '../../lib/state/lmdb-file.ts';
import { crc32 } from '../../lib/util/crc.ts';
import { bytesOfPart, PARTS, SST_NAMES } from '../helpers/cache-process.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-block-cache-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(root, String(folders++));
const MIB = 1 << 20;

function parts(cache: LmdbBlockCache, sst: string, numbers: readonly number[]): CachedPart[] {
  return numbers.map((part) => ({ sst: cache.sst(sst), part, bytes: bytesOfPart(sst, part) }));
}

/** How many parts of those that processes put are there; each must be what was put. */
function checkAll(cache: LmdbBlockCache): number {
  let found = 0;
  for (const id of SST_NAMES) {
    const sst = cache.sst(id);
    for (const part of PARTS) {
      const bytes = sst.get(part);
      if (bytes === undefined) continue;
      found++;
      expect(Buffer.compare(bytes, bytesOfPart(id, part)), `${id} ${part}`).toBe(0);
    }
  }
  return found;
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      sst: fc.nat(3),
      from: fc.nat(90),
      count: fc.integer({ min: 1, max: 9 }),
      worth: fc.constantFrom('read' as const, 'preloaded' as const),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('get' as const),
      sst: fc.nat(3),
      from: fc.nat(90),
      count: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('drop' as const, 'forget' as const, 'reopen' as const),
      sst: fc.nat(3),
      from: fc.nat(90),
    }),
  },
);

describe('the block cache', () => {
  it('gives what was put or nothing, keeps to its budget, and is the same after reopening', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom(40_000, 300_000, MIB),
        async (steps, budget) => {
          const directory = folder();
          let cache = LmdbBlockCache.open(directory, budget);
          const holds = (): string[] =>
            SST_NAMES.flatMap((id) => PARTS.filter((p) => cache.sst(id).has(p)).map((p) => `${id}/${p}`));
          for (const s of steps) {
            const id = SST_NAMES[s.sst]!;
            if (s.do === 'put') {
              const numbers = Array.from({ length: s.count }, (_, i) => s.from + i);
              const room = cache.bytes + numbers.length * 40_000 <= budget;
              cache.put(parts(cache, id, numbers), s.worth);
              if (room)
                for (const part of numbers)
                  if (bytesOfPart(id, part).length * 5 < budget) expect(cache.sst(id).has(part)).toBe(true);
            } else if (s.do === 'get') {
              for (let part = s.from; part < s.from + s.count; part++) {
                const isThere = cache.sst(id).has(part);
                const bytes = cache.sst(id).get(part);
                expect(bytes !== undefined).toBe(isThere);
                if (bytes !== undefined) expect(Buffer.compare(bytes, bytesOfPart(id, part))).toBe(0);
              }
            } else if (s.do === 'drop') {
              cache.sst(id).drop(s.from);
              expect(cache.sst(id).has(s.from)).toBe(false);
            } else if (s.do === 'forget') {
              cache.forget(id);
              expect(PARTS.some((p) => cache.sst(id).has(p))).toBe(false);
            } else {
              // What was dropped or forgotten may be there again: it is right, and nobody was promised that it is gone.
              const before = holds();
              await cache.close();
              cache = LmdbBlockCache.open(directory, budget);
              expect(holds()).toEqual(expect.arrayContaining(before));
            }
            expect(cache.bytes).toBeLessThanOrEqual(budget);
          }
          checkAll(cache);
          await cache.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('lets go first what was not read since it last looked; what is preloaded takes no room of what was read', async () => {
    const cache = LmdbBlockCache.open(folder(), 16 * 4096);
    const sst = cache.sst('a');
    const put = (part: number, worth: 'read' | 'preloaded'): void =>
      cache.put([{ sst, part, bytes: new Uint8Array(4000).fill(part) }], worth);
    const here = (): number[] => PARTS.filter((part) => sst.has(part));
    for (let part = 0; part < 16; part++) put(part, 'read');
    for (let part = 0; part < 16; part += 2) expect(sst.get(part)?.[0]).toBe(part);
    for (let part = 20; part < 30; part++) put(part, 'preloaded');
    expect(here().filter((part) => part < 16)).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    for (const part of here()) sst.get(part);
    const full = here();
    put(40, 'preloaded');
    expect(here()).toEqual(full);
    put(41, 'read');
    expect(here()).toEqual(full);
    put(41, 'read');
    expect(here()).toHaveLength(16);
    expect(sst.has(41)).toBe(true);
    await cache.close();
  });

  it('takes what comes next into the room of an SST that is forgotten, and outlives its number', async () => {
    const directory = folder();
    let cache = LmdbBlockCache.open(directory, MIB);
    cache.put([...parts(cache, 'sst-1', [0, 1, 2]), ...parts(cache, 'sst-2', [0, 1])]);
    const handle = cache.sst('sst-1');
    cache.forget('sst-1');
    expect([handle.has(0), handle.get(1)]).toEqual([false, undefined]);
    cache.put(parts(cache, 'sst-3', [5, 6]));
    await cache.close();
    cache = LmdbBlockCache.open(directory, MIB);
    expect(cache.sst('sst-1').has(2)).toBe(false);
    expect([cache.sst('sst-2').has(1), cache.sst('sst-3').has(6)]).toEqual([true, true]);
    expect(checkAll(cache)).toBe(4);
    cache.put([{ sst: handle, part: 9, bytes: bytesOfPart('sst-1', 9) }]);
    expect(cache.sst('sst-1').has(9)).toBe(true);
    await cache.close();
  });

  it('never takes a part of an SST that was forgotten for one of an SST that came later', async () => {
    const directory = folder();
    const reopened = async (cache?: LmdbBlockCache): Promise<LmdbBlockCache> => {
      await cache?.close();
      return LmdbBlockCache.open(directory, MIB);
    };
    let cache = await reopened();
    cache.put(parts(cache, 'sst-0', [0]));
    cache.put(parts(cache, 'sst-1', [1, 2, 3, 4]));
    cache.forget('sst-1');
    cache.put(parts(cache, 'sst-0', [1]));
    cache = await reopened(cache);
    cache.put(parts(cache, 'sst-2', [9]));
    cache = await reopened(cache);
    expect([1, 2, 3, 4].map((part) => cache.sst('sst-2').has(part))).toEqual([false, false, false, false]);
    expect(checkAll(cache)).toBe(3);
    await cache.close();
  });

  it('sees in the same turn of the event loop what was put into a slot that it has just read', async () => {
    const cache = LmdbBlockCache.open(folder(), 4 * 4096);
    const sst = cache.sst('sst-1');
    for (const part of PARTS.filter((p) => bytesOfPart('sst-1', p).length < 4000)) {
      // Twice: the cache is full.
      for (let i = 0; i < 2; i++) cache.put(parts(cache, 'sst-1', [part]));
      expect(sst.get(part), String(part)).toEqual(bytesOfPart('sst-1', part));
    }
    await cache.close();
  });

  it('holds an SST’s index and filter beside its blocks, of any size', async () => {
    const directory = folder();
    let cache = LmdbBlockCache.open(directory, 8 * MIB);
    const index = new Uint8Array(300_000).map((_, i) => i * 7);
    const filter = new Uint8Array(1_500_000).map((_, i) => i * 13);
    cache.put([
      { sst: cache.sst('sst-1'), part: 'index', bytes: index },
      { sst: cache.sst('sst-1'), part: 'filter', bytes: filter },
      { sst: cache.sst('sst-1'), part: 'meta', bytes: new Uint8Array(3_000_000) },
      ...parts(cache, 'sst-1', [0, 1, 2]),
    ]);
    for (let i = 0; i < 2; i++) {
      const sst = cache.sst('sst-1');
      expect(Buffer.compare(sst.get('index')!, index)).toBe(0);
      expect(Buffer.compare(sst.get('filter')!, filter)).toBe(0);
      expect(Buffer.compare(sst.get(2)!, bytesOfPart('sst-1', 2))).toBe(0);
      expect(sst.has('meta'), 'more than a quarter of the budget').toBe(false);
      await cache.close();
      cache = LmdbBlockCache.open(directory, 8 * MIB);
    }
    await cache.close();
  });

  it('has at the head of each value what docs/formats/block-cache.md says', async () => {
    const directory = folder();
    const cache = LmdbBlockCache.open(directory, MIB);
    cache.put(parts(cache, 'sst-1', [7]));
    cache.put([{ sst: cache.sst('sst-2'), part: 'filter', bytes: Buffer.from('bits') }]);
    await cache.close();
    const file = openSync(path.join(directory, 'blocks.mdb'), 'r');
    const { keys, heads, offsets, lengths } = findValues(file)!;
    const whole = readFileSync(file);
    closeSync(file);
    expect(keys).toEqual([0, 1, 2 ** 31 + 1, 2 ** 31 + 2]);
    const values = keys.map((_, i) => whole.subarray(offsets[i], offsets[i]! + lengths[i]!));
    const magic = Buffer.from('MLB1').readUInt32LE();
    expect(values.map((v) => [0, 4, 8, 12].map((at) => v.readUInt32LE(at)))).toEqual([
      [magic, crc32(values[0]!.subarray(8)), 1, 7 + 3],
      [magic, crc32(values[1]!.subarray(8)), 2, 2],
      [magic, crc32(values[2]!.subarray(8)), 1, 0xffffffff],
      [magic, crc32(values[3]!.subarray(8)), 2, 0xffffffff],
    ]);
    expect([...heads]).toEqual(values.flatMap((v) => [0, 4, 8, 12].map((at) => v.readUInt32LE(at))));
    expect(values.map((v) => v.subarray(16).toString('latin1')).slice(1)).toEqual(['bits', 'sst-1', 'sst-2']);
  });

  it('takes a budget of 3 GiB', async () => {
    const cache = LmdbBlockCache.open(folder(), 3 * 1024 * MIB);
    cache.put(parts(cache, 'sst-1', PARTS));
    expect(checkAll(cache)).toBe(PARTS.length);
    await cache.close();
  });
});

describe('a block cache whose process was killed', () => {
  const script = new URL('../helpers/cache-process.ts', import.meta.url).pathname;
  const budget = 4 * MIB;
  const begin = async (directory: string, seed: number): Promise<ChildProcess> => {
    const args = ['--conditions', 'misa-source', '--import', 'tsx', script, directory, String(budget), String(seed)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await once(child.stdout!, 'data')) as [Buffer];
    expect(said.toString()).toBe('full\n');
    return child;
  };

  it('in the middle of putting, again and again, gives what was put, and has lost nothing but that', async () => {
    const directory = folder();
    for (let kill = 0; kill < 12; kill++) {
      const child = await begin(directory, kill * 7919 + 1);
      await new Promise((resolve) => setTimeout(resolve, 60 + kill * 37));
      child.kill('SIGKILL');
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
      const cache = LmdbBlockCache.open(directory, budget);
      expect(checkAll(cache)).toBeGreaterThan(300);
      cache.put(parts(cache, 'sst-0', PARTS.slice(0, 20)));
      checkAll(cache);
      await cache.close();
    }
  });
});

describe('the file of a block cache that is damaged', () => {
  const budget = 2 * MIB;
  /** A cache in use for a while: with free pages, replaced values, two levels of pages. */
  const used = (async () => {
    const directory = folder();
    const cache = LmdbBlockCache.open(directory, budget);
    for (let round = 0; round < 30; round++) {
      const from = (round * 53) % 380;
      cache.put(parts(cache, SST_NAMES[round % 5]!, PARTS.slice(from, from + 20)));
      if (round === 20) cache.forget(SST_NAMES[2]!);
    }
    await cache.close();
    return directory;
  })();

  /** Opens a copy with that damage, checks all that is there, and uses it. */
  async function survive(damage: (bytes: Buffer) => Buffer): Promise<number> {
    const directory = folder();
    cpSync(await used, directory, { recursive: true });
    const data = path.join(directory, 'blocks.mdb');
    writeFileSync(data, damage(readFileSync(data)));
    const mark = path.join(directory, 'kept');
    // The copy is another file, of which the mark must not know.
    writeFileSync(
      mark,
      readFileSync(mark, 'utf8').replace(/\d+ \d+\n$/, `${statSync(data).dev} ${statSync(data).ino}\n`),
    );
    const cache = LmdbBlockCache.open(directory, budget);
    const here = checkAll(cache);
    for (let round = 0; round < 5; round++) {
      cache.put(parts(cache, SST_NAMES[7 + (round % 3)]!, PARTS.slice(round * 40, round * 40 + 40)));
      checkAll(cache);
    }
    await cache.close();
    rmSync(directory, { recursive: true });
    return here;
  }

  it('is used as it was if nothing is damaged, and left alone if it is another file or of another start of the machine', async () => {
    expect(await survive((bytes) => bytes)).toBeGreaterThan(50);
    for (const [boot, isKept] of [
      ['this', true],
      ['another', false],
      [undefined, false],
    ] as const) {
      const directory = folder();
      const first = LmdbBlockCache.open(directory, budget, undefined, 'this');
      first.put(parts(first, 'sst-1', [1, 2, 3]));
      await first.close();
      const second = LmdbBlockCache.open(directory, budget, undefined, boot);
      expect(second.sst('sst-1').has(2), String(boot)).toBe(isKept);
      await second.close();
    }
  });

  it('is left alone if it is cut short anywhere, or longer', async () => {
    const { length } = readFileSync(path.join(await used, 'blocks.mdb'));
    for (const at of [0, 1, 100, 4096, 8191, 8192, length >> 1, length - 4096, length - 1]) {
      expect(await survive((bytes) => bytes.subarray(0, at)), `${at} of ${length}`).toBe(0);
    }
    expect(await survive((bytes) => Buffer.concat([bytes, Buffer.alloc(5000)]))).toBeGreaterThan(50);
  });

  it('with any page zeroed gives what was put or nothing', async () => {
    const { length } = readFileSync(path.join(await used, 'blocks.mdb'));
    for (let page = 0; page < length / 4096; page += 1 + (page >> 4)) {
      await survive((bytes) => bytes.fill(0, page * 4096, page * 4096 + 4096));
    }
  });

  it('with bytes flipped anywhere gives what was put or nothing', async () => {
    const bytes = readFileSync(path.join(await used, 'blocks.mdb'));
    const pagesOfTrees = Array.from({ length: bytes.length / 4096 }, (_, page) => page).filter(
      (page) => page < 2 || [1, 2].includes(bytes.readUInt16LE(page * 4096 + 18)),
    );
    const place = fc.oneof(
      fc.nat(bytes.length - 1),
      // Where flips hurt: in the pages of the trees, which are few.
      fc.tuple(fc.constantFrom(...pagesOfTrees), fc.nat(4095)).map(([page, at]) => page * 4096 + at),
      fc.tuple(fc.constantFrom(...pagesOfTrees), fc.nat(200)).map(([page, at]) => page * 4096 + at),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(place, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
        async (flips) => {
          await survive((copy) => {
            for (const [at, mask] of flips) copy[at]! ^= mask;
            return copy;
          });
        },
      ),
      { numRuns: 150 },
    );
  });

  it('with a page of its tree at the place of another one gives what was put or nothing', async () => {
    const bytes = readFileSync(path.join(await used, 'blocks.mdb'));
    const trees = Array.from({ length: bytes.length / 4096 }, (_, page) => page).filter(
      (page) => page > 1 && bytes.readUInt16LE(page * 4096 + 18) === 2,
    );
    for (const [i, page] of trees.entries()) {
      const other = trees[(i + 1) % trees.length]!;
      await survive((copy) => {
        bytes.copy(copy, page * 4096, other * 4096, other * 4096 + 4096);
        return copy;
      });
    }
  });
});
