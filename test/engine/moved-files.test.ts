/** Files that were moved, copied, rotated, touched, appended to or changed between runs: each row once, or a refusal that names the file. */
import { appendFileSync, cpSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FastClock, publishedOf } from '../helpers/engine.ts';
import { copyJob, Folder, idsIn, lines, range } from '../helpers/folder.ts';
import { CrashError, hookedStore } from '../helpers/stores.ts';

const folders: Folder[] = [];
afterAll(() => folders.forEach((folder) => void folder.remove()));

function start(files: Record<string, string | Uint8Array>): { folder: Folder; store: MemoryStore } {
  const folder = new Folder();
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) folder.write(name, content);
  return { folder, store: new MemoryStore({ clock: new FastClock() }) };
}

const moved = (name: string, as: string) => ({
  code: 'INPUT_MOVED',
  message: expect.stringMatching(new RegExp(`${name} begins with .* read as .*${as}.*--moved skip.*--moved read`)),
});
const changed = (name: string) => ({ code: 'INPUT_CHANGED', message: expect.stringContaining(name) });

describe('a file under another name', () => {
  it.each([
    ['NDJSON', 'ndjson', lines(0, 10)],
    ['gzip', 'ndjson.gz', gzipSync(lines(0, 10))],
    ['CSV', 'csv', `id\n${range(0, 10).join('\n')}\n`],
  ])('is refused until the user has said what to do: %s', async (_, extension, content) => {
    const { folder, store } = start({ [`a.${extension}`]: content });
    await folder.run(store);
    renameSync(folder.path(`a.${extension}`), folder.path(`b.${extension}`));
    await expect(folder.run(store)).rejects.toMatchObject(moved(`b.${extension}`, `a.${extension}`));
    expect(await idsIn(store)).toEqual(range(0, 10));
    await folder.run(store, { moved: 'skip' });
    expect(await idsIn(store)).toEqual(range(0, 10));
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 10));
  });

  it('is read again when the user says so, once', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 10) });
    await folder.run(store);
    cpSync(folder.path('a.ndjson'), folder.path('b.ndjson'));
    await folder.run(store, { moved: 'read' });
    const twice = [...range(0, 10), ...range(0, 10)].sort((a, b) => a - b);
    expect(await idsIn(store)).toEqual(twice);
    await folder.run(store);
    expect(await idsIn(store)).toEqual(twice);
  });

  it('is found when it was read in part only', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 20) });
    const stop = new AbortController();
    await folder.run(store, { stop: stop.signal, onBatch: (done) => void (done.n === 2 && stop.abort()) });
    const before = await idsIn(store);
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(20);
    renameSync(folder.path('a.ndjson'), folder.path('b.ndjson'));
    await expect(folder.run(store)).rejects.toMatchObject(moved('b.ndjson', 'a.ndjson'));
    await folder.run(store, { moved: 'skip' });
    expect(await idsIn(store)).toEqual(range(0, 20));
  });

  it('is found when it was compressed, or unpacked, meanwhile', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 10), 'b.ndjson.gz': gzipSync(lines(10, 20)) });
    await folder.run(store);
    rmSync(folder.path('a.ndjson'));
    folder.write('a.ndjson.gz', gzipSync(lines(0, 10)));
    await expect(folder.run(store)).rejects.toMatchObject(moved('a.ndjson.gz', 'a.ndjson'));
    folder.write('c.ndjson', lines(10, 20) + lines(20, 25));
    await folder.run(store, { moved: 'skip' });
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 25));
  });

  it('is found among the files of one run', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 10), 'b.ndjson': lines(0, 10), 'c.ndjson': lines(10, 12) });
    await expect(folder.run(store)).rejects.toMatchObject(moved('b.ndjson', 'a.ndjson'));
    await folder.run(store, { moved: 'skip' });
    expect(await idsIn(store)).toEqual(range(0, 12));
  });

  it('is found by any of its sizes, and also when a state is kept in SSTs', async () => {
    const sizes = [1, 5, 80, 500, 6000, 9000, 120_000];
    let at = 0;
    const files = Object.fromEntries(
      sizes.map((size) => {
        at += size;
        return [`a${size}.ndjson`, lines(at - size, at)];
      }),
    );
    const { folder, store } = start(files);
    const job = copyJob(1000);
    await folder.run(store, {}, job);
    for (const size of sizes) {
      renameSync(folder.path(`a${size}.ndjson`), folder.path(`z${size}.ndjson`));
      await expect(folder.run(store, {}, job)).rejects.toMatchObject(moved(`z${size}.ndjson`, `a${size}.ndjson`));
      await folder.run(store, { moved: 'skip' }, job);
      expect(await folder.run(store, {}, job)).toMatchObject({ totals: { rows: 0 } });
    }
    expect(await idsIn(store)).toEqual(range(0, at));
  });

  it('is no matter when it has no rows, or begins otherwise', async () => {
    const { folder, store } = start({ 'a.ndjson': '', 'b.ndjson': '\n', 'c.csv': 'id\n', 'd.csv': 'id\n' });
    await folder.run(store);
    folder.write('e.ndjson', '');
    folder.write('f.csv', 'id\n');
    folder.write('g.csv', 'id\n1\n');
    folder.write('h.csv', 'id\n2\n');
    await folder.run(store);
    expect(await idsIn(store)).toEqual([1, 2]);
  });

  it('the choice is durable before anything that follows from it', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 10) });
    await folder.run(store);
    renameSync(folder.path('a.ndjson'), folder.path('b.ndjson'));
    let dead = false;
    const dying = hookedStore(store, {
      after(call) {
        dead ||= call.op === 'create' && call.name.includes('/plan/');
        if (dead) throw new CrashError('dead');
      },
      before() {
        if (dead) throw new CrashError('dead');
      },
    });
    await folder.run(dying, { moved: 'skip' }).catch(() => {});
    expect(dead).toBe(true);
    appendFileSync(folder.path('b.ndjson'), lines(10, 12));
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 12));
  });

  /** Rows that look like those of a real log: long enough for beginnings to tell contents apart. */
  const long = (from: number, to: number) => lines(from, to).replaceAll('}', `,"text":"${'.'.repeat(1500)}"}`);

  it.each([
    ['goes on', (f: Folder) => appendFileSync(f.path('a.ndjson'), long(3, 5)), 5],
    ['was renamed', (f: Folder) => renameSync(f.path('a.ndjson'), f.path('b.ndjson')), 3],
    [
      'was compressed',
      (f: Folder) => {
        rmSync(f.path('a.ndjson'));
        f.write('a.ndjson.gz', gzipSync(long(0, 3)));
      },
      3,
    ],
    [
      'was rotated',
      (f: Folder) => {
        renameSync(f.path('a.ndjson'), f.path('a.1.ndjson'));
        f.write('a.ndjson', long(3, 7));
      },
      7,
    ],
  ])('a planned batch that nobody finished finds its file that %s', async (_, change, rows) => {
    const { folder, store } = start({ 'a.ndjson': long(0, 3) });
    const dying = hookedStore(store, {
      before(call) {
        if (call.name.includes('/log/') && call.op === 'create') throw new CrashError('dead before log 1');
      },
    });
    await folder.run(dying).catch(() => {});
    change(folder);
    await folder.run(store, { moved: 'skip' });
    expect(await idsIn(store)).toEqual(range(0, rows));
  });

  it('a copy that is shortened has no new row, though its last line lost its end', async () => {
    const { folder, store } = start({ 'a.ndjson': long(0, 7), 'b.ndjson': long(0, 7) });
    await folder.run(store, { moved: 'skip' });
    truncateSync(folder.path('b.ndjson'), long(0, 7).length - 1);
    await folder.run(store, { moved: 'skip' });
    expect(await idsIn(store)).toEqual(range(0, 7));
  });

  it('a copy that went on and lost its end is refused, as any other file', async () => {
    const { folder, store } = start({ 'a.ndjson': long(0, 3), 'b.ndjson': long(0, 3) });
    await folder.run(store, { moved: 'skip' });
    appendFileSync(folder.path('b.ndjson'), long(3, 5));
    await folder.run(store);
    truncateSync(folder.path('b.ndjson'), long(0, 5).length - 2);
    await expect(folder.run(store, { moved: 'skip' })).rejects.toMatchObject(changed('b.ndjson'));
    expect(await idsIn(store)).toEqual(range(0, 5));
  });
});

describe('a log that is rotated', () => {
  it('is followed with --moved skip, rows between the last run and the rotation included', async () => {
    const { folder, store } = start({ 'app.ndjson': lines(0, 10) });
    await folder.run(store);
    appendFileSync(folder.path('app.ndjson'), lines(10, 15));
    renameSync(folder.path('app.ndjson'), folder.path('app.1.ndjson'));
    folder.write('app.ndjson', lines(15, 18));
    await expect(folder.run(store)).rejects.toMatchObject(moved('app.1.ndjson', 'app.ndjson'));
    await folder.run(store, { moved: 'skip' });
    expect(await idsIn(store)).toEqual(range(0, 18));
    // Once more, all names moving on, and the oldest compressed.
    appendFileSync(folder.path('app.ndjson'), lines(18, 20));
    rmSync(folder.path('app.1.ndjson'));
    folder.write('app.2.ndjson.gz', gzipSync(lines(0, 15)));
    renameSync(folder.path('app.ndjson'), folder.path('app.1.ndjson'));
    folder.write('app.ndjson', lines(20, 21));
    await folder.run(store, { moved: 'skip' });
    expect(await idsIn(store)).toEqual(range(0, 21));
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 21));
  });

  it('is followed when it was copied and truncated', async () => {
    const { folder, store } = start({ 'app.ndjson': lines(0, 10) });
    await folder.run(store);
    cpSync(folder.path('app.ndjson'), folder.path('app.1.ndjson'));
    truncateSync(folder.path('app.ndjson'));
    await folder.run(store, { moved: 'skip' });
    appendFileSync(folder.path('app.ndjson'), lines(10, 12));
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 12));
  });

  it('is refused when the file that it became is not there', async () => {
    const { folder, store } = start({ 'app.ndjson': lines(0, 10) });
    await folder.run(store);
    folder.write('app.ndjson', lines(10, 15));
    await expect(folder.run(store, { moved: 'skip' })).rejects.toMatchObject(changed('app.ndjson'));
  });

  it('two files that changed names are told apart', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 10), 'b.ndjson': lines(10, 20) });
    await folder.run(store);
    renameSync(folder.path('a.ndjson'), folder.path('c'));
    renameSync(folder.path('b.ndjson'), folder.path('a.ndjson'));
    renameSync(folder.path('c'), folder.path('b.ndjson'));
    appendFileSync(folder.path('a.ndjson'), lines(20, 22));
    await folder.run(store, { moved: 'skip' });
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 22));
  });
});

describe('a file under its own name', () => {
  it('may be touched, read in part or whole', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 10), 'b.ndjson.gz': gzipSync(lines(10, 20)) });
    const stop = new AbortController();
    await folder.run(store, { stop: stop.signal, onBatch: () => stop.abort() });
    for (const name of ['a.ndjson', 'b.ndjson.gz']) utimesSync(folder.path(name), new Date(1), new Date(1));
    await folder.run(store);
    for (const name of ['a.ndjson', 'b.ndjson.gz']) utimesSync(folder.path(name), new Date(2), new Date(2));
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 20));
  });

  it.each([
    ['NDJSON', 'a.ndjson', lines],
    ['CSV', 'a.csv', (from: number, to: number) => `${from === 0 ? 'id\n' : ''}${range(from, to).join('\n')}\n`],
  ])('may get new lines: %s', async (_, name, text) => {
    const { folder, store } = start({ [name]: text(0, 10) });
    await folder.run(store);
    appendFileSync(folder.path(name), text(10, 14));
    await folder.run(store);
    appendFileSync(folder.path(name), text(14, 15).trimEnd());
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 15));
    appendFileSync(folder.path(name), `\n${text(15, 17)}`);
    await folder.run(store);
    expect(await idsIn(store)).toEqual(range(0, 17));
  });

  it('gives the lines of its new rows right', async () => {
    const { folder, store } = start({ 'a.ndjson': '{"id":0}\n{"id":1}' });
    await folder.run(store);
    appendFileSync(folder.path('a.ndjson'), '\n\nno json\n');
    await folder.run(store);
    const bad = Object.entries(await publishedOf(store, copyJob())).filter(([name]) => name.startsWith('_quarantine/'));
    expect(bad.map(([, text]) => text).join('')).toMatch(/"line":4/);
  });

  it('is refused when its last line went on after it was read', async () => {
    const { folder, store } = start({ 'a.ndjson': '{"id":1}\n2' });
    await folder.run(store);
    appendFileSync(folder.path('a.ndjson'), '3\n');
    await expect(folder.run(store)).rejects.toMatchObject(changed('a.ndjson'));
  });

  it.each([
    ['shortened', 'a.ndjson', lines(0, 10), lines(0, 9)],
    ['changed at its beginning', 'a.ndjson', lines(0, 10), lines(1, 11)],
    ['emptied', 'a.ndjson', lines(0, 10), ''],
    ['compressed, and longer', 'a.ndjson.gz', gzipSync(lines(0, 10)), gzipSync(lines(0, 11))],
    ['compressed, and other', 'a.ndjson.gz', gzipSync(lines(0, 10)), gzipSync(lines(5, 15))],
  ])('is refused when it was %s', async (_, name, before, after) => {
    const { folder, store } = start({ [name]: before });
    await folder.run(store);
    writeFileSync(folder.path(name), after);
    utimesSync(folder.path(name), new Date(1), new Date(1));
    await expect(folder.run(store, { moved: 'skip' })).rejects.toMatchObject(changed(name));
    expect(await idsIn(store)).toEqual(range(0, 10));
  });

  it('may be corrected behind what is planned of it', async () => {
    const { folder, store } = start({ 'a.ndjson': lines(0, 20) });
    const stop = new AbortController();
    await folder.run(store, { stop: stop.signal, onBatch: () => stop.abort() });
    const read = (await idsIn(store)).length;
    expect(read).toBeLessThan(19);
    folder.write('a.ndjson', `${lines(0, 19)}{"id":1900}\n`);
    await folder.run(store);
    expect(await idsIn(store)).toEqual([...range(0, 19), 1900]);
  });
});
