/** What several tables or operators ask for in one turn is one round of requests. */
import { expect, it } from 'vitest';
import { EMPTY_MANIFEST } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { PartitionState } from '../../lib/state/partition-state.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import type { TableSpec } from '../../lib/stream/graph/tables.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { packValue } from '../../lib/util/pack.ts';
import { countingStore } from '../helpers/stores.ts';

const NAMES = names('job', 1);
const PATH = 's0/p0';
const SPECS: readonly TableSpec[] = [
  { name: 'left', kind: 'keyed' },
  { name: 'right', kind: 'ordered' },
];
const keyOf = (i: number): string => encodeKey(`key ${String(i).padStart(4, '0')}`);

it('loads of one turn share a round, whatever their tables: one request for blocks that lie together', async () => {
  const memory = new MemoryStore({ clock: new ManualClock() });
  const builder = new SstBuilder({ id: 'sst', blockBytes: 512, compression: 'none' });
  const position = encodeKey(1);
  for (let i = 0; i < 300; i++) builder.add(addressPrefix(0, 'keyed', 0) + keyOf(i), packValue(`left ${i}`));
  for (let i = 0; i < 300; i++)
    builder.add(addressPrefix(1, 'ordered', 0) + keyOf(i) + position, packValue(`right ${i}`));
  const { info, body } = builder.finish();
  await memory.create(NAMES.sst(PATH, info.id), body);
  const store = countingStore(memory);
  const state = new PartitionState({
    ...{ store, names: NAMES, path: PATH, cache: undefined, rowBytes: 1 },
    kinds: SPECS.map(({ kind }) => kind),
  });
  const manifest = { ...EMPTY_MANIFEST, version: 1, through: 1, l0: [{ ...info, from: 1, to: 1 }] };
  state.adopt({ manifest, etag: '1', dateMs: 0 });
  await state.reads.open(noCost());
  const opened = store.calls.length;

  const batch = state.begin();
  const [left] = batch.tables(SPECS, 0);
  const right = batch.ordered(1);
  // The last blocks of one table and the first of the other, and one that both rounds would ask for.
  await Promise.all([
    left!.load([keyOf(299), keyOf(298)]),
    left!.load([keyOf(299)]),
    right.load([keyOf(0), keyOf(1)], [position, position]),
  ]);
  expect(left!.get(keyOf(299), 0)).toBe('left 299');
  expect(right.get(keyOf(1), position)).toBe('right 1');
  expect(store.calls.length - opened, store.report()).toBe(1);
  // Those of the next turn ask for what is not here yet, and for nothing else.
  await Promise.all([left!.load([keyOf(299)]), right.load([keyOf(0), keyOf(299)], [position, position])]);
  expect(store.calls.length - opened, store.report()).toBe(2);
});
