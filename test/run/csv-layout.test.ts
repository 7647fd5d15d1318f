/** Files without header, with separators of their own and times in other units, as a run reads them: all at once, in parts, grown and moved. */
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { count, job, type RunInput, type RunOptions, run, source, sum, tumbling } from '../../lib/index.ts';
import { newFolders } from '../helpers/new-folders.ts';

const newFolder = newFolders('csv-layout');

interface Click {
  readonly at: number;
  readonly user: string;
  readonly n: number;
}
const clicks = source<Click>('clicks', {
  csv: { delimiter: ';', header: ['at', 'user', 'n'] },
  eventTime: (c) => c.at,
  eventTimeUnit: 's',
  delay: '1 sec',
});
const clickJob = job(
  'clicks',
  clicks
    .keyBy((c) => c.user)
    .window(tumbling('1 min'))
    .aggregate({ clicks: count(), total: sum((c) => c.n) }),
  { partitions: 2, outputMode: 'append' },
);

/** Lines as a spreadsheet writes them: quoted where a cell holds the separator. */
const lines = (from: number, to: number, separator = ';'): string =>
  Array.from({ length: to - from }, (_, i) => from + i)
    .map((i) => [i, i % 3 === 0 ? `"a${separator}b"` : `u,${i % 3}`, i].join(separator))
    .map((line) => `${line}\r\n`)
    .join('');

/** `user minute clicks total`, of the rows [0, to), a second apart. */
function expected(to: number, separator = ';'): string[] {
  const windows = new Map<string, [number, number]>();
  for (let i = 0; i < to; i++) {
    const name = `${i % 3 === 0 ? `a${separator}b` : `u,${i % 3}`} ${Math.floor(i / 60)}`;
    const [before, total] = windows.get(name) ?? [0, 0];
    windows.set(name, [before + 1, total + i]);
  }
  return [...windows].map(([name, of]) => `${name} ${of.join(' ')}`).sort();
}

async function results(input: RunInput, options: Partial<RunOptions> & { store: string }, made = clickJob) {
  const given: string[] = [];
  const summary = await run(made, {
    inputs: { clicks: input },
    flush: true,
    batchRows: 17,
    onBatch(results) {
      expect(results.output).toBe('out');
      for (const r of results.rows as { key: string; windowStart: number; clicks: number; total: number }[]) {
        given.push(`${r.key} ${r.windowStart / 60_000} ${r.clicks} ${r.total}`);
      }
    },
    ...(options as object),
  }).done;
  return { summary, given: given.sort() };
}

it('files, compressed ones too, and streams of CSV', { timeout: 60_000 }, async () => {
  const folder = newFolder();
  writeFileSync(path.join(folder, 'a.csv'), lines(0, 50));
  writeFileSync(path.join(folder, 'b.csv.gz'), gzipSync(lines(50, 100)));
  writeFileSync(path.join(folder, 'c.tsv'), lines(100, 150));
  const files = await results(`${folder}/*`, { store: newFolder() });
  expect(files).toMatchObject({ summary: { rows: 150, quarantined: 0 }, given: expected(150) });
  const stream = await results({ from: [Buffer.from(lines(0, 150))], format: 'csv' }, { store: newFolder() });
  expect(stream.given).toEqual(expected(150));
});

it('a file that grows and one that is moved, from where the last run stopped', { timeout: 60_000 }, async () => {
  const folder = newFolder();
  const store = newFolder();
  const file = path.join(folder, 'a.csv');
  const all: string[] = [];
  writeFileSync(file, lines(0, 30));
  all.push(...(await results(`${folder}/*`, { store, flush: false })).given);
  appendFileSync(file, lines(30, 90));
  all.push(...(await results(`${folder}/*`, { store, flush: false })).given);
  renameSync(file, path.join(folder, 'moved.csv'));
  appendFileSync(path.join(folder, 'moved.csv'), lines(90, 150));
  const last = await results(`${folder}/*`, { store, moved: 'skip' });
  all.push(...last.given);
  expect(last.summary).toMatchObject({ rows: 60 });
  expect(all.sort()).toEqual(expected(150));
});

it('without names columns are called by their place; only the separator may be given, too', async () => {
  const folder = newFolder();
  writeFileSync(path.join(folder, 'a.csv'), lines(0, 40, '|'));
  const unnamed = source<Record<string, number>>('clicks', { csv: { delimiter: '|', header: false } });
  const withTime = unnamed.withEventTime((r) => r.column0! * 1000, { delay: 0 });
  const columns = job(
    'clicks',
    withTime
      .keyBy((r) => String(r.column1))
      .window(tumbling('1 min'))
      .aggregate({ clicks: count(), total: sum((r) => r.column2!) }),
  );
  const read = await results(`${folder}/*`, { store: newFolder() }, columns as unknown as typeof clickJob);
  expect(read.given).toEqual(expected(40, '|'));
  writeFileSync(path.join(folder, 'b.csv'), `at;user;n\n${lines(0, 40)}`);
  const headed = source<Click>('clicks', { csv: { delimiter: ';' }, eventTime: (c) => c.at * 1000, delay: 0 });
  const named = job(
    'clicks',
    headed
      .keyBy((c) => c.user)
      .window(tumbling('1 min'))
      .aggregate({ clicks: count(), total: sum((c) => c.n) }),
  );
  const head = await results(`${folder}/b.csv`, { store: newFolder() }, named as unknown as typeof clickJob);
  expect(head.given).toEqual(expected(40));
});
