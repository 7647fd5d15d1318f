/** `--watch`: what happens in the folder while the job waits. Each poll is a step of the test, so nothing depends on time. */
import { appendFileSync, cpSync, renameSync, truncateSync, utimesSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import type { Moved } from '../../lib/embedded/planned-files.ts';
import type { RunEnd } from '../../lib/embedded/run-job.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FastClock } from '../helpers/engine.ts';
import { Folder, idsIn, lines, range } from '../helpers/folder.ts';

const folders: Folder[] = [];
afterAll(() => folders.forEach((folder) => void folder.remove()));

/** Watches a folder; before each poll one of the steps is done, and after the last the run is stopped. */
async function watching(
  steps: readonly ((folder: Folder) => void)[],
  options: { moved?: Moved; flush?: boolean; store?: MemoryStore; folder?: Folder } = {},
): Promise<{ folder: Folder; store: MemoryStore; end: Promise<RunEnd> }> {
  const folder = options.folder ?? new Folder();
  folders.push(folder);
  const store = options.store ?? new MemoryStore({ clock: new FastClock() });
  const stop = new AbortController();
  const left = [...steps];
  const find = async () => {
    const step = left.shift();
    if (step === undefined) stop.abort();
    step?.(folder);
    return folder.find();
  };
  const { moved, flush } = options;
  const end = folder.run(store, { watch: { pollMs: 1, find }, stop: stop.signal, moved, flush });
  await end.catch(() => {});
  return { folder, store, end };
}

const nothing = (): void => {};

describe('files that are watched', () => {
  it('come later, and grow: whole lines are read as they come', async () => {
    const { store, end } = await watching([
      (f) => f.write('a.ndjson', lines(0, 3)),
      (f) => appendFileSync(f.path('a.ndjson'), lines(3, 5)),
      (f) => f.write('b.csv', 'id\n100\n'),
      (f) => appendFileSync(f.path('b.csv'), '101\n'),
      (f) => appendFileSync(f.path('a.ndjson'), `\n\n${lines(5, 6)}`),
      nothing,
    ]);
    await end;
    expect(await idsIn(store)).toEqual([...range(0, 6), 100, 101]);
  });

  it('a last line waits for its line end, and is a row for a run that does not watch', async () => {
    const { folder, store, end } = await watching([
      (f) => f.write('a.ndjson', `${lines(0, 2)}{"id"`),
      nothing,
      (f) => appendFileSync(f.path('a.ndjson'), ':2}'),
      nothing,
      (f) => appendFileSync(f.path('a.ndjson'), '\n{"id":3}'),
      nothing,
    ]);
    await end;
    expect(await idsIn(store)).toEqual([0, 1, 2]);
    await folder.run(store);
    expect(await idsIn(store)).toEqual([0, 1, 2, 3]);
    // And what was read so may go on behind a line end.
    appendFileSync(folder.path('a.ndjson'), '\n{"id":4}\n');
    await (await watching([nothing], { folder, store })).end;
    expect(await idsIn(store)).toEqual([0, 1, 2, 3, 4]);
  });

  it('a cell with line ends in it is read when it is whole', async () => {
    const { store, end } = await watching([
      (f) => f.write('a.csv', 'id,text\n0,"a\n'),
      (f) => appendFileSync(f.path('a.csv'), 'b"\n1,c\n2'),
      (f) => appendFileSync(f.path('a.csv'), ',"d"\n'),
    ]);
    await end;
    expect(await idsIn(store)).toEqual([0, 1, 2]);
  });

  it.each([
    ['shortened', (f: Folder) => truncateSync(f.path('a.ndjson'), 9)],
    ['emptied', (f: Folder) => truncateSync(f.path('a.ndjson'))],
    ['rewritten', (f: Folder) => f.write('a.ndjson', lines(7, 12))],
  ])('one that is %s is refused by name, at once', async (_, change) => {
    const after: string[] = [];
    const { end } = await watching([
      (f) => f.write('a.ndjson', lines(0, 3)),
      nothing,
      change,
      nothing,
      () => after.push('went on'),
    ]);
    await expect(end).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
      message: expect.stringContaining('a.ndjson was changed after 3 of its rows'),
    });
    expect(after).toEqual([]);
  });

  it('a compressed one that gets more is refused by name', async () => {
    const { end } = await watching([
      (f) => f.write('a.ndjson.gz', gzipSync(lines(0, 3))),
      (f) => appendFileSync(f.path('a.ndjson.gz'), gzipSync(lines(3, 4))),
      nothing,
      nothing,
    ]);
    await expect(end).rejects.toMatchObject({
      code: 'INPUT_CHANGED',
      message: expect.stringContaining('a.ndjson.gz'),
    });
  });

  it('one that is only touched is left alone', async () => {
    const { store, end } = await watching([
      (f) => f.write('a.ndjson', lines(0, 3)),
      (f) => utimesSync(f.path('a.ndjson'), 1, 1),
      (f) => utimesSync(f.path('a.ndjson'), 2, 2),
    ]);
    await end;
    expect(await idsIn(store)).toEqual([0, 1, 2]);
  });

  it.each([
    ['renamed', (f: Folder) => renameSync(f.path('app.ndjson'), f.path('app.1.ndjson'))],
    [
      'copied and truncated',
      (f: Folder) => {
        cpSync(f.path('app.ndjson'), f.path('app.1.ndjson'));
        truncateSync(f.path('app.ndjson'));
      },
    ],
  ])('a log that is %s when it is rotated goes on under its name', async (_, rotate) => {
    const steps = [
      (f: Folder) => f.write('app.ndjson', lines(0, 3)),
      (f: Folder) => {
        appendFileSync(f.path('app.ndjson'), lines(3, 4));
        rotate(f);
      },
      (f: Folder) => appendFileSync(f.path('app.ndjson'), lines(4, 5)),
      (f: Folder) => appendFileSync(f.path('app.ndjson'), lines(5, 6)),
    ];
    const asked = await watching(steps);
    await expect(asked.end).rejects.toMatchObject({
      code: 'INPUT_MOVED',
      message: expect.stringContaining('app.1.ndjson'),
    });
    const { store, end } = await watching(steps, { moved: 'skip' });
    await end;
    expect(await idsIn(store)).toEqual(range(0, 6));
  });

  it('a log whose rotation is seen half done goes on, too', async () => {
    const { store, end } = await watching(
      [
        (f) => f.write('app.ndjson', lines(0, 3)),
        // The new file is there, and the listing was made before the old one had its new name.
        (f) => {
          renameSync(f.path('app.ndjson'), f.path('.app'));
          f.write('app.ndjson', lines(3, 4));
        },
        (f) => renameSync(f.path('.app'), f.path('app.1.ndjson')),
        nothing,
      ],
      { moved: 'skip' },
    );
    await end;
    expect(await idsIn(store)).toEqual(range(0, 4));
  });
});
