/** More files, and more pieces of a plan, than a call of a function takes arguments. */
import { linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { Inputs } from '../../lib/embedded/inputs.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { noRows } from '../../lib/plan/gathered.ts';
import type { Piece } from '../../lib/plan/plan.ts';
import { expandInputs } from '../../lib/source/index.ts';
import { FastClock, openEngine } from '../helpers/engine.ts';
import { sums } from '../helpers/engine-jobs.ts';

const FILES = 130_001;
/** A file system has so many names for one file, at most. */
const NAMES_A_FILE = 30_000;

const root = mkdtempSync(path.join(tmpdir(), 'misa-many-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const nameOf = (i: number): string => `${String(i).padStart(6, '0')}.ndjson`;

it('reads on where files of a pattern are many', async () => {
  for (let i = 0; i < FILES; i++) {
    const file = path.join(root, nameOf(i));
    if (i % NAMES_A_FILE === 0) writeFileSync(file, `{"k":"a","v":${i}}\n`);
    else linkSync(path.join(root, nameOf(i - (i % NAMES_A_FILE))), file);
  }
  const files = await expandInputs([path.join(root, '*.ndjson')]);
  expect(files).toHaveLength(FILES);
  const job = sums({ trigger: { maxRows: 1, maxBytes: 1 << 20, maxWaitMs: 0 } });
  const clock = new FastClock();
  const { engine } = await openEngine({ job, store: new MemoryStore({ clock }), clock });
  const inputs = new Inputs(job, engine.planner, { files: new Map([['rows', files]]), clock, moved: 'read' });
  expect((await inputs.gather())?.pieces).toMatchObject([{ name: path.join(root, nameOf(0)), to: 1, done: true }]);
  await inputs.close();
});

it('plans as many pieces at once, and knows them all again', async () => {
  const job = sums();
  const store = new MemoryStore({ clock: new FastClock() });
  const { engine, committer } = await openEngine({ job, store, foldEvery: 1 });
  const piece = (i: number): Piece => ({ source: 'rows', name: nameOf(i), version: '1', from: 0, to: 0, done: true });
  const pieces = Array.from({ length: FILES }, (_, i) => piece(i));
  await engine.batch({ ...noRows('empty'), pieces, byReference: false });
  await committer.close({ drain: true });
  expect(committer.errors).toEqual([]);
  const { engine: again } = await openEngine({ job, store });
  expect(await again.planner.planned('rows', nameOf(FILES - 1))).toMatchObject({ done: true });
  expect((await again.planner.plannedObjects('rows')).size).toBe(FILES);
});
