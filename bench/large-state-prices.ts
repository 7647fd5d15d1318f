/**
 * What a row costs a batch, by where it is answered: in memory, in a block of the local cache, in one of the store (which answers at once, from
 * memory), or by a filter that knows of no such row. The partition's state alone, through the contract of tables: a batch touches its
 * keys, loads them, and copies their numbers out.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KeyColumn } from '../lib/columns/key-column.ts';
import { openLocalCache } from '../lib/embedded/local-cache.ts';
import { loadManifest } from '../lib/manifest/manifest-store.ts';
import { DirectoryStore } from '../lib/object-store/directory-store.ts';
import { MemoryStore } from '../lib/object-store/memory-store.ts';
import { names } from '../lib/object-store/names.ts';
import { PartitionState } from '../lib/state/partition-state.ts';
import { noCost } from '../lib/state/read-cost.ts';
import { encodeKey } from '../lib/stream/operators/key.ts';
import { systemClock as clock } from '../lib/util/clock.ts';
import { systemRandom as random, seededRandom } from '../lib/util/random.ts';
import { CountingStore } from './counting-store.ts';
import { ROW_NUMBERS, userOf } from './large-state-job.ts';
import { prepareState } from './large-state-state.ts';
import { median } from './measure.ts';

export const TIERS = ['memory', 'local block', 'block of the store', 'absent by filter'] as const;
export type PricedTier = (typeof TIERS)[number];

export interface PriceArgs {
  readonly tier: PricedTier;
  readonly stateBytes: number;
  /** Of a batch, uniform keys. */
  readonly rows: number;
  readonly batches: number;
}

/** Of a row. Processor time is meant only without `--expose-gc`. */
export interface Price {
  readonly mainCpuUs: number;
  readonly cpuUs: number;
  /** Made in the heap and outside of it, where nothing is collected meanwhile (`--expose-gc`, a large young generation); else NaN. */
  readonly garbageBytes: number;
  readonly storeBytes: number;
  /** Shares of the rows that each tier has answered: that it is the tier that is meant. */
  readonly reads: { readonly memory: number; readonly lmdb: number; readonly store: number };
}

const JOB = names('large', 1);
const PATH = 's0/p0';
const BIG = 2 ** 32;

export async function measurePrice(args: PriceArgs): Promise<Price> {
  const { tier, stateBytes, rows, batches } = args;
  const directory = mkdtempSync(path.join(tmpdir(), 'misa-bench-'));
  const { directory: prepared, keys } = await prepareState(stateBytes);
  const store = new CountingStore(await inMemory(prepared));
  const services = { clock, random, onTrouble: console.error };
  const spec = { kind: 'directory', path: directory } as const;
  const cache =
    tier === 'block of the store' ? undefined : openLocalCache({ store: spec, cacheBytes: BIG / 4 }, services);
  try {
    const state = new PartitionState({
      store,
      names: JOB,
      path: PATH,
      cache: cache?.blocks,
      kinds: ['keyed'],
      widths: [ROW_NUMBERS],
      rowBytes: tier === 'memory' ? BIG : 1,
    });
    state.adopt(await loadManifest(store, JOB.manifest(PATH)));
    if (tier === 'memory') await state.loadAll(noCost());
    const random = seededRandom(7);
    // Behind the last key of the state there is none: the filters say so of those between two.
    const nameOf = (i: number): string => userOf(i) + (tier === 'absent by filter' ? '-' : '');
    const columns = Array.from({ length: batches }, () =>
      KeyColumn.of(Array.from({ length: rows }, () => encodeKey(nameOf(Math.floor(random.next() * keys))))),
    );
    // What is to be near is brought near, and code is compiled.
    for (const column of columns) await readBatch(state, column);
    if (tier === 'local block') await new Promise((resolve) => setTimeout(resolve, 500));
    return await pricesOf(state, columns, store);
  } finally {
    await cache?.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function pricesOf(state: PartitionState, columns: readonly KeyColumn[], store: CountingStore): Promise<Price> {
  const garbage: number[] = [];
  const totals = { memory: 0, lmdb: 0, store: 0 };
  const { bytesRead } = store.counts;
  let count = 0;
  const cpu = process.cpuUsage();
  const mainUs = mainThreadUs();
  for (const column of columns) {
    globalThis.gc?.();
    const heap = heapBytes();
    const { rows, reads } = await readBatch(state, column);
    garbage.push((heapBytes() - heap) / rows);
    for (const tier of ['memory', 'lmdb', 'store'] as const) totals[tier] += reads[tier];
    count += rows;
  }
  const { user, system } = process.cpuUsage(cpu);
  const share = (n: number): number => n / (totals.memory + totals.lmdb + totals.store);
  return {
    mainCpuUs: (mainThreadUs() - mainUs) / count,
    cpuUs: (user + system) / count,
    garbageBytes: globalThis.gc === undefined ? Number.NaN : median(garbage),
    storeBytes: (store.counts.bytesRead - bytesRead) / count,
    reads: { memory: share(totals.memory), lmdb: share(totals.lmdb), store: share(totals.store) },
  };
}

async function readBatch(state: PartitionState, keys: KeyColumn) {
  const batch = state.begin();
  const [table] = batch.tables([{ name: 'groups', kind: 'keyed', width: ROW_NUMBERS }], 0);
  const { numbers } = table!;
  for (let i = 0; i < keys.count; i++) numbers!.touch(keys, i, 0);
  await numbers!.load();
  const rows = numbers!.count;
  numbers!.copyTo(new Float64Array(rows * ROW_NUMBERS));
  const { reads } = batch;
  batch.end();
  return { rows, reads };
}

async function inMemory(root: string): Promise<MemoryStore> {
  const store = await DirectoryStore.open({ root, clock, random });
  const memory = new MemoryStore({ clock });
  for await (const { name } of store.list('')) {
    const answer = await store.get(name);
    if (answer.found) await memory.create(name, answer.body);
  }
  return memory;
}

function heapBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function mainThreadUs(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e3;
}
