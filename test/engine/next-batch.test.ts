/** While a batch waits for rows below memory, the next one is gathered, brought near, and planned, if its plan may stand whatever becomes of that batch. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inlineCommitter } from '../../lib/embedded/committers.ts';
import { type RunEnd, runJob } from '../../lib/embedded/run-job.ts';
import type { StreamSpec } from '../../lib/embedded/stream-source.ts';
import { job, source, sum } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { physical, publishedOf } from '../helpers/engine.ts';
import { countingStore, hookedStore } from '../helpers/stores.ts';

const KEYS = 400;
const BATCH = 50;

const totals = job(
  'totals',
  source<{ k: string; v: number }>('in')
    .keyBy((row) => row.k)
    .aggregate({ total: sum((row) => row.v) }),
  { outputMode: 'update', preload: 'keys' },
);

interface Row {
  readonly k: string;
  readonly v: number | string;
}
const rows = (from: number, count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({ k: `key-${from + i}`, v: 1 }));
const lines = (all: readonly Row[]): string => all.map((row) => `${JSON.stringify(row)}\n`).join('');

let folder: string;
let memory: MemoryStore;
/** Reads of SSTs are owed, and wait for {@link pay}. */
let owes: boolean;
let owed: (() => void)[];
const pay = (): void => {
  owes = false;
  for (const go of owed.splice(0)) go();
};
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'misa-next-'));
  memory = new MemoryStore({ clock: systemClock });
  owes = false;
  owed = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const compiled = physical(totals, {
  ...{ partitions: 1, noDataBatches: false },
  // Less than there is.
  state: { ttlMs: undefined, cacheBytes: 8000 },
  trigger: { maxRows: BATCH, maxBytes: 1 << 20, maxWaitMs: 60_000 },
});

function running(store: ObjectStore, given: readonly Row[] | string, stop?: AbortSignal): Promise<RunEnd> {
  const [files, from] = typeof given === 'string' ? [[given], []] : [[], lines(given)];
  return Promise.all(files.map((file) => fileRef(file))).then((refs) =>
    runJob(compiled, {
      ...{ store, clock: systemClock, random: systemRandom, trace: NO_TRACE, retentionMs: 900_000, cache: undefined },
      ...{ committer: inlineCommitter, stop, inputs: new Map(refs.length === 0 ? [] : [['in', refs]]) },
      streams: refs.length > 0 ? undefined : new Map([['in', streamOf(from)]]),
    }),
  );
}

let streams = 0;
const streamOf = (from: string | readonly never[]): StreamSpec => ({
  name: `stream-${streams++}`,
  from: [Buffer.from(from as string)],
  format: 'ndjson',
  compression: 'none',
});

/** The state is in SSTs, and indexes and filters are all that is asked of them until a batch waits. */
async function withState() {
  await running(memory, rows(0, KEYS));
  return countingStore(
    hookedStore(memory, {
      async before({ op, name, range }) {
        const isBlock = op === 'get' && name.includes('/s0/p0/sst/') && range !== undefined && range.offset < 2000;
        if (owes && isBlock) await new Promise<void>((go) => owed.push(go));
      },
    }),
  );
}

/** Sums by key, of all that is published: the last one counts. */
async function sums(): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const published = Object.entries(await publishedOf(memory, compiled)).filter(([name]) => name.startsWith('out/'));
  for (const [, text] of published.sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const line of text.split('\n').filter(Boolean)) {
      const { key, total } = JSON.parse(line) as { key: string; total: number };
      found.set(key, total);
    }
  }
  return found;
}

/** Until it is so; the test's own time-out ends it. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

it('rows of a stream are planned while the batch before waits for what it reads', async () => {
  const store = await withState();
  owes = true;
  const end = running(store, rows(0, 3 * BATCH));
  await until(() => store.count('create', '/plan/') > 1);
  expect(owed.length).toBeGreaterThan(0);
  // The first batch waits: there is no log entry, and no third plan, since one batch goes ahead.
  expect([store.count('create', '/log/'), store.count('create', '/plan/')]).toEqual([0, 2]);
  pay();
  expect((await end).totals).toMatchObject({ batches: 3, rows: 3 * BATCH });
  const found = await sums();
  for (let i = 0; i < KEYS; i++) expect(found.get(`key-${i}`)).toBe(i < 3 * BATCH ? 2 : 1);
});

it('rows that were gathered when the run is stopped are not lost', async () => {
  const store = await withState();
  const stop = new AbortController();
  owes = true;
  const end = running(store, rows(0, 4 * BATCH), stop.signal);
  await until(() => store.count('create', '/plan/') > 1);
  stop.abort();
  pay();
  const { totals: done } = await end;
  expect(done.rows).toBeGreaterThanOrEqual(2 * BATCH);
  const found = await sums();
  for (let i = 0; i < KEYS; i++) expect(found.get(`key-${i}`)).toBe(i < done.rows ? 2 : 1);
});

it('a plan by reference waits until the batch before is computed: one that fails is taken back', async () => {
  const store = await withState();
  const file = path.join(folder, 'in.ndjson');
  const bad = rows(0, 3 * BATCH).map((row, i) => (i === 7 ? { ...row, v: 'none' } : row));
  await writeFile(file, lines(bad));
  owes = true;
  const end = running(store, file).catch((error: unknown) => error);
  // The first batch waits for its rows, and what the second will read is asked for beside it.
  await until(() => store.count('create', '/plan/') > 0 && owed.length > 0);
  for (let i = 0; i < 2000; i++) await turn();
  expect(store.count('create', '/plan/')).toBe(1);
  pay();
  expect(await end).toMatchObject({ code: 'USER_FUNCTION' });
  expect(store.count('create', '/plan/')).toBe(1);
  // The corrected file just runs.
  await writeFile(file, lines(rows(0, 3 * BATCH)));
  expect((await running(store, file)).totals).toMatchObject({ rows: 3 * BATCH });
  const found = await sums();
  for (let i = 0; i < KEYS; i++) expect(found.get(`key-${i}`)).toBe(i < 3 * BATCH ? 2 : 1);
});
