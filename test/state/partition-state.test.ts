/**
 * The tiers against a plain map: whatever is folded, evicted, compacted away, cached, damaged or reopened, a batch reads
 * what a sequential run would have left.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { columnOf, KeyColumn } from '../../lib/columns/key-column.ts';
import { decodeChanges } from '../../lib/log/changes.ts';
import { type Forgotten, forgottenByBoth } from '../../lib/log/forgotten.ts';
import { EMPTY_MANIFEST, type LoadedManifest, type Manifest, type SstRef } from '../../lib/manifest/manifest.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import { SstBuilder } from '../../lib/sst/builder.ts';
import type { Entry } from '../../lib/sst/entry.ts';
import { addressPrefix, parseAddress, type TableKind } from '../../lib/state/address.ts';
import { LmdbBlockCache } from '../../lib/state/block-cache.ts';
import { PartitionState } from '../../lib/state/partition-state.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import type { StateTable, TableSpec } from '../../lib/stream/graph/tables.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { packValue } from '../../lib/util/pack.ts';
import { allOf } from '../helpers/chunks.ts';
import { hookedStore, sleepAt } from '../helpers/stores.ts';
import { newestOf } from '../sst/make-sst.ts';

const SPECS: readonly TableSpec[] = [
  { name: 'keyed', kind: 'keyed' },
  { name: 'timed', kind: 'timed' },
  { name: 'numbers', kind: 'timed', width: 2 },
];
const WIDTHS = SPECS.map((s) => s.width ?? 0);
const KINDS: readonly TableKind[] = SPECS.map((s) => s.kind);
const NAMES = names('job', 1);
const PATH = 's0/p0';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function cacheFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'misa-cache-'));
  folders.push(folder);
  return path.join(folder, 'env');
}

interface Unfolded {
  n: number;
  hash: string;
  entries: Entry[];
  forgotten: Forgotten;
}

/**
 * A stand-in for the commit side: folds a list of changes into one SST each, or all SSTs into one. It leaves in what is forgotten:
 * readers must not see it.
 */
class Folder {
  readonly store = new MemoryStore({ clock: new ManualClock() });
  manifest: Manifest = EMPTY_MANIFEST;
  #unfolded: Unfolded[] = [];
  #runs: Entry[][] = [];
  #ids = 0;

  log(n: number, hash: string, entries: Entry[], forgotten: Forgotten = []): void {
    this.#unfolded.push({ n, hash, entries, forgotten });
  }

  get unfolded(): readonly Unfolded[] {
    return this.#unfolded;
  }

  async fold(count: number): Promise<void> {
    const taken = this.#unfolded.splice(0, count);
    const last = taken[taken.length - 1];
    if (last === undefined) return;
    const newestFirst = taken.map((t) => t.entries).reverse();
    this.#runs.unshift(newestOf(newestFirst, false));
    const forgotten = taken.reduce((all, one) => forgottenByBoth(all, one.forgotten), this.manifest.forgotten ?? []);
    await this.#publish({ through: last.n, logHash: last.hash, forgotten });
  }

  async compact(): Promise<void> {
    this.#runs = [newestOf(this.#runs, true)];
    await this.#publish({});
  }

  async #publish(edit: Partial<Manifest>): Promise<void> {
    const l0: SstRef[] = [];
    for (const run of this.#runs) {
      if (run.length === 0) continue;
      const builder = new SstBuilder({ id: `sst${this.#ids++}`, blockBytes: 256 });
      for (const { key, value } of run) builder.add(key, value);
      const { info, body } = builder.finish();
      await this.store.create(NAMES.sst(PATH, info.id), body);
      l0.push({ ...info, from: 1, to: 1 });
    }
    this.manifest = { ...this.manifest, ...edit, l0, version: this.manifest.version + 1 };
  }

  get loaded(): LoadedManifest {
    return { manifest: this.manifest, etag: '1', dateMs: 0 };
  }
}

type Model = Map<string, { table: number; time: number; key: string; row: unknown }>;
const place = (table: number, time: number, key: string): string => `${table}/${time}/${key}`;

const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(-0));
const times = fc.constantFrom(-5, 0, 10, 20, 1e12);
const keys = fc.integer({ min: 0, max: 40 }).map((k) => encodeKey(`k${k}`));
/** Two numbers that are added to a row of two; of text they make a new row. */
const addition = fc.record({ time: times, key: keys, add: fc.tuple(fc.integer(), fc.integer()) });
const change = fc.record({
  table: fc.constantFrom(0, 1, 2),
  time: times,
  key: keys,
  row: fc.option(
    fc.oneof(
      fc.array(fc.oneof(fc.integer(), fc.string(), fc.constant(null)), { maxLength: 4 }),
      fc.tuple(number, number),
      fc.tuple(number, number),
    ),
    { freq: 3 },
  ),
});
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      additions: fc.array(addition, { maxLength: 20 }),
      changes: fc.array(change, { maxLength: 30 }),
      rival: fc.constantFrom('none', 'before', 'after', 'ended'),
      forget: fc.option(fc.record({ table: fc.constantFrom(1, 2), upTo: times, at: fc.nat(30) }), { freq: 2 }),
      // Rows that are brought near while the batch runs, and come when it is applied.
      near: fc.array(fc.record({ table: fc.constantFrom(0, 1, 2), time: times, key: keys }), { maxLength: 20 }),
      // Another environment computes it, and this one adopts its log entry.
      elsewhere: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fold' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'compact' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'loadAll' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'drop' as const }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** As an operator does it whose states are numbers. */
async function addNumbers(
  table: StateTable,
  additions: readonly { time: number; key: string; add: readonly [number, number] }[],
  model: Model,
): Promise<void> {
  const columns = table.numbers!;
  const at = additions.map(({ key, time }) => columns.touch(columnOf(key), 0, time));
  await table.load(
    additions.map(({ key }) => key),
    additions.map(({ time }) => time),
  );
  const states = new Float64Array(columns.count * 2);
  const isNew = columns.copyTo(states);
  const before = additions.map(({ key, time }) => model.get(place(2, time, key))?.row as unknown[] | undefined);
  const isNumbers = (row: unknown[]): boolean => row.length === 2 && row.every((v) => typeof v === 'number');
  expect(isNew === undefined).toBe(before.some((row) => row !== undefined && !isNumbers(row)));
  if (isNew === undefined) return;
  for (const [i, row] of before.entries()) {
    expect(isNew[at[i]!] === 1).toBe(row === undefined);
    expect([...states.subarray(at[i]! * 2, at[i]! * 2 + 2)]).toEqual(row ?? [0, 0]);
  }
  for (const [i, { time, key, add }] of additions.entries()) {
    for (const j of [0, 1]) states[at[i]! * 2 + j]! += add[j]!;
    const row = [...states.subarray(at[i]! * 2, at[i]! * 2 + 2)];
    model.set(place(2, time, key), { table: 2, time, key, row });
  }
  columns.keep(states);
}

async function bringNear(
  state: PartitionState,
  addresses: readonly { readonly table: number; readonly time: number; readonly key: string }[],
): Promise<void> {
  const stateKeys = addresses.map(({ table, time, key }) => addressPrefix(table, KINDS[table]!, time) + key);
  await state.bringNear(KeyColumn.of([...new Set(stateKeys)].sort()), state.expect(state.position + 1));
}

function isBelow({ key: stateKey }: Entry, floors: readonly number[]): boolean {
  const { table, time } = parseAddress(stateKey, KINDS);
  return time <= floors[table]!;
}

async function check(steps: Step[], rowBytes: number, cached: boolean): Promise<void> {
  const folder = new Folder();
  const directory = cacheFolder();
  let cache = cached ? LmdbBlockCache.open(directory, 1 << 20) : undefined;
  const open = (): PartitionState =>
    new PartitionState({
      store: folder.store,
      names: NAMES,
      path: PATH,
      cache,
      kinds: KINDS,
      widths: WIDTHS,
      rowBytes,
    });
  /** From what is durable. */
  const catchUp = (to: PartitionState): void => {
    to.adopt(folder.loaded);
    for (const { n: m, hash, entries, forgotten } of folder.unfolded) {
      if (m > to.position) to.adoptEntry(m, hash, entries, forgotten);
    }
  };
  let state = open();
  const model: Model = new Map();
  const floors = SPECS.map(() => Number.NEGATIVE_INFINITY);
  let n = 0;
  for (const s of steps) {
    if (s.kind === 'batch') {
      n++;
      const near = bringNear(state, s.near);
      const maker = s.elsewhere ? open() : state;
      if (s.elsewhere) catchUp(maker);
      const batch = maker.begin();
      const tables = batch.tables(SPECS, 0);
      // Another attempt at the same batch, which comes to nothing.
      const rival = (): void => {
        const other = maker.begin();
        const [keyed, , numbers] = other.tables(SPECS, 0);
        for (const { key, time } of s.additions) {
          if (time <= floors[2]!) continue;
          numbers!.put(key, time, ['wrong']);
          keyed!.delete(key, 0);
        }
        if (s.forget !== null) numbers!.forget(s.forget.upTo);
        if (s.rival === 'ended') other.end();
      };
      if (s.rival === 'before') rival();
      const forget = ({ table, upTo }: NonNullable<typeof s.forget>): void => {
        tables[table]!.forget(upTo);
        floors[table] = Math.max(floors[table]!, upTo);
        for (const [place, row] of model) if (row.table === table && row.time <= upTo) model.delete(place);
      };
      const additions = s.additions.filter(({ time }) => time > floors[2]!);
      await addNumbers(tables[2]!, additions, model);
      if (s.rival !== 'none' && s.rival !== 'before') rival();
      for (const [at, { table, time: anyTime, key, row }] of s.changes.entries()) {
        if (s.forget?.at === at) forget(s.forget);
        const time = table === 0 ? 0 : anyTime;
        await tables[table]!.load([key], [time]);
        expect(tables[table]!.get(key, time)).toEqual(model.get(place(table, time, key))?.row);
        if (time <= floors[table]! && row !== null) {
          expect(() => tables[table]!.put(key, time, row)).toThrow(/forgotten/);
        } else if (row === null) {
          tables[table]!.delete(key, time);
          model.delete(place(table, time, key));
        } else {
          tables[table]!.put(key, time, row);
          model.set(place(table, time, key), { table, time, key, row });
        }
      }
      if (s.forget !== null && s.forget.at >= s.changes.length) forget(s.forget);
      for (const [after, upTo] of [
        [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
        [-5, 10],
        [10, 20],
      ] as const) {
        const scanned = await allOf(tables[1]!.scan(after, upTo));
        const expected = [...model.values()]
          .filter((m) => m.table === 1 && m.time > after && m.time <= upTo)
          .sort((a, b) => a.time - b.time || (a.key < b.key ? -1 : 1))
          .map(({ time, key, row }) => ({ time, key, row }));
        expect(scanned).toEqual(expected);
      }
      const changes = batch.encode();
      const entries = [...decodeChanges(Buffer.from(changes.bytes), changes.count, 'log entry')];
      expect(entries.filter((e) => isBelow(e, floors))).toEqual([]);
      folder.log(n, `h${n}`, entries, changes.forgotten);
      if (s.elsewhere) state.adoptEntry(n, `h${n}`, entries, changes.forgotten);
      else state.apply(n, `h${n}`, changes, batch);
      await near;
    } else if (s.kind === 'fold') {
      await folder.fold(s.count);
      state.adopt(folder.loaded);
    } else if (s.kind === 'compact') {
      await folder.compact();
      state.adopt(folder.loaded);
    } else if (s.kind === 'loadAll') {
      await state.loadAll(noCost());
    } else {
      // A new environment, or this one with its memory thrown away, from what is durable.
      if (s.kind === 'drop') state.reset();
      else {
        await cache?.close();
        cache = cached ? LmdbBlockCache.open(directory, 1 << 20) : undefined;
        state = open();
      }
      catchUp(state);
    }
    countsRight(state);
  }
  await cache?.close();
}

/** No row is counted twice, or when it has gone. */
function countsRight({ rows }: PartitionState): void {
  let bytes = 0;
  for (const [number] of SPECS.entries()) {
    const table = rows.table(number);
    for (let id = 0; id < table.ids; id++) bytes += table.memory(id);
  }
  expect(rows.bytes).toBe(bytes);
}

describe('PartitionState', () => {
  for (const [rowBytes, size] of [
    [1 << 20, 'all rows in memory'],
    [2000, 'few rows in memory'],
    [1, 'no rows in memory'],
  ] as const) {
    it(`invariant 3: reads what a sequential run would have left, with ${size}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => check(steps, rowBytes, false)),
        { numRuns: 150 },
      );
    });
  }

  it('invariant 7: the block cache changes nothing but time, across reopening', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), (steps) => check(steps, 500, true)),
      { numRuns: 40 },
    );
  });

  it('⚑ left-behind: a tier left behind by another environment drops rows and the all-keys mark', async () => {
    const folder = new Folder();
    const make = (): PartitionState =>
      new PartitionState({
        store: folder.store,
        names: NAMES,
        path: PATH,
        cache: undefined,
        kinds: KINDS,
        rowBytes: 1 << 20,
      });
    const write = (state: PartitionState, n: number, value: number): void => {
      const batch = state.begin();
      const [table] = batch.tables(SPECS, 0);
      table!.put('k', 0, [value]);
      const changes = batch.encode();
      state.apply(n, `h${n}`, changes, batch);
      folder.log(n, `h${n}`, [{ key: `${addressPrefix(0, 'keyed', 0)}k`, value: packValue([value]) }]);
    };
    const warm = make();
    write(warm, 1, 1);
    // Another environment goes on from there, and all of it is folded.
    const other = make();
    other.adoptEntry(1, 'h1', folder.unfolded[0]!.entries);
    write(other, 2, 2);
    await folder.fold(2);
    expect(warm.adopt(folder.loaded)).toBe(true);
    expect(warm.position).toBe(2);
    expect(warm.rows.complete).toBe(false);
    const [table] = warm.begin().tables(SPECS, 0);
    await table!.load(['k']);
    expect(table!.get('k', 0)).toEqual([2]);
  });

  it('⚑ tombstones: a row that is deleted stays deleted, whichever of its blocks are near', async () => {
    const stateKey = `${addressPrefix(0, 'keyed', 0)}k`;
    const folder = new Folder();
    const cache = LmdbBlockCache.open(cacheFolder(), 1 << 20);
    const state = new PartitionState({
      store: folder.store,
      names: NAMES,
      path: PATH,
      cache,
      kinds: KINDS,
      rowBytes: 1,
    });
    // The newer SST says that it is deleted; the older one below still has it.
    folder.log(1, 'h1', [{ key: stateKey, value: packValue([1]) }]);
    await folder.fold(1);
    folder.log(2, 'h2', [{ key: stateKey, value: null }]);
    await folder.fold(1);
    state.adopt(folder.loaded);
    const cost = noCost();
    for (const from of ['the store', 'the cache', 'the cache again']) {
      expect(await state.reads.values([stateKey], cost), from).toEqual([null]);
      const [table] = state.begin().tables(SPECS, 0);
      await table!.load(['k']);
      expect(table!.get('k', 0), from).toBeUndefined();
    }
    expect(cost).toMatchObject({ store: 1, lmdb: 2 });
    await cache.close();
  });

  const stateKey = `${addressPrefix(0, 'keyed', 0)}k`;
  for (const { what, read, rowBytes, filler } of [
    {
      what: 'rows that are brought near under one manifest are dropped under the next',
      read: (state: PartitionState) => state.bringNear(KeyColumn.of([stateKey]), state.expect(state.position + 1)),
      rowBytes: 200,
      filler: 50,
    },
    {
      what: 'all rows that are read under one manifest are dropped under the next',
      read: (state: PartitionState) => state.loadAll(noCost()),
      rowBytes: 20_000,
      filler: 5_000,
    },
  ]) {
    it(`⚑ one-manifest: ${what}, where newer ones may be folded`, async () => {
      const folder = new Folder();
      const asleep = sleepAt((call) => call.op === 'get' && call.name.includes('/sst/'), 'after effect');
      const store = hookedStore(folder.store, asleep.hooks);
      const state = new PartitionState({ store, names: NAMES, path: PATH, cache: undefined, kinds: KINDS, rowBytes });
      folder.log(1, 'h1', [{ key: stateKey, value: packValue(['old']) }]);
      await folder.fold(1);
      state.adopt(folder.loaded);
      const near = read(state);
      await asleep.asleep;
      // Meanwhile the row changes, the change is folded, and then pushed out of memory by others.
      const write = (n: number, key: string, row: unknown): void => {
        const batch = state.begin();
        const [table] = batch.tables(SPECS, 0);
        table!.put(key, 0, row);
        state.apply(n, `h${n}`, batch.encode(), batch);
        folder.log(n, `h${n}`, [{ key: addressPrefix(0, 'keyed', 0) + key, value: packValue(row) }]);
      };
      write(2, 'k', ['new']);
      for (let n = 3; n < 8; n++) write(n, `other${n}`, ['x'.repeat(filler)]);
      await folder.fold(7);
      state.adopt(folder.loaded);
      for (let n = 8; n < 13; n++) write(n, `other${n}`, ['x'.repeat(filler)]);
      expect(state.isNear(0, 0, 'k')).toBe(false);
      asleep.wake();
      await near;
      const [table] = state.begin().tables(SPECS, 0);
      await table!.load(['k']);
      expect(table!.get('k', 0)).toEqual(['new']);
    });
  }

  it('a row that a batch has fetched and deleted stays deleted, though somebody brought it near meanwhile', async () => {
    const folder = new Folder();
    const state = new PartitionState({
      store: folder.store,
      names: NAMES,
      path: PATH,
      cache: undefined,
      kinds: KINDS,
      rowBytes: 10_000,
    });
    folder.log(1, 'h1', [{ key: stateKey, value: packValue(['old']) }]);
    await folder.fold(1);
    state.adopt(folder.loaded);
    for (const near of [false, true]) {
      const n = state.position + 1;
      const batch = state.begin();
      const [table] = batch.tables(SPECS, 0);
      await table!.load(['k']);
      table!.delete('k', 0);
      const changes = batch.encode();
      if (near) await state.bringNear(KeyColumn.of([stateKey]), state.expect(state.position + 1));
      state.apply(n, `h${n}`, changes, batch);
      const [after] = state.begin().tables(SPECS, 0);
      await after!.load(['k']);
      expect(after!.get('k', 0), near ? 'brought near' : 'not near').toBeUndefined();
      folder.log(n, `h${n}`, [{ key: stateKey, value: packValue(['old']) }]);
      await folder.fold(1);
      state.adopt(folder.loaded);
      state.reset();
    }
  });

  describe('what is forgotten (⚑ floors)', () => {
    const at = (time: number): string => `${addressPrefix(1, 'timed', time)}k`;
    const make = (folder: Folder, rowBytes = 1): PartitionState =>
      new PartitionState({ store: folder.store, names: NAMES, path: PATH, cache: undefined, kinds: KINDS, rowBytes });
    /** Batches 1 and 2, folded: rows at 10 and 20, then 10 is forgotten. @returns the manifest of each */
    const two = async (folder: Folder): Promise<LoadedManifest[]> => {
      folder.log(1, 'h1', [
        { key: at(10), value: packValue(['old']) },
        { key: at(20), value: packValue(['stays']) },
      ]);
      await folder.fold(1);
      const before = folder.loaded;
      folder.log(2, 'h2', [], [[1, 10]]);
      await folder.fold(1);
      return [before, folder.loaded];
    };
    const seen = async (state: PartitionState): Promise<unknown[]> => {
      const [, timed] = state.begin().tables(SPECS, 0);
      await timed!.load(['k', 'k'], [10, 20]);
      const scanned = await allOf(timed!.scan(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY));
      return [timed!.get('k', 10), timed!.get('k', 20), scanned.map(({ row }) => row)];
    };
    const NOW = [undefined, ['stays'], [['stays']]];

    it('a reader under an older manifest sees what was there, the next one does not', async () => {
      const folder = new Folder();
      const [before, after] = await two(folder);
      const older = make(folder);
      older.adopt(before!);
      expect(await seen(older)).toEqual([['old'], ['stays'], [['old'], ['stays']]]);
      const newer = make(folder);
      newer.adopt(after!);
      expect(await seen(newer)).toEqual(NOW);
      older.adopt(after!);
      expect(await seen(older)).toEqual(NOW);
    });

    it('rows that were on their way from below do not come back', async () => {
      for (const read of ['bringNear', 'loadAll'] as const) {
        const folder = new Folder();
        const asleep = sleepAt((call) => call.op === 'get', 'after effect');
        const state = new PartitionState({
          ...{ store: hookedStore(folder.store, asleep.hooks), names: NAMES, path: PATH, cache: undefined },
          ...{ kinds: KINDS, rowBytes: 1 << 20 },
        });
        const [before] = await two(folder);
        state.adopt(before!);
        const near =
          read === 'bringNear'
            ? state.bringNear(KeyColumn.of([at(10), at(20)]), state.expect(3))
            : state.loadAll(noCost());
        await asleep.asleep;
        const batch = state.begin();
        batch.tables(SPECS, 0)[1]!.forget(10);
        state.apply(2, 'h2', batch.encode(), batch);
        asleep.wake();
        await near;
        expect(state.rows.size).toBe(1);
        expect(await seen(state)).toEqual(NOW);
      }
    });

    it('a warm pack does not show them', async () => {
      const folder = new Folder();
      const [, after] = await two(folder);
      const state = make(folder);
      state.adopt(after!);
      state.warmFor(3, new Map([[at(10), packValue(['old'])]]));
      expect(await seen(state)).toEqual(NOW);
    });

    it('an attempt that is dropped has forgotten nothing; one that counts has, in memory too', async () => {
      const folder = new Folder();
      const [before] = await two(folder);
      for (const rowBytes of [1, 1 << 20]) {
        const state = make(folder, rowBytes);
        state.adopt(before!);
        await state.loadAll(noCost());
        const dropped = state.begin();
        dropped.tables(SPECS, 0)[1]!.forget(20);
        dropped.encode();
        dropped.end();
        const batch = state.begin();
        const [keyed, timed] = batch.tables(SPECS, 0);
        timed!.put('k', 5, ['of this batch']);
        timed!.forget(10);
        expect(() => timed!.put('k', 10, ['x'])).toThrow(/forgotten/);
        expect(() => keyed!.forget(10)).toThrow(/not timed/);
        for (const time of [Number.POSITIVE_INFINITY, Number.NaN])
          expect(() => timed!.forget(time)).toThrow(RangeError);
        const changes = batch.encode();
        expect([changes.count, changes.forgotten]).toEqual([0, [[1, 10]]]);
        state.apply(2, 'h2', changes, batch);
        if (rowBytes > 1) expect(state.rows.size).toBe(1);
        expect(await seen(state)).toEqual(NOW);
        const [, later] = state.begin().tables(SPECS, 0);
        expect(() => later!.put('k', 10, ['x'])).toThrow(/forgotten/);
        // From what is durable alone, this environment is where the manifest is.
        state.reset();
        expect(await seen(state)).toEqual([['old'], ['stays'], [['old'], ['stays']]]);
      }
    });
  });

  describe('what no SST holds', () => {
    const make = (folder: Folder, rowBytes: number): PartitionState =>
      new PartitionState({ store: folder.store, names: NAMES, path: PATH, cache: undefined, kinds: KINDS, rowBytes });
    const write = (folder: Folder, state: PartitionState, changes: readonly (readonly [string, unknown])[]): void => {
      const n = state.position + 1;
      const batch = state.begin();
      const [keyed] = batch.tables(SPECS, 0);
      for (const [key, row] of changes) {
        if (row === undefined) keyed!.delete(key, 0);
        else keyed!.put(key, 0, row);
      }
      const encoded = batch.encode();
      state.apply(n, `h${n}`, encoded, batch);
      folder.log(n, `h${n}`, [...decodeChanges(Buffer.from(encoded.bytes), encoded.count, 'log entry')]);
    };

    it('stays in memory until it is folded, deleted rows too, however small the budget', async () => {
      const folder = new Folder();
      const state = make(folder, 1);
      write(folder, state, [
        ['a', ['old']],
        ['b', ['old']],
      ]);
      await folder.fold(1);
      state.adopt(folder.loaded);
      write(folder, state, [
        ['a', ['new']],
        ['b', undefined],
      ]);
      for (let i = 0; i < 50; i++) write(folder, state, [[`other${i}`, ['x'.repeat(100)]]]);
      expect([state.isNear(0, 0, 'a'), state.isNear(0, 0, 'b'), state.isNear(0, 0, 'other0')]).toEqual(
        Array(3).fill(true),
      );
      const bytes = state.rows.bytes;
      expect(state.rows.size).toBe(51);
      await folder.fold(51);
      state.adopt(folder.loaded);
      for (let i = 0; i < 3; i++) write(folder, state, [['last', [i]]]);
      expect([state.isNear(0, 0, 'a'), state.isNear(0, 0, 'b'), state.isNear(0, 0, 'other0')]).toEqual(
        Array(3).fill(false),
      );
      expect(state.rows.bytes).toBeLessThan(bytes / 20);
    });

    it('stays known where memory had all rows when it was deleted, and has not any more', async () => {
      const folder = new Folder();
      const state = make(folder, 2000);
      const filler = Array.from({ length: 4 }, (_, i) => [`filler${i}`, ['x'.repeat(20)]] as const);
      write(folder, state, [['a', ['old']], ...filler]);
      await folder.fold(1);
      state.adopt(folder.loaded);
      expect(state.rows.complete).toBe(true);
      write(folder, state, [['a', undefined]]);
      for (let i = 0; i < 10; i++) write(folder, state, [[`other${i}`, ['x'.repeat(100)]]]);
      expect([state.rows.complete, state.isNear(0, 0, 'filler0')]).toEqual([false, false]);
      await state.bringNear(KeyColumn.of([`${addressPrefix(0, 'keyed', 0)}a`]), state.expect(state.position + 1));
      const batch = state.begin();
      const [keyed] = batch.tables(SPECS, 0);
      await keyed!.load(['a', 'filler0']);
      expect([keyed!.get('a', 0), keyed!.get('filler0', 0)]).toEqual([undefined, filler[0]![1]]);
      batch.end();
    });
  });

  it('what a batch reads that is over by then does not come to lie in the place of another row', async () => {
    const folder = new Folder();
    const asleep = sleepAt((call) => call.op === 'get', 'after effect');
    const state = new PartitionState({
      ...{ store: hookedStore(folder.store, asleep.hooks), names: NAMES, path: PATH, cache: undefined },
      ...{ kinds: KINDS, rowBytes: 1 << 20 },
    });
    folder.log(
      1,
      'h1',
      ['k', 'l'].map((key) => ({ key: addressPrefix(0, 'keyed', 0) + key, value: packValue([`of ${key}`]) })),
    );
    await folder.fold(1);
    state.adopt(folder.loaded);
    const over = state.begin();
    const loading = over.tables(SPECS, 0)[0]!.load(['k']);
    await asleep.asleep;
    over.end();
    const batch = state.begin();
    const [keyed] = batch.tables(SPECS, 0);
    // It gets the place that the other one had.
    const other = keyed!.load(['l']);
    asleep.wake();
    await Promise.all([loading, other]);
    expect(keyed!.get('l', 0)).toEqual(['of l']);
    await keyed!.load(['k']);
    expect(keyed!.get('k', 0)).toEqual(['of k']);
    batch.end();
  });

  it('⚑ one-manifest: what a batch has found in memory is there until it has ended, though a fold lets it go', async () => {
    const folder = new Folder();
    const state = new PartitionState({
      ...{ store: folder.store, names: NAMES, path: PATH, cache: undefined, kinds: KINDS, rowBytes: 1 },
    });
    const entries = ['k', 'l'].map((key) => ({ key: addressPrefix(0, 'keyed', 0) + key, value: packValue([key]) }));
    state.adoptEntry(1, 'h1', entries);
    folder.log(1, 'h1', entries);
    expect(state.rows.complete).toBe(true);
    await folder.fold(1);
    await state.pinnedFor(async () => {
      const [keyed] = state.begin().tables(SPECS, 0);
      expect(keyed!.load(['k'])).toBeUndefined();
      state.adopt(folder.loaded);
      expect(keyed!.get('k', 0)).toEqual(['k']);
    });
    expect([state.manifest.through, state.rows.complete, state.isNear(0, 0, 'l')]).toEqual([1, false, false]);
  });

  it('a discarded attempt leaves no trace', async () => {
    const state = new PartitionState({
      store: new MemoryStore({ clock: new ManualClock() }),
      names: NAMES,
      path: PATH,
      cache: undefined,
      kinds: KINDS,
      rowBytes: 1 << 20,
    });
    const [attempt] = state.begin().tables(SPECS, 0);
    attempt!.put('k', 0, [1]);
    const [again] = state.begin().tables(SPECS, 0);
    expect(again!.get('k', 0)).toBeUndefined();
  });
});
