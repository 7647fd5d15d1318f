/**
 * A job whose results are deleted as soon as may be, killed at requests to the store: its output directory ends up with the
 * same files as if nothing had been killed and nothing deleted.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadResultsMark } from '../../lib/commit/results-mark.ts';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import { OutputDirectory } from '../../lib/embedded/output-directory.ts';
import { runJob } from '../../lib/embedded/run-job.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { names } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import { fileRef } from '../../lib/source/file-blocks.ts';
import { seededRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';
import { FastClock, physical, type TestCommitter, testCommitter } from '../helpers/engine.ts';
import { JOBS } from '../helpers/engine-jobs.ts';
import { CrashError, crashAfter, hookedStore } from '../helpers/stores.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-retention-kills-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Two files, a bad row in the second. */
const inputs = [0, 1].map((file) => {
  const rows = Array.from({ length: 12 }, (_, i) => ({ t: (12 * file + i) * 100, k: `k${i % 5}`, v: 12 * file + i }));
  const name = path.join(root, `events-${file}.ndjson`);
  writeFileSync(name, `${rows.map((row) => JSON.stringify(row)).join('\n')}\n${file === 0 ? '' : '{"t":\n'}`);
  return name;
});

const job = physical(JOBS.running(), { trigger: { maxRows: 3, maxBytes: 1 << 20, maxWaitMs: 0 } });
const NAMES = names(job.name, 1);
const RETENTION_MS = 50;
/** Requests between those at which it is killed. Odd, so that they die before and after their effect. */
const STEP = 29;
let runs = 1;

interface Life {
  readonly clock: FastClock;
  readonly directory: string;
  readonly options: OutputOptions;
  /** Of the input. */
  readonly files: number;
  readonly keepResultsMs?: number;
}

async function run(store: ObjectStore, { clock, directory, options, files, keepResultsMs }: Life): Promise<void> {
  const random = seededRandom(runs++);
  const { outputs } = job;
  let output: OutputDirectory | undefined;
  let committer: TestCommitter | undefined;
  /** Everything is old, each time. */
  const collect = async (): Promise<void> => {
    clock.advance(RETENTION_MS + 1);
    await committer!.loop.collect();
  };
  await runJob(job, {
    store,
    clock,
    random,
    trace: NO_TRACE,
    cache: undefined,
    retentionMs: RETENTION_MS,
    inputs: new Map([['events', await Promise.all(inputs.slice(0, files).map((file) => fileRef(file)))]]),
    committer(context) {
      const kept = { ...context, retentionMs: RETENTION_MS, keepResultsMs };
      committer = testCommitter(kept, { job, store }, () => output?.kept ?? 0);
      return committer;
    },
    async onOpen({ position, context: { file } }) {
      await collect();
      output = await OutputDirectory.open({ directory, options, store, names: NAMES, file, outputs, clock });
      await output.copy(position);
      await collect();
    },
    async onBatch({ n }) {
      await collect();
      await output!.copy(n);
      await collect();
    },
  });
  await output!.close();
}

/** Result files, by name. */
function filesOf(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const found = files.map((file) => path.relative(directory, path.join(file.parentPath, file.name)));
  const results = found.filter((name) => !/(^|\/)\./.test(name)).sort();
  return Object.fromEntries(results.map((name) => [name, readFileSync(path.join(directory, name), 'utf8')]));
}

it.each<[string, OutputOptions]>([
  ['a file a batch', {}],
  ['rolled files', { layout: 'folders', rollBytes: 300 }],
  ['a table', { table: true }],
])('%s', async (name, options) => {
  const lives = (directory: string) => {
    const clock = new FastClock();
    return { store: new MemoryStore({ clock }), life: { clock, directory: path.join(root, name, directory), options } };
  };
  const whole = lives('whole');
  await run(whole.store, { ...whole.life, files: 1 });
  await run(whole.store, { ...whole.life, files: 2 });
  const expected = filesOf(whole.life.directory);
  expect(Object.keys(expected).length).toBeGreaterThan(1);
  for (let n = 0, killed = true; killed; n += STEP) {
    const { store, life } = lives(`killed-${n}`);
    await run(store, { ...life, files: 1 });
    const rest = { ...life, files: 2, keepResultsMs: 1 };
    const dying = hookedStore(store, crashAfter(n, n % 2 === 0 ? 'before' : 'after effect'));
    const failure = await run(dying, rest).catch((error: unknown) => error);
    if (failure !== undefined) expect(failure).toBeInstanceOf(CrashError);
    killed = failure !== undefined;
    await run(store, rest);
    const where = `killed at request ${n}`;
    expect(filesOf(life.directory), where).toEqual(expected);
    expect((await loadResultsMark(store, NAMES)).through, where).toBeGreaterThan(2);
    rmSync(life.directory, { recursive: true });
  }
});
