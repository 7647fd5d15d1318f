/** Scans never hold all that they show: counted in bytes that were read and rows that have not come yet, not in time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_MANIFEST, type LoadedManifest, type SstRef } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import { addressPrefix } from '../../lib/state/address.ts';
import { PartitionState } from '../../lib/state/partition-state.ts';
import { Positions } from '../../lib/state/positions.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import type { StateTable, TableSpec } from '../../lib/stream/graph/tables.ts';
import { decodeKey, encodeKey } from '../../lib/stream/operators/key.ts';
import { CHUNK, isAtOnce } from '../../lib/util/chunks.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { packValue } from '../../lib/util/pack.ts';
import { allOf } from '../helpers/chunks.ts';
import { type CountingStore, countingStore } from '../helpers/stores.ts';

const NAMES = names('job', 1);
const PATH = 's0/p0';
const SPECS: readonly TableSpec[] = [
  { name: 'timers', kind: 'timed' },
  { name: 'list', kind: 'ordered' },
];
const ROWS = 1_000_000;
/** Incompressible, so that bytes read tell of rows read. */
const rowOf = (i: number): string => (Math.imul(i + 1, 0x9e3779b1) >>> 0).toString(36);

const timer = (i: number): string => `${addressPrefix(0, 'timed', i)}k`;
const KEY = encodeKey('k');
const element = (i: number): string => addressPrefix(1, 'ordered', 0) + KEY + encodeKey(i);

/** Rows 0, 1, 2, …, by turns in two SSTs of the same range. */
async function folded(
  stateKey: (i: number) => string,
): Promise<{ loaded: LoadedManifest; store: CountingStore; bytes: number }> {
  const memory = new MemoryStore({ clock: new ManualClock() });
  const l0: SstRef[] = [];
  for (const odd of [0, 1]) {
    const builder = new SstBuilder({ id: `sst${odd}`, compression: 'none' });
    for (let i = odd; i < ROWS; i += 2) builder.add(stateKey(i), packValue(rowOf(i)));
    const { info, body } = builder.finish();
    await memory.create(NAMES.sst(PATH, info.id), body);
    l0.push({ ...info, from: 1, to: 1 });
  }
  const manifest = { ...EMPTY_MANIFEST, version: 1, through: 1, l0 };
  const bytes = l0.reduce((sum, { metaOffset }) => sum + metaOffset, 0);
  return { loaded: { manifest, etag: '1', dateMs: 0 }, store: countingStore(memory), bytes };
}

function cold(store: CountingStore, loaded: LoadedManifest): PartitionState {
  const state = new PartitionState({
    ...{ store, names: NAMES, path: PATH, cache: undefined },
    ...{ kinds: SPECS.map(({ kind }) => kind), rowBytes: 1 },
  });
  state.adopt(loaded);
  return state;
}

describe('a scan', () => {
  it('of a million rows in the store holds a few requests of them at any time, and reads no more when it is left', async () => {
    const { loaded, store, bytes } = await folded(timer);
    const state = cold(store, loaded);
    const [table] = state.begin().tables(SPECS, 0) as [StateTable<string>];
    table.put('k', ROWS + 0.5, 'of this batch');
    await state.reads.open(noCost());
    let from = store.calls.length;
    const asked = (): number => store.calls.slice(from).reduce((sum, { range }) => sum + range!.length, 0);
    let shown = 0;
    let mostHeld = 0;
    let longest = 0;
    for await (const chunk of table.scan(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)) {
      if (chunk[0]!.time !== (shown < ROWS ? shown : ROWS + 0.5))
        expect.fail(`after ${shown} rows comes ${chunk[0]!.time}`);
      mostHeld = Math.max(mostHeld, asked() - (shown / ROWS) * bytes);
      longest = Math.max(longest, chunk.length);
      shown += chunk.length;
    }
    expect(shown).toBe(ROWS + 1);
    // Of each SST one request that is taken and one that is under way.
    expect(mostHeld).toBeLessThan(5 << 20);
    expect(bytes).toBeGreaterThan(4 * mostHeld);
    expect(longest).toBeLessThanOrEqual(4096);

    from = store.calls.length;
    for await (const _ of table.scan(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)) break;
    expect(asked()).toBeLessThan(5 << 20);
  }, 120_000);

  it('of what is in memory comes at once, in chunks', () => {
    const state = cold(countingStore(new MemoryStore({ clock: new ManualClock() })), {
      ...{ manifest: EMPTY_MANIFEST, etag: undefined, dateMs: 0 },
    });
    const batch = state.begin();
    const [table] = batch.tables(SPECS, 0) as [StateTable<string>];
    for (let i = 0; i < 3 * CHUNK; i++) table.put('k', i, 'row');
    const scan = table.scan(0, Number.POSITIVE_INFINITY);
    if (!isAtOnce(scan)) throw new Error('it makes the batch wait');
    const lengths = [...scan].map(({ length }) => length);
    expect(lengths).toEqual([CHUNK, CHUNK, CHUNK - 1]);
  });
});

describe('a range of a key', () => {
  it('with a million rows in the store is read from where it begins, and no further than it is taken', async () => {
    const { loaded, store } = await folded(element);
    const state = cold(store, loaded);
    const list = state.begin().ordered(1);
    await state.reads.open(noCost());
    let from = store.calls.length;
    const asked = (): number => store.calls.slice(from).reduce((sum, { range }) => sum + range!.length, 0);
    list.put(KEY, encodeKey(700_000.5), 'of this batch');
    expect(store.calls.length, 'an append reads nothing').toBe(from);
    const some = await allOf(list.range(KEY, encodeKey(699_999), encodeKey(700_002)));
    expect(some.map(({ position }) => decodeKey(position))).toEqual([699_999, 700_000, 700_000.5, 700_001]);
    expect(asked()).toBeLessThan(200_000);
    from = store.calls.length;
    let first: unknown;
    for await (const [entry] of list.range(KEY)) {
      first = decodeKey(entry!.position);
      break;
    }
    expect(first).toBe(0);
    expect(asked()).toBeLessThan(5 << 20);
  }, 120_000);

  it('in memory comes at once, and the order of its rows is kept, not made', async () => {
    const state = new PartitionState({
      ...{ store: new MemoryStore({ clock: new ManualClock() }), names: NAMES, path: PATH, cache: undefined },
      ...{ kinds: SPECS.map(({ kind }) => kind), rowBytes: 1 << 30 },
    });
    for (let n = 1; n <= 3; n++) {
      const batch = state.begin();
      for (let i = 0; i < 2000; i++) batch.ordered(1).put(KEY, encodeKey(i * 3 + n), rowOf(i));
      state.apply(n, `h${n}`, batch.encode(), batch);
      const range = state.begin().ordered(1).range(KEY, encodeKey(3000), encodeKey(3003));
      if (!isAtOnce(range)) throw new Error('it makes the batch wait');
      expect([...range].flat()).toHaveLength(n);
    }
  });
});

describe('positions', () => {
  const position = fc.integer({ min: 0, max: 60 }).map((i) => String.fromCharCode(97 + i));
  it('are in order, each once, however they come', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(position, { maxLength: 40 })),
        fc.tuple(position, position),
        (batches, [from, to]) => {
          const positions = new Positions();
          const model = new Set<string>();
          for (const batch of batches) {
            for (const one of batch) {
              positions.add(one);
              model.add(one);
            }
            const [first, end] = positions.within(from, to);
            const expected = [...model].sort();
            expect(positions.all()).toEqual(expected);
            expect(positions.all().slice(first, end)).toEqual(expected.filter((p) => p >= from && p < to));
          }
          positions.keep((p) => p > 'm');
          expect(positions.all()).toEqual([...model].sort().filter((p) => p > 'm'));
          // Nothing new: nothing is sorted again.
          expect(positions.all()).toBe(positions.all());
        },
      ),
    );
  });
});
