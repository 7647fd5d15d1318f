/** Results as files: formats and layouts hold the same rows; a directory stays what it is; a kill at any step loses nothing. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import { avg, count, type DirectoryOutput, job, run, source, sum, tumbling } from '../../lib/index.ts';
import { ManualClock } from '../../lib/util/clock.ts';
import { asText, copyAll, type Finished, filesIn, finish, openOutput, readFolder, readRows } from './result-files.ts';

interface Event {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}

const root = fs.mkdtempSync(path.join(tmpdir(), 'misa-output-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
let places = 0;
const place = (): string => path.join(root, `out-${++places}`);

const events = source<Event>('events', { eventTime: (e) => e.t, delay: '1 s' });
const KEYS = ['a', 'b', 'ä, "x"', 'c\nd', ''];
const rows: (Event | string)[] = Array.from({ length: 90 }, (_, i) => ({ t: i * 300, k: KEYS[i % 5]!, v: i / 4 }));
rows.splice(20, 0, 'not json', '{"t":1}');

const windows = events.keyBy((e) => e.k).window(tumbling('5 s'));
const hourly = windows.aggregate({ n: count(), mean: avg((e) => e.v) });
const trigger = { maxRows: 8 } as const;

let append: Finished;
let update: Finished;
let complete: Finished;
let stateless: Finished;
beforeAll(async () => {
  const running = events.keyBy((e) => e.k).aggregate({ n: count(), total: sum((e) => e.v) });
  const late = windows.late();
  append = await finish(root, job('append', { hourly, late }, { partitions: 2, trigger }), rows);
  update = await finish(root, job('update', { running, late }, { partitions: 2, trigger, outputMode: 'update' }), rows);
  complete = await finish(root, job('complete', running, { partitions: 2, trigger, outputMode: 'complete' }), rows);
  stateless = await finish(root, job('stateless', events, { trigger }), rows);
});

/** The rows of a flat directory, in the order of batches and partitions. */
async function flatRows(finished: Finished, output: string): Promise<Record<string, unknown>[]> {
  const directory = place();
  await copyAll(finished, directory);
  const files = fs.readdirSync(directory).filter((name) => name.startsWith(`${output}-`));
  return (await Promise.all(files.sort().map((name) => readRows(path.join(directory, name))))).flat();
}

describe('a directory of results', () => {
  it('is flat as ever when nothing is asked for', async () => {
    const directory = place();
    await copyAll(append, directory);
    const names = Object.keys(filesIn(directory));
    expect(names).toContain('hourly-00000004-p0.ndjson');
    expect(names).toContain('quarantine-00000003-p0.ndjson');
    expect(fs.readFileSync(path.join(directory, '.misa-cursor'), 'utf8')).toMatch(/^\{"misa":"cursor","version":1,/);
  });

  it('has the same rows in every format, a folder an output, read by other readers', async () => {
    for (const output of ['hourly', 'quarantine'] as const) {
      const expected = asText(await flatRows(append, output));
      expect(expected.length).toBeGreaterThan(1);
      for (const format of ['ndjson', 'csv', 'parquet'] as const) {
        for (const rollBytes of [undefined, 300, 1e9]) {
          const directory = place();
          await copyAll(append, directory, { format, rollBytes });
          expect(asText(await readFolder(directory, output)), `${format}, ${rollBytes}`).toEqual(expected);
        }
      }
    }
  });

  it('says in Parquet what is a time, what is whole, and what is a number', async () => {
    const directory = place();
    await copyAll(append, directory, { format: 'parquet', rollBytes: 1e9 });
    const [row] = await readFolder(directory, 'hourly');
    expect(row).toEqual({ key: 'a', windowStart: new Date(0), windowEnd: new Date(5000), n: 4n, mean: 1.875 });
  });

  it('rolls batches into files that end where their bytes say, named by their batches', async () => {
    const directory = place();
    const files = await copyAll(append, directory, { rollBytes: 600 });
    const hourlyFiles = files.filter((name) => name.startsWith('hourly/'));
    expect(hourlyFiles.length).toBeGreaterThan(1);
    let last = 0;
    for (const [i, name] of hourlyFiles.entries()) {
      const [, from, to] = /^hourly\/(\d{8})-(\d{8})\.ndjson$/.exec(name)!.map(Number) as [number, number, number];
      expect(from).toBeGreaterThan(last);
      last = to;
      const { size } = fs.statSync(path.join(directory, name));
      if (i < hourlyFiles.length - 1) expect(size).toBeGreaterThanOrEqual(600);
    }
  });

  it('rolls by time, also when no batch comes any more', async () => {
    const clock = new ManualClock();
    const directory = place();
    const output = await openOutput(append, directory, { rollIntervalMs: 1000 }, clock);
    await output.copy(4);
    expect(fs.existsSync(path.join(directory, 'hourly'))).toBe(false);
    clock.advance(999);
    await output.tick();
    expect(fs.existsSync(path.join(directory, 'hourly'))).toBe(false);
    clock.advance(1);
    await output.tick();
    expect(fs.readdirSync(path.join(directory, 'hourly'))).toEqual(['00000004-00000004.ndjson']);
  });

  it('orders the versions of a row with batch numbers, so that the newest can be picked', async () => {
    const directory = place();
    await copyAll(update, directory, { withBatch: true, format: 'parquet' });
    const newest = new Map<unknown, Record<string, unknown>>();
    for (const row of (await readFolder(directory, 'running')).reverse()) {
      const before = newest.get(row.key);
      if (before === undefined || (row._batch as bigint) > (before._batch as bigint)) newest.set(row.key, row);
    }
    expect(Object.fromEntries([...newest].map(([key, { n }]) => [key, n]))).toEqual({
      a: 18n,
      b: 18n,
      'ä, "x"': 18n,
      'c\nd': 18n,
      '': 18n,
    });
    const ids = (await readFolder(directory, 'running')).map((row) => `${row._batch}/${row._partition}/${row._row}`);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('refuses batch numbers where rows have such a column, and loses nothing by it', async () => {
    const taken = await finish(
      root,
      job(
        'taken',
        events.map((e) => ({ ...e, _batch: 1 })),
      ),
      rows.slice(0, 5),
    );
    const directory = place();
    await expect(copyAll(taken, directory, { withBatch: true })).rejects.toMatchObject({ code: 'COLUMN_TAKEN' });
    await copyAll(taken, place(), { format: 'csv' });
  });
});

describe('a table', () => {
  /** (0 + 5 + … + 85) / 4, and so on. */
  const totals = { a: 191.25, b: 195.75, 'ä, "x"': 200.25, 'c\nd': 204.75, '': 209.25 };

  it('has the newest row of each key, in every format; beside it, what appends does', async () => {
    for (const format of ['ndjson', 'csv', 'parquet'] as const) {
      const directory = place();
      const files = await copyAll(update, directory, { table: true, format });
      expect(files.filter((name) => name.startsWith('running/'))).toEqual([`running/table.${format}`]);
      const table = await readRows(path.join(directory, `running/table.${format}`));
      expect(Object.fromEntries(table.map((row) => [row.key, Number(row.total)]))).toEqual(totals);
      expect(files.filter((name) => name.startsWith('quarantine/'))).toEqual([
        `quarantine/00000003-00000003.${format}`,
      ]);
    }
  });

  it('is one row a key and window where windows are appended, or one a key if that is asked for', async () => {
    const windowed = await flatRows(append, 'hourly');
    const all = place();
    await copyAll(append, all, { table: true });
    const byText = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
    expect((await readFolder(all, 'hourly')).sort(byText)).toEqual([...windowed].sort(byText));
    const last = place();
    await copyAll(append, last, { table: true, tableKey: ['key'] });
    const rowsByKey = await readFolder(last, 'hourly');
    expect(rowsByKey.map((row) => row.key).sort()).toEqual([...KEYS].sort());
    expect(new Set(rowsByKey.map((row) => row.windowStart))).toEqual(new Set([25_000]));
  });

  it('is what mode complete gives, as one file', async () => {
    for (const options of [{ format: 'parquet' }, { table: true }] satisfies OutputOptions[]) {
      const directory = place();
      const files = await copyAll(complete, directory, options);
      expect(files.filter((name) => name.startsWith('out/'))).toHaveLength(1);
      const table = await readFolder(directory, 'out');
      expect(Object.fromEntries(table.map((row) => [row.key, Number(row.total)]))).toEqual(totals);
    }
  });

  it('is written now and then, not for each batch, and is always the table after some batch', async () => {
    const clock = new ManualClock();
    const directory = place();
    const output = await openOutput(update, directory, { table: true, rollIntervalMs: 5000 }, clock);
    const file = path.join(directory, 'running/table.ndjson');
    await output.copy(1);
    const first = fs.readFileSync(file);
    await output.copy(2);
    await output.copy(3);
    expect(fs.readFileSync(file)).toEqual(first);
    clock.advance(5000);
    await output.tick();
    expect(fs.readFileSync(file)).not.toEqual(first);
    const upTo3 = place();
    const other = await openOutput(update, upTo3, { table: true });
    await other.copy(3);
    await other.close();
    expect(fs.readFileSync(file)).toEqual(fs.readFileSync(path.join(upTo3, 'running/table.ndjson')));
  });

  it('is refused where nothing tells rows apart, and says what to do', async () => {
    await expect(openOutput(stateless, place(), { table: true })).rejects.toMatchObject({ code: 'NO_TABLE' });
    const mapped = hourly.map((row) => ({ who: row.key, from: row.windowStart, n: row.n }));
    const made = await finish(root, job('mapped', mapped, { trigger }), rows);
    await expect(openOutput(made, place(), { table: true })).rejects.toMatchObject({
      code: 'NO_TABLE_KEY',
      message: expect.stringContaining('--table-key'),
    });
    const directory = place();
    await copyAll(made, directory, { table: true, tableKey: ['who', 'from'] });
    expect(await readFolder(directory, 'out')).toHaveLength((await flatRows(made, 'out')).length);
    await expect(copyAll(made, place(), { table: true, tableKey: ['who', 'nobody'] })).rejects.toMatchObject({
      code: 'NO_TABLE_KEY',
    });
  });
});

describe('a directory that was begun', () => {
  it('goes on as it is when nothing is asked for, or the same', async () => {
    const directory = place();
    const options: OutputOptions = { format: 'parquet', withBatch: true };
    const begun = await openOutput(append, directory, options);
    await begun.copy(5);
    await begun.close();
    for (const again of [{}, options, { rollBytes: 100 }]) {
      const output = await openOutput(append, directory, again);
      await output.copy(append.position);
      await output.close();
    }
    const whole = place();
    await copyAll(append, whole, options);
    expect(asText(await readFolder(directory, 'hourly'))).toEqual(asText(await readFolder(whole, 'hourly')));
  });

  it('never becomes another, in either direction; the refusal says what to do and changes nothing', async () => {
    const flat = place();
    await copyAll(append, flat);
    const folders = place();
    await copyAll(append, folders, { format: 'csv' });
    const before = [filesIn(flat), filesIn(folders)];
    const refusals: [string, OutputOptions][] = [
      [flat, { format: 'ndjson' }],
      [flat, { layout: 'folders' }],
      [flat, { rollBytes: 100 }],
      [folders, { layout: 'flat' }],
      [folders, { format: 'parquet' }],
      [folders, { withBatch: true }],
      [folders, { table: true }],
    ];
    for (const [directory, options] of refusals) {
      await expect(openOutput(append, directory, options), JSON.stringify(options)).rejects.toMatchObject({
        code: 'OUTPUT_LAYOUT',
        message: expect.stringContaining('Name another directory'),
      });
    }
    expect([filesIn(flat), filesIn(folders)]).toEqual(before);
  });

  it('by an earlier version, before it had written a cursor, is not mixed with folders', async () => {
    const directory = place();
    fs.mkdirSync(directory);
    fs.writeFileSync(path.join(directory, 'hourly-00000001-p0.ndjson'), '{}\n');
    await expect(openOutput(append, directory, { format: 'csv' })).rejects.toMatchObject({ code: 'OUTPUT_LAYOUT' });
    await openOutput(append, directory);
  });

  it('of another store is refused in both layouts', async () => {
    for (const options of [{}, { format: 'csv' }] satisfies OutputOptions[]) {
      const directory = place();
      await copyAll(append, directory, options);
      await expect(openOutput(update, directory)).rejects.toMatchObject({ code: 'OUTPUT_OF_ANOTHER_JOB' });
    }
  });

  it('whose files were taken away goes on after them', async () => {
    const directory = place();
    const output = await openOutput(append, directory, { format: 'csv' });
    await output.copy(6);
    await output.close();
    fs.rmSync(path.join(directory, 'hourly'), { recursive: true });
    await copyAll(append, directory);
    expect(fs.readdirSync(path.join(directory, 'hourly')).every((name) => name > '00000006')).toBe(true);
  });
});

describe('columns', () => {
  const made = (name: string, out: readonly unknown[]): Promise<Finished> =>
    finish(root, job(name, source<object>('rows', {}), { trigger: { maxRows: 2 } }), out, false);

  it('keep their order and type in all files, whatever rows a file has', async () => {
    const finished = await made('fields', [
      { a: 1, b: null },
      { b: null, a: 2 },
      { c: { x: 1 }, a: 3 },
      { b: 'text' },
      { a: 4 },
      { c: [1] },
    ]);
    const csv = place();
    await copyAll(finished, csv, { format: 'csv' });
    const heads = Object.values(filesIn(csv)).map((hex) => Buffer.from(hex, 'hex').toString().split('\n')[0]);
    expect(heads).toEqual(['a,b', 'a,b,c', 'a,b,c']);
    const parquet = place();
    await copyAll(finished, parquet, { format: 'parquet' });
    expect(await readFolder(parquet, 'out')).toEqual([
      { a: 1 },
      { a: 2 },
      { a: 3, b: null, c: { x: 1 } },
      { a: null, b: 'text', c: null },
      { a: 4, b: null, c: null },
      { a: null, b: null, c: [1] },
    ]);
  });

  it('of several kinds are JSON if the first file shows it, and refused later, with a way out', async () => {
    const finished = await made('kinds', [{ a: 1 }, { a: 'x' }, { a: null, b: 1 }, { a: true, b: 2 }, { b: 'x' }]);
    const directory = place();
    await expect(copyAll(finished, directory, { format: 'parquet' })).rejects.toMatchObject({
      code: 'COLUMN_CHANGED_TYPE',
      message: expect.stringContaining('--output-columns b=json'),
    });
    expect((await readFolder(directory, 'out')).map((row) => row.a)).toEqual([1, 'x', null, true]);
    const declared = place();
    await copyAll(finished, declared, { format: 'parquet', columns: { b: 'json' } });
    expect((await readFolder(declared, 'out')).map((row) => row.b)).toEqual([undefined, undefined, 1, 2, 'x']);
    const table = place();
    await copyAll(finished, table, { format: 'csv' });
    expect(await readFolder(table, 'out')).toHaveLength(5);
  });
});

describe('killed at any step', () => {
  const small = {} as { update: Finished; complete: Finished };
  beforeAll(async () => {
    const few = rows.slice(0, 32);
    const running = events.keyBy((e) => e.k).aggregate({ n: count() });
    for (const outputMode of ['update', 'complete'] as const) {
      const late = windows.late();
      small[outputMode] = await finish(
        root,
        job(`small-${outputMode}`, { running, late }, { trigger, outputMode }),
        few,
      );
    }
  });

  const forms: [string, OutputOptions][] = [
    ['flat', {}],
    ['a file a batch', { format: 'parquet' }],
    ['rolled', { format: 'csv', rollBytes: 500, withBatch: true }],
    ['table', { format: 'parquet', table: true, rollIntervalMs: 1 }],
  ];
  for (const [what, options] of forms) {
    it(`the next run ends with the same files: ${what}`, async () => {
      for (const finished of [small.update, small.complete]) {
        const whole = place();
        await copyTicking(finished, whole, options);
        const expected = filesIn(whole);
        for (let step = 1; ; step++) {
          const directory = place();
          const survived = await dyingAt(step, () => copyTicking(finished, directory, options));
          if (survived) break;
          await copyTicking(finished, directory, options);
          expect(filesIn(directory), `killed at step ${step}`).toEqual(expected);
        }
      }
    });
  }

  /** Copies all; between batches there is time enough for a table to be due. */
  async function copyTicking(finished: Finished, directory: string, options: OutputOptions): Promise<void> {
    const clock = new ManualClock();
    const output = await openOutput(finished, directory, options, clock);
    for (let n = 1; n <= finished.position; n++) {
      await output.copy(n);
      clock.advance(100);
    }
    await output.close();
  }

  /** Lets the given change of the file system and all after it fail, as if the process were gone; odd: it still happens. */
  async function dyingAt(step: number, work: () => Promise<void>): Promise<boolean> {
    const { rename, mkdir, open, rm } = fs.promises;
    let done = 0;
    let dead = false;
    const change = <A extends unknown[], R>(f: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        if (dead) throw new Error('dead');
        done++;
        if (done < Math.ceil(step / 2)) return f(...args);
        dead = true;
        if (step % 2 === 1) await f(...args);
        throw new Error('dead');
      };
    };
    const living = <A extends unknown[], R>(f: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        if (dead) throw new Error('dead');
        return f(...args);
      };
    };
    Object.assign(fs.promises, { rename: change(rename), mkdir: change(mkdir), rm: change(rm), open: living(open) });
    syncBuiltinESMExports();
    try {
      await work();
      return true;
    } catch (error) {
      if ((error as Error).message !== 'dead') throw error;
      return false;
    } finally {
      Object.assign(fs.promises, { rename, mkdir, open, rm });
      syncBuiltinESMExports();
    }
  }
});

describe('a run of a program', () => {
  it('takes the form of its results as data, and says where they are', async () => {
    const input = path.join(root, 'program.ndjson');
    fs.writeFileSync(input, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const directory = place();
    const counts = job('program', windows.aggregate({ n: count() }), { trigger });
    const summary = await run(counts, {
      inputs: { events: input },
      store: path.join(root, 'program-store'),
      output: { directory, format: 'parquet', rollBytes: 1e9 },
      flush: true,
    }).done;
    const [file, ...others] = summary.files.filter((name) => name.includes(`${path.sep}out${path.sep}`));
    expect(others).toEqual([]);
    const table = await readRows(file!);
    expect(table.reduce((sum, row) => sum + Number(row.n), 0)).toBe(90);
    const slip = { directory: place(), fromat: 'csv' } as DirectoryOutput;
    const store = path.join(root, 'program-store');
    await expect(run(counts, { inputs: { events: input }, store, output: slip }).done).rejects.toMatchObject({
      code: 'BAD_OPTIONS',
      message: expect.stringContaining("'fromat'"),
    });
  });
});
