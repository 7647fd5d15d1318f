/** Filters of the deepest level: nobody waits for one, and it is asked for once it would have paid for itself. */
import { expect, it } from 'vitest';
import { EMPTY_MANIFEST } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { BLOCK_BYTES, SstBuilder } from '../../lib/sst/builder.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import { SstReads } from '../../lib/state/sst-reads.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { countingStore } from '../helpers/stores.ts';

const NAMES = names('filters', 1);
const ROWS = 50_000;
const keyOf = (i: number): string => `key-${String(i).padStart(8, '0')}`;

async function deepest() {
  const store = countingStore(new MemoryStore({ clock: new ManualClock() }));
  const builder = new SstBuilder({ id: 'deep' });
  for (let i = 0; i < ROWS; i++) builder.add(keyOf(2 * i), Buffer.from([i]));
  const { info, body } = builder.finish();
  await store.create(NAMES.sst('s0/p0', info.id), body);
  const reads = new SstReads({ store, names: NAMES, path: 's0/p0', cache: undefined });
  reads.pin({ ...EMPTY_MANIFEST, version: 1, levels: [[{ ...info, from: 1, to: 1 }]] });
  store.reset();
  const filters = (): number => store.calls.filter(({ range }) => range?.offset === info.metaOffset).length;
  return { store, reads, filters, mostMisses: Math.ceil((info.indexOffset - info.metaOffset) / BLOCK_BYTES) };
}

const soon = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

it('is not read where keys are there', async () => {
  const { reads, filters, store } = await deepest();
  for (let i = 0; i < 100; i++) {
    expect(await reads.values([keyOf(2 * ((i * 7919) % ROWS))], noCost())).not.toEqual([undefined]);
  }
  await soon();
  expect(filters()).toBe(0);
  expect(store.calls[0]!.range!.length).toBeLessThan(store.calls.length * BLOCK_BYTES);
});

it('is read when as many bytes of blocks were read in vain, and then new keys cost nothing', async () => {
  const { reads, filters, store, mostMisses } = await deepest();
  for (let i = 0; i < mostMisses; i++) {
    expect(filters()).toBe(0);
    expect(await reads.values([keyOf(2 * i * 97 + 1)], noCost())).toEqual([undefined]);
  }
  await soon();
  expect(filters()).toBe(1);
  store.reset();
  const absent = Array.from({ length: 200 }, (_, i) => keyOf(2 * i * 89 + 1));
  expect(await reads.values(absent, noCost())).toEqual(absent.map(() => undefined));
  // One in a hundred keys passes a filter.
  expect(store.calls.length).toBeLessThan(20);
  expect(await reads.values([keyOf(2)], noCost())).not.toEqual([undefined]);
});
