/** Outputs of compactions end where times do, so that what is forgotten goes without being read. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compact } from '../../lib/commit/compact.ts';
import { fold } from '../../lib/commit/fold.ts';
import { OutputCuts } from '../../lib/commit/output-cuts.ts';
import { sstsOf } from '../../lib/manifest/manifest.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { forgottenKeys } from '../../lib/state/floors.ts';
import { countingStore } from '../helpers/stores.ts';
import { World } from './helpers.ts';

const at = (time: number, key: string, table = 1): string => addressPrefix(table, 'timed', time) + key;
const ends = (cuts: OutputCuts, last: string, next: string, bytes: number): boolean =>
  cuts.mayEnd(bytes) && cuts.endsBetween(Buffer.from(last, 'latin1'), 0, Buffer.from(next, 'latin1'), 0, bytes);

describe('where outputs end', () => {
  it('is at their size, whatever the keys are', () => {
    const cuts = new OutputCuts(1000, []);
    expect(ends(cuts, '\0a', '\0b', 1000)).toBe(true);
    expect(ends(cuts, '\0a', '\0b', 999)).toBe(false);
    expect(ends(cuts, at(1, 'a'), at(2, 'a'), 999)).toBe(false);
  });

  it('is between two times of a table that forgets, and at its ends, from half of the size on', () => {
    const cuts = new OutputCuts(1000, [[1, 0]]);
    expect(ends(cuts, at(1, 'a'), at(2, 'a'), 500)).toBe(true);
    expect(ends(cuts, at(1, 'a'), at(1.5, 'a'), 500)).toBe(true);
    expect(ends(cuts, at(1, 'a'), at(2, 'a'), 499)).toBe(false);
    expect(ends(cuts, at(1, 'a'), at(1, 'b'), 999)).toBe(false);
    expect(ends(cuts, '\0x', at(1, 'b'), 500)).toBe(true);
    expect(ends(cuts, at(9, 'z'), '\x02x', 500)).toBe(true);
    expect(ends(cuts, '\0x', '\x02x', 999)).toBe(false);
    expect(ends(cuts, at(1, 'a', 2), at(2, 'a', 2), 999)).toBe(false);
  });

  it('property: an output is at most its size and an entry, and smaller than half only if it is the last', () => {
    const address = fc.tuple(fc.constantFrom(1, 2), fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 99 }));
    fc.assert(
      fc.property(fc.array(address, { minLength: 1, maxLength: 200 }), (addresses) => {
        const keys = addresses.map(([table, time, key]) => at(time, String(key).padStart(2, '0'), table)).sort();
        const cuts = new OutputCuts(100, [[1, 0]]);
        const sizes = [10];
        for (let i = 1; i < keys.length; i++) {
          if (ends(cuts, keys[i - 1]!, keys[i]!, sizes.at(-1)!)) sizes.push(0);
          sizes[sizes.length - 1]! += 10;
        }
        expect(Math.max(...sizes)).toBeLessThanOrEqual(110);
        for (const size of sizes.slice(0, -1)) expect(size).toBeGreaterThanOrEqual(50);
      }),
    );
  });
});

describe('compactions of a job with windows', () => {
  it('read no SST of a level that has anything forgotten, where a window is larger than half an SST', async () => {
    const world = new World();
    const options = { l0Trigger: 4, sstBytes: 8000 };
    const store = countingStore(world.memory);
    const partition = world.partition(store);
    let gets = 0;
    let readAnyForgotten = 0;
    for (let n = 1; n <= 60; n++) {
      // Three windows are open; each gets some 5 kB, and one is forgotten every fourth batch.
      const window = Math.floor(n / 4) + 1;
      const changes: Record<string, string> = {};
      for (let w = window; w < window + 3; w++) {
        for (let i = 0; i < 8; i++) changes[at(w, `${n % 4}-${i}`)] = noise(n, w, i);
      }
      await world.append(changes, { forgotten: window > 1 ? [[1, window - 1]] : undefined });
      await fold(partition);
      const before = await world.manifest();
      const gone = forgottenKeys(before.forgotten ?? []);
      store.reset();
      const result = await compact(partition, options);
      if (result.outcome !== 'compacted' || n < 16) continue;
      const { inputs } = result.compaction;
      gets += store.count('get', '/sst/');
      expect(store.count('get', '/sst/')).toBe(inputs.filter((sst) => !gone.hasAll(sst.minKey, sst.maxKey)).length);
      // In L0 every SST has several windows.
      const ofLevel = inputs.filter(({ id }) => !before.l0.some((sst) => sst.id === id));
      readAnyForgotten += ofLevel.filter((sst) => gone.has(sst.minKey) && !gone.has(sst.maxKey)).length;
    }
    expect(readAnyForgotten).toBe(0);
    expect(gets).toBeGreaterThan(0);
    const manifest = await world.manifest();
    expect(sstsOf(manifest).length).toBeLessThan(12);
    expect(await world.state()).toEqual(world.expectedState());
  });
});

/** 160 bytes that do not compress much. */
function noise(...seed: readonly number[]): string {
  let text = '';
  for (let i = 0; i < 40; i++)
    text += Math.imul(
      seed.reduce((a, b) => Math.imul(a ^ b, 0x9e3779b1), i + 7),
      i + 1,
    )
      .toString(36)
      .slice(-4);
  return text;
}
