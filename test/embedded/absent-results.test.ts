/** Batches without rows have no result objects: whoever reads results tells them from those that are deleted, or not out yet. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Positions } from '../../cli/state/positions.ts';
import { publishEntry } from '../../lib/batch/publish.ts';
import { loadResultsMark, moveResultsMark } from '../../lib/commit/results-mark.ts';
import { OutputDirectory } from '../../lib/embedded/output-directory.ts';
import { ResultReader } from '../../lib/embedded/read-result.ts';
import type { JobFile } from '../../lib/job/job-file.ts';
import { DataLog } from '../../lib/log/data-log.ts';
import type { Edit } from '../../lib/manifest/edit.ts';
import { editManifest } from '../../lib/manifest/manifest-store.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { NAMES, PATH, World } from '../commit/helpers.ts';
import { countingStore, hookedStore, listAll } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-absent-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const PLACE = { output: 'out', stage: 0, partition: 0 };
const FILE: JobFile = {
  name: 'job',
  id: '00112233445566778899',
  epoch: 0,
  partitions: 1,
  stages: 1,
  outputMode: 'append',
  commit: 'async',
  outputs: [{ name: 'out', stage: 0, kind: 'append' }],
  layout: [],
};

/** Batches 1 to `count`, odd ones with rows; published. */
async function published(count: number): Promise<World> {
  const world = new World();
  const log = new DataLog(world.memory, NAMES, PATH);
  for (let n = 1; n <= count; n++) {
    await world.append({}, { outputs: ['out', '_quarantine'], hasRows: (output) => output === 'out' && n % 2 === 1 });
    await publishEntry({ store: world.memory, names: NAMES, partition: 0 }, (await log.readEntry(n)).entry!);
  }
  return world;
}

/** Log entries up to `through` are folded, published and collected. */
async function collectLog(world: World, through: number): Promise<void> {
  const edits: Edit[] = [
    { type: 'fold', after: 0, through, logHash: '', sst: null, writtenAfterMs: 0, publishedThrough: through },
    { type: 'collect', condemnedMs: 0, collectedThrough: through },
  ];
  for (const edit of edits) {
    await editManifest(world.memory, NAMES.manifest(PATH), () => edit, { nonce: world.random.id() });
  }
  await world.memory.delete(Array.from({ length: through }, (_, i) => NAMES.log(PATH, i + 1)));
}

async function moveMark(world: World, through: number): Promise<void> {
  const mark = await loadResultsMark(world.memory, NAMES);
  await moveResultsMark(world.memory, NAMES, mark, { through, retentionMs: 1000 });
}

let directories = 0;
async function open(world: World, store: ObjectStore): Promise<OutputDirectory> {
  const directory = path.join(root, String(directories++));
  const outputs = [{ name: 'out', kind: 'append', stage: 0 }] as const;
  return OutputDirectory.open({ directory, store, names: NAMES, file: FILE, outputs, clock: world.clock });
}

it('⚑ absent-is-empty: a batch without rows in an output makes no object there', async () => {
  const world = await published(4);
  const found = (await listAll(world.memory, `${NAMES.epochPrefix()}out/`)).map(({ name }) => name);
  expect(found).toEqual([NAMES.out('out', 0, 1), NAMES.out('out', 0, 3)]);
});

it('⚑ absent-is-empty: the entry is read before the object, so that one that is published and collected meanwhile is not missed', async () => {
  const world = new World();
  await world.append({});
  const first = hookedStore(world.memory, {
    async after({ index }) {
      if (index > 0) return;
      await world.publish(1);
      await collectLog(world, 1);
    },
  });
  const reader = new ResultReader(first, NAMES);
  expect(Buffer.from((await reader.read(PLACE, 1))!).toString()).toBe('out 1\n');
  expect(Buffer.from((await reader.read(PLACE, 1))!).toString()).toBe('out 1\n');
  await world.memory.delete([NAMES.out('out', 0, 1)]);
  expect(await reader.read(PLACE, 1)).toBeUndefined();
});

it('a directory gets the rows of the batches that have some, whether their entries are kept or not', async () => {
  const world = await published(7);
  await collectLog(world, 5);
  const directory = await open(world, world.memory);
  await directory.copy(7);
  await directory.close();
  const rows = [1, 3, 5, 7].map((n) => `out ${n}\n`);
  expect(directory.files.map((name) => readFileSync(name, 'utf8'))).toEqual(rows);
  expect(directory.through).toBe(7);
});

it('⚑ absent-is-empty: an entry that is missing though nothing has collected it is damage, and one manifest tells of many batches', async () => {
  const world = await published(9);
  await collectLog(world, 6);
  await world.memory.delete([NAMES.log(PATH, 8)]);
  const store = countingStore(world.memory);
  const reader = new ResultReader(store, NAMES);
  for (const n of [2, 4, 6]) expect(await reader.read(PLACE, n)).toBeUndefined();
  expect(store.count('get', 'manifest')).toBe(1);
  await expect(reader.read(PLACE, 8)).rejects.toMatchObject({ code: 'CORRUPT' });
});

it('⚑ absent-is-empty: a directory that retention overtakes while it copies is told, and has no less than it says', async () => {
  const world = await published(7);
  await collectLog(world, 5);
  // Retention comes between the look for the entry and that for the result.
  const overtaken = hookedStore(world.memory, {
    async before({ op, name }) {
      if (op !== 'get' || name !== NAMES.out('out', 0, 3)) return;
      await moveMark(world, 3);
      await world.memory.delete([1, 3].map((n) => NAMES.out('out', 0, n)));
    },
  });
  const directory = await open(world, overtaken);
  await expect(directory.copy(7)).rejects.toMatchObject({ code: 'RESULTS_DELETED' });
  expect(directory.files).toHaveLength(1);
});

it('a directory that has had all that was deleted is not told so by batches without rows', async () => {
  const world = await published(7);
  const directory = await open(world, world.memory);
  await directory.copy(3);
  await collectLog(world, 5);
  await moveMark(world, 3);
  await world.memory.delete([1, 3].map((n) => NAMES.out('out', 0, n)));
  await directory.copy(7);
  expect(directory.through).toBe(7);
});

it('⚑ absent-is-empty: results are out as far as those are that there must be', async () => {
  const world = new World();
  for (let n = 1; n <= 4; n++) await world.append({}, { hasRows: (_, batch) => batch % 2 === 1 });
  const positions = new Positions({ where: 'here', store: world.memory, names: NAMES, file: FILE });
  expect(await positions.read()).toMatchObject({ committed: 4, published: 0 });
  await world.publish(1);
  expect(await positions.read()).toMatchObject({ committed: 4, published: 2 });
  await world.publish(3);
  expect(await positions.read()).toMatchObject({ committed: 4, published: 4 });
  // What is known stays known.
  await collectLog(world, 3);
  expect(await positions.read()).toMatchObject({ published: 4 });
});
