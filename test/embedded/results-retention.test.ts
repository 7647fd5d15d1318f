/** Jobs that keep results for a time, as their users see it: runs with a directory, directories and consumers that come late. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type EmbeddedOptions, runEmbedded } from '../../lib/embedded/embedded.ts';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import type { ConsumedRows } from '../../lib/embedded/result-consumer.ts';
import { workerCommitter } from '../../lib/embedded/worker-committer.ts';
import { count, job, source } from '../../lib/index.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { names } from '../../lib/object-store/names.ts';
import { openStore } from '../../lib/object-store/store-spec.ts';
import { expandInputs } from '../../lib/source/index.ts';
import { compileJob } from '../../lib/stream/compile/compile.ts';
import { type Clock, systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { NO_TRACE } from '../../lib/util/trace.ts';

const root = mkdtempSync(path.join(tmpdir(), 'misa-retention-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

const DAY = 86_400_000;
const events = source<{ k: string }>('events');
const running = events.keyBy((e) => e.k).aggregate({ n: count() });
type Retention = { readonly retention?: '3 days' };
const jobOf = (results: Retention) =>
  compileJob(job('kept', { running, all: events }, { outputMode: 'update', trigger: { maxRows: 2 }, results }));

/** A job that is run on one day after the other, with four rows (two batches) more each day. */
class Life {
  readonly home = path.join(root, `life-${++places}`);
  readonly spec = { kind: 'directory', path: path.join(this.home, 'store') } as const;
  results: Retention;
  readonly #aged = new Set<string>();
  day = 0;

  constructor(results: Retention = { retention: '3 days' }) {
    this.results = results;
  }

  /** @param rows more of them */
  async run(rows: boolean, options: Partial<EmbeddedOptions> = {}) {
    const file = path.join(this.home, `${this.day}.ndjson`);
    if (rows) {
      await openStore(this.spec, { clock: systemClock, random: systemRandom });
      writeFileSync(file, [0, 1, 2, 3].map((i) => `{"k":"k${i % 3}","day":${this.day}}\n`).join(''));
    }
    const inputs = new Map([['events', await expandInputs([path.join(this.home, '*.ndjson')])]]);
    const days = this.day;
    const clock: Clock = Object.assign(Object.create(systemClock) as Clock, {
      now: () => systemClock.now() + days * DAY,
      sleep: systemClock.sleep.bind(systemClock),
      monotonic: systemClock.monotonic.bind(systemClock),
    });
    const end = runEmbedded(jobOf(this.results), {
      store: this.spec,
      inputs,
      committer: 'inline',
      cacheBytes: 0,
      clock,
      ...options,
    });
    return end.finally(() => this.#age());
  }

  /** Files have the time of the machine: what was published today is from today's noon. */
  #age(): void {
    const out = path.join(this.spec.path, 'kept/e1/out');
    for (const file of readdirSync(out, { recursive: true, withFileTypes: true })) {
      const name = path.join(file.parentPath, file.name);
      if (!file.isFile() || this.#aged.has(name)) continue;
      this.#aged.add(name);
      const noon = new Date(systemClock.now() + (this.day + 0.5) * DAY);
      utimesSync(name, noon, noon);
    }
  }

  directory(name: string, options: OutputOptions = {}): Pick<EmbeddedOptions, 'output'> {
    return { output: { kind: 'directory', path: path.join(this.home, name), ...options } };
  }

  /** Batches of which the store has results. */
  async kept(output = 'all'): Promise<number[]> {
    const store = await openStore(this.spec, { clock: systemClock, random: systemRandom });
    const found: number[] = [];
    for await (const { name } of store.list(names('kept', 1).outPrefix(output, 0))) found.push(Number(name.slice(-12)));
    return found;
  }

  /** Rows of `all` in a directory, by day. */
  days(name: string, prefix = 'all-'): number[] {
    const folder = path.join(this.home, name);
    const files = readdirSync(folder).filter((file) => file.startsWith(prefix) || prefix === '');
    const lines = files.sort().flatMap((file) => readFileSync(path.join(folder, file), 'utf8').trim().split('\n'));
    return lines.map((line) => (JSON.parse(line) as { day: number }).day);
  }
}

/** Seven days of four rows each; the last results that are gone are those of day 2. */
async function week(life: Life, options: Partial<EmbeddedOptions> = {}): Promise<void> {
  for (life.day = 0; life.day < 7; life.day++) await life.run(true, options);
}
const perDay = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i).flatMap((day) => [day, day, day, day]);

describe('a job that keeps its results for three days', () => {
  it('has those of the last days in the store, and all in a directory that every run has', async () => {
    const life = new Life();
    await week(life, life.directory('results'));
    const kept = await life.kept();
    expect(kept).toEqual([7, 8, 9, 10, 11, 12, 13, 14]);
    expect(await life.kept('running')).toEqual(kept);
    expect(life.days('results')).toEqual(perDay(0, 6));
  });

  it('a directory whose run was killed has its results before they may go', async () => {
    const life = new Life();
    for (life.day = 0; life.day < 2; life.day++) await life.run(true, life.directory('results'));
    // As if this run had been killed between the commit and the copy.
    const results = path.join(life.home, 'results');
    cpSync(results, `${results}-before`, { recursive: true });
    await life.run(true, life.directory('results'));
    rmSync(results, { recursive: true });
    renameSync(`${results}-before`, results);
    life.day = 20;
    await life.run(true, life.directory('results'));
    expect(life.days('results')).toEqual([...perDay(0, 2), ...perDay(20, 20)]);
  });

  it('refuses a directory that comes too late, changes nothing, and begins with what is kept if it is told to', async () => {
    const life = new Life();
    await week(life);
    const refused = life.run(false, life.directory('late'));
    await expect(refused).rejects.toMatchObject({ code: 'RESULTS_DELETED' });
    await expect(refused).rejects.toThrow(
      /batches 1 to 6 were deleted: the job keeps them for 3 days.*--output-begin kept/,
    );
    expect(readdirSync(path.join(life.home, 'late'))).toEqual([]);
    await life.run(false, life.directory('late', { begin: 'kept' }));
    expect(life.days('late')).toEqual(perDay(3, 6));
    // It goes on as it is.
    life.day = 7;
    await life.run(true, life.directory('late'));
    expect(life.days('late')).toEqual(perDay(3, 7));
  });

  it('in folders, too; a table needs the results of all batches', async () => {
    const life = new Life();
    await week(life);
    const kept = { layout: 'folders', begin: 'kept' } as const;
    await life.run(false, life.directory('folders', kept));
    expect(life.days('folders/all', '')).toEqual(perDay(3, 6));
    await expect(life.run(false, life.directory('table', { table: true, begin: 'kept' }))).rejects.toThrow(
      /RESULTS_DELETED|A table needs the results of every batch/,
    );
  });

  it('results that wait in memory to be rolled stay until they are in a file', async () => {
    const life = new Life({});
    await week(life);
    life.results = { retention: '3 days' };
    const rolled = life.directory('rolled', { layout: 'folders', rollIntervalMs: 3_600_000 });
    let before = '';
    const onBatch = (): void => {
      // What a kill would leave.
      before ||= path.join(life.home, 'before');
      cpSync(path.join(life.home, 'rolled'), before, { recursive: true });
    };
    life.day = 7;
    await life.run(true, { ...rolled, onBatch });
    expect(life.days('rolled/all', '')).toEqual(perDay(0, 7));
    expect((await life.kept())[0]).toBe(1);
    rmSync(path.join(life.home, 'rolled'), { recursive: true });
    renameSync(before, path.join(life.home, 'rolled'));
    await life.run(false, rolled);
    expect(life.days('rolled/all', '')).toEqual(perDay(0, 7));
    await life.run(false, rolled);
    expect((await life.kept())[0]).toBe(9);
  });

  it('a directory that was left behind is told so, and so is none that has what is gone', async () => {
    const life = new Life();
    await life.run(true, life.directory('left'));
    await life.run(false, life.directory('whole'));
    for (life.day = 1; life.day < 7; life.day++) await life.run(true, life.directory('whole'));
    const refused = life.run(false, life.directory('left'));
    await expect(refused).rejects.toMatchObject({ code: 'RESULTS_DELETED' });
    await expect(refused).rejects.toThrow(/has those up to batch 2\. Those between cannot be copied any more/);
    expect(life.days('left')).toEqual(perDay(0, 0));
    await life.run(false, life.directory('whole'));
    expect(life.days('whole')).toEqual(perDay(0, 6));
  });

  it('a table that every run has keeps what it knows, though nothing changes in it for long', async () => {
    const life = new Life();
    await week(life, life.directory('table', { table: true }));
    expect((await life.kept())[0]).toBe(7);
    const file = path.join(life.home, 'table/running/table.ndjson');
    const counts = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { n: number }).n);
    expect(counts.reduce((a, b) => a + b)).toBe(28);
  });

  it('waits for a consumer that is behind; a new one begins with what is kept', async () => {
    const life = new Life();
    const taken: number[] = [];
    const consume = ({ output, rows }: ConsumedRows): void => {
      if (output === 'all') taken.push(...(rows as { day: number }[]).map(({ day }) => day));
    };
    await life.run(true, { consumer: { name: 'slow', consume } });
    for (life.day = 1; life.day < 7; life.day++) await life.run(true);
    life.day = 6;
    expect(await life.kept()).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    await life.run(false, { consumer: { name: 'slow', consume } });
    expect(taken).toEqual(perDay(0, 6));
    expect((await life.kept())[0]).toBe(7);
    taken.length = 0;
    await life.run(false, { consumer: { name: 'new', consume } });
    expect(taken).toEqual(perDay(3, 6));
  });

  /** A week that ends today by the machine's clock, which a thread has: batches 1 to 6 are older than three days. */
  async function pastWeek(options: Partial<EmbeddedOptions> = {}): Promise<Life> {
    const life = new Life({});
    for (life.day = -6; life.day <= 0; life.day++) await life.run(true, life.day === -6 ? options : {});
    life.day = 0;
    expect(await life.kept()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    life.results = { retention: '3 days' };
    return life;
  }

  it('waits for consumers where commits are made in a thread of their own', async () => {
    let last = 100;
    const consume = ({ batch }: ConsumedRows): void => {
      if (batch > last) throw new Error('full');
    };
    const consumer = { name: 'slow', consume };
    const life = await pastWeek({ consumer });
    await life.run(false, { committer: 'worker' });
    expect((await life.kept())[0]).toBe(3);
    last = 4;
    const failed = life.run(false, { committer: 'worker', consumer });
    await expect(failed).rejects.toMatchObject({ code: 'ON_BATCH' });
    await life.run(false, { committer: 'worker' });
    expect((await life.kept())[0]).toBe(5);
    last = 100;
    await life.run(false, { committer: 'worker', consumer });
    expect((await life.kept())[0]).toBe(7);
  });

  it('waits for the run at hand where commits are made in a thread of their own', async () => {
    const life = await pastWeek();
    const store = await openStore(life.spec, { clock: systemClock, random: systemRandom });
    const file = await readJobFile(store, 'kept');
    for (const [told, first] of [
      [[], 1],
      [[0], 1],
      [[4], 5],
      [[3], 5],
      [[Number.POSITIVE_INFINITY], 7],
    ] as const) {
      const committer = workerCommitter(life.spec, {
        file,
        retentionMs: 900_000,
        trace: NO_TRACE,
        keepResultsMs: 3 * DAY,
      });
      for (const n of told) committer.taken!(n);
      await committer.close({ drain: true });
      expect((await life.kept())[0], String(told)).toBe(first);
    }
  });

  it('keeps all without the option', async () => {
    const life = new Life({});
    await week(life);
    expect((await life.kept())[0]).toBe(1);
    await life.run(false, life.directory('late'));
    expect(life.days('late')).toEqual(perDay(0, 6));
  });
});
