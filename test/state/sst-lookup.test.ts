/** Look-ups by column against maps: whatever lies in the local tier, and whichever SSTs hold a key, it is answered once, by the newest. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { EMPTY_MANIFEST, type SstRef } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import type { BlockCache, CachedPart, CachedSst, Part } from '../../lib/state/block-cache.ts';
import type { BlockSource } from '../../lib/state/block-source.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import { SstReads } from '../../lib/state/sst-reads.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { type SearchingSource, searchingSource } from '../helpers/searching-source.ts';
import { type CountingStore, countingStore } from '../helpers/stores.ts';

const NAMES = names('job', 1);
const PATH = 's0/p0';
const KEYS = 120;
const keyOf = (i: number): string => `key-${String(i).padStart(6, '0')}`;

/** Holds what it is given, but for parts that it is told to lose; bytes it gives are overwritten by the next call. */
class ForgetfulCache implements BlockCache {
  readonly bytes = 0;
  readonly #parts = new Map<string, Map<Part, Uint8Array>>();
  readonly #isLost: () => boolean;
  #asked = 0;
  #given: Uint8Array | undefined;

  constructor(isLost: () => boolean) {
    this.#isLost = isLost;
  }

  sst(id: string): CachedSst {
    const parts = this.#parts.get(id) ?? new Map<Part, Uint8Array>();
    this.#parts.set(id, parts);
    return {
      id,
      has: (part) => parts.has(part),
      get: (part) => {
        this.#given?.fill(255);
        this.#given = this.#isLost() ? undefined : parts.get(part)?.slice();
        return this.#given;
      },
      drop: (part) => void parts.delete(part),
    };
  }

  wants(): boolean {
    return ++this.#asked % 3 === 0;
  }

  put(parts: readonly CachedPart[]): void {
    this.#given?.fill(255);
    for (const { sst, part, bytes } of parts) this.#parts.get(sst.id)!.set(part, bytes.slice());
  }

  forget(id: string): void {
    this.#parts.delete(id);
  }

  async close(): Promise<void> {}
}

/** By key: a value, or `null`: deleted. */
type Run = ReadonlyMap<number, string | null>;

async function written(store: MemoryStore, runs: readonly Run[]): Promise<SstRef[]> {
  const ssts: SstRef[] = [];
  for (const [n, run] of runs.entries()) {
    if (run.size === 0) continue;
    const builder = new SstBuilder({ id: `sst${n}`, blockBytes: 200, compression: n % 2 === 0 ? 'none' : 'lz4' });
    for (const [key, value] of [...run].sort(([a], [b]) => a - b))
      builder.add(keyOf(key), value === null ? null : Buffer.from(value, 'latin1'));
    const { info, body } = builder.finish();
    await store.create(NAMES.sst(PATH, info.id), body);
    ssts.push({ ...info, from: 1, to: 1 });
  }
  return ssts;
}

async function check(
  runs: readonly Run[],
  lookups: readonly (readonly number[])[],
  losses: readonly boolean[] | undefined,
  searchedIn?: (store: MemoryStore) => BlockSource,
): Promise<void> {
  const store = new MemoryStore({ clock: new ManualClock() });
  const l0 = await written(store, runs);
  let read = 0;
  const cache = losses && new ForgetfulCache(() => losses[read++ % losses.length]!);
  const reads = new SstReads({ store, names: NAMES, path: PATH, cache, blocks: searchedIn?.(store) });
  reads.pin({ ...EMPTY_MANIFEST, version: 1, l0 });
  const expected = (key: number): string | null | undefined => runs.find((run) => run.has(key))?.get(key);
  const cost = noCost();
  await Promise.all(
    lookups.map(async (some) => {
      const keys = [...new Set(some)].sort((a, b) => a - b);
      const answers = new Map<number, string | null>();
      const answer = (i: number, value: string | null): void => {
        expect(answers.has(keys[i]!), 'answered once').toBe(false);
        answers.set(keys[i]!, value);
      };
      await reads.lookup(
        KeyColumn.of(keys.map(keyOf)),
        {
          found: (i, bytes, start, end) => answer(i, Buffer.from(bytes.slice(start, end)).toString('latin1')),
          deleted: (i) => answer(i, null),
        },
        cost,
      );
      for (const key of keys) expect(answers.get(key), keyOf(key)).toEqual(expected(key));
    }),
  );
  const asked = lookups.reduce((sum, keys) => sum + new Set(keys).size, 0);
  expect(cost.lmdb + cost.store).toBeLessThanOrEqual(asked);
}

const key = fc.integer({ min: 0, max: KEYS });
const run = fc
  .array(fc.tuple(key, fc.option(fc.string({ unit: fc.constantFrom('a', 'b', '\xff'), maxLength: 30 }), { freq: 4 })), {
    maxLength: 80,
    size: 'max',
  })
  .map((entries) => new Map(entries));

describe('a look-up by column', () => {
  for (const [what, losses] of [
    ['without a local tier', fc.constant(undefined)],
    ['with a local tier that loses parts', fc.array(fc.boolean(), { minLength: 1, maxLength: 40 })],
  ] as const) {
    it(`answers as maps do, each key once, ${what}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(run, { maxLength: 5 }),
          fc.array(fc.array(key, { maxLength: 60, size: 'max' }), { minLength: 1, maxLength: 4 }),
          losses,
          (...args) => check(...args),
        ),
        { numRuns: 200 },
      );
    });

    it(`answers as maps do where blocks are searched by who reads them, and some of that fails, ${what}`, async () => {
      const counts = { whole: 0, rows: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.array(run, { maxLength: 5 }),
          fc.array(fc.array(key, { maxLength: 60, size: 'max' }), { minLength: 1, maxLength: 4 }),
          losses,
          fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
          async (runs, lookups, lost, fails) => {
            let asked = 0;
            let source: SearchingSource | undefined;
            await check(runs, lookups, lost, (store) => {
              source = searchingSource(store, () => fails[asked++ % fails.length]!);
              return source;
            });
            counts.whole += source!.counts.whole;
            counts.rows += source!.counts.rows;
          },
        ),
        { numRuns: 200 },
      );
      expect(counts.rows).toBeGreaterThan(0);
      expect(counts.whole > 0).toBe(what !== 'without a local tier');
    });
  }

  it('reads no large filter of the deepest level for a key or two', async () => {
    const count = 45_000;
    const memory = new MemoryStore({ clock: new ManualClock() });
    const builder = new SstBuilder({ id: 'sst' });
    for (let i = 0; i < count; i++) builder.add(keyOf(2 * i), Buffer.from(`value ${i}`));
    const { info, body } = builder.finish();
    await memory.create(NAMES.sst(PATH, info.id), body);
    const store: CountingStore = countingStore(memory);
    const reads = new SstReads({ store, names: NAMES, path: PATH, cache: undefined });
    reads.pin({ ...EMPTY_MANIFEST, version: 1, levels: [[{ ...info, from: 1, to: 1 }]] });
    const cost = noCost();
    expect((await reads.values([keyOf(10), keyOf(11)], cost)).map((v) => v && Buffer.from(v).toString())).toEqual([
      'value 5',
      undefined,
    ]);
    const index = info.size - info.indexOffset;
    expect(cost.requests).toBe(2);
    expect(cost.bytes).toBeLessThan(index + 3 * 4096);
    expect(store.calls.map(({ range }) => range!.offset)).not.toContain(info.metaOffset);
  });
});
