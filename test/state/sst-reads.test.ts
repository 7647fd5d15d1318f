/** Reads of SSTs: what several want at once is asked for once, and the failure of one is not that of the others. */
import { describe, expect, it } from 'vitest';
import { encodeChanges } from '../../lib/log/changes.ts';
import { EMPTY_MANIFEST } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import { SstReads } from '../../lib/state/sst-reads.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { type CountingStore, countingStore, hookedStore, type StoreHooks } from '../helpers/stores.ts';

const NAMES = names('job', 1);
const PATH = 's0/p0';
const keyOf = (i: number): string => `key-${String(i).padStart(5, '0')}`;

/** Reads of one SST of several blocks, through hooks, with a count of what is asked for. */
async function setUp(hooks: StoreHooks = {}): Promise<{ reads: SstReads; store: CountingStore }> {
  const memory = new MemoryStore({ clock: new ManualClock() });
  const builder = new SstBuilder({ id: 'sst', blockBytes: 512, compression: 'none' });
  for (let i = 0; i < 500; i++) builder.add(keyOf(i), Buffer.from(`value ${i}`));
  const { info, body } = builder.finish();
  await memory.create(NAMES.sst(PATH, info.id), body);
  const store = countingStore(hookedStore(memory, hooks));
  const reads = new SstReads({ store, names: NAMES, path: PATH, cache: undefined });
  reads.pin({ ...EMPTY_MANIFEST, version: 1, l0: [{ ...info, from: 1, to: 1 }] });
  return { reads, store };
}

const text = (values: readonly (Uint8Array | null | undefined)[]): string[] =>
  values.map((value) => Buffer.from(value!).toString());

describe('reads of SSTs', () => {
  it('a block that several readers want at once is fetched once, whatever else they want', async () => {
    const { reads, store } = await setUp();
    await reads.open(noCost());
    store.reset();
    const [first, second, scanned] = await Promise.all([
      reads.values([keyOf(7), keyOf(300)], noCost()),
      reads.values([keyOf(7), keyOf(480)], noCost()),
      reads.scanAll(keyOf(5), keyOf(9), noCost()),
    ]);
    expect(text(first)).toEqual(['value 7', 'value 300']);
    expect(text(second)).toEqual(['value 7', 'value 480']);
    expect(scanned.map(({ key }) => key)).toEqual([5, 6, 7, 8].map(keyOf));
    const asked = store.calls.map((call) => call.range!.offset);
    expect(new Set(asked).size, store.report()).toBe(asked.length);
    expect(asked.length).toBe(3);
  });

  it('a reader whose neighbour fails asks for itself', async () => {
    let refused = 0;
    const { reads } = await setUp({
      before(call) {
        if (call.op === 'get' && refused++ < 1) throw new Error('the deadline of another');
      },
    });
    const opened = await Promise.allSettled([reads.open(noCost()), reads.open(noCost())]);
    expect(opened.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    refused = 0;
    const [failed, found] = await Promise.allSettled([
      reads.values([keyOf(7)], noCost()),
      reads.values([keyOf(7)], noCost()),
    ]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'the deadline of another' } });
    expect(found.status === 'fulfilled' && text(found.value)).toEqual(['value 7']);
  });
});

it('a key that is no binary string is refused, never written as another', () => {
  expect(() => encodeChanges([{ key: 'Łódź', value: Buffer.from('1') }])).toThrow('above 255');
});
