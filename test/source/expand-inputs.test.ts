import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { expandInputs } from '../../lib/source/index.ts';
import { makeDirectory } from './helpers.ts';

async function makeFiles(names: readonly string[]): Promise<string> {
  const directory = await makeDirectory();
  for (const name of names) {
    await mkdir(join(directory, name, '..'), { recursive: true });
    await writeFile(join(directory, name), '1\n');
  }
  return directory;
}

const namesOf = async (patterns: string[], cwd: string) =>
  (await expandInputs(patterns, cwd)).map(({ path }) => path.slice(path.indexOf(cwd) + cwd.length + 1));

describe('expandInputs', () => {
  test('a name that is not UTF-8 is told of if it matches, and stops no glob', async () => {
    const cwd = await makeFiles(['a.ndjson', 'c\ufffd.ndjson', 'd.ndjson']);
    const name = Buffer.concat([Buffer.from(join(cwd, 'b')), Buffer.from([0xff]), Buffer.from('.ndjson')]);
    await writeFile(name, '1\n');
    const told: string[] = [];
    const files = await expandInputs(['*.ndjson'], cwd, (error) => void told.push(error.message));
    expect(files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1))).toEqual([
      'a.ndjson',
      'c\ufffd.ndjson',
      'd.ndjson',
    ]);
    expect(told).toEqual([expect.stringMatching(/b\ufffd\.ndjson is not read: its name is not UTF-8/)]);
    expect(await namesOf(['[ad].ndjson'], cwd)).toEqual(['a.ndjson', 'd.ndjson']);
    await expect(expandInputs(['*.ndjson'], cwd)).rejects.toMatchObject({
      code: 'INPUT_UNREADABLE',
      message: expect.stringContaining('not UTF-8'),
    });
  });

  test('patterns in the order given, files by path in code-unit order, each once', async () => {
    const cwd = await makeFiles([
      'd/10.csv',
      'd/9.csv',
      'd/Z.csv',
      'd/a.csv',
      'd/.hidden.csv',
      'e/deep/x.csv',
      'b.csv',
    ]);
    expect(await namesOf(['d/*.csv'], cwd)).toEqual(['d/10.csv', 'd/9.csv', 'd/Z.csv', 'd/a.csv']);
    expect(await namesOf(['b.csv', 'e/**/*.csv', 'd/a.csv', 'd/*.csv', join(cwd, 'b.csv')], cwd)).toEqual([
      'b.csv',
      'e/deep/x.csv',
      'd/a.csv',
      'd/10.csv',
      'd/9.csv',
      'd/Z.csv',
    ]);
    expect(await namesOf(['{b,d/9}.csv', './d/../b.csv'], cwd)).toEqual(['b.csv', 'd/9.csv']);
    expect(await expandInputs([], cwd)).toEqual([]);
  });

  test('gives size and modification time of what a link leads to', async () => {
    const cwd = await makeFiles(['a.csv']);
    await symlink('a.csv', join(cwd, 'link.csv'));
    expect(await expandInputs(['link.csv', '*.csv'], cwd)).toEqual([
      { path: expect.stringMatching(/\/a\.csv$/), size: 2, mtimeMs: expect.any(Number) },
    ]);
  });

  test('a path that exists is taken as it is, whatever characters it has', async () => {
    const cwd = await makeFiles(['data [1]*.csv', 'data 1x.csv']);
    expect(await namesOf(['data [1]*.csv'], cwd)).toEqual(['data [1]*.csv']);
  });

  test('what matches nothing says where it looked and what is there', async () => {
    const cwd = await makeFiles(['data/flights.ndjson.gz', 'data/weather.csv']);
    const message = async (pattern: string) =>
      ((await expandInputs([pattern], cwd).catch((e: Error) => e)) as Error).message;
    const missing = expandInputs(['data/flihgts.ndjson.gz'], cwd);
    await expect(missing).rejects.toMatchObject({ code: 'INPUT_MISSING', sourceObject: 'data/flihgts.ndjson.gz' });
    expect(await message('data/flihgts.ndjson.gz')).toMatch(
      /no file data\/flihgts.*looked in .*\/data.*There: flights\.ndjson\.gz/,
    );
    expect(await message('data/*.json')).toMatch(
      /No file matches data\/\*\.json \(looked in .*\/data\)\. There: .*weather\.csv/,
    );
    expect(await message('dta/*.csv')).toMatch(/no directory .*\/dta;.*There: data/);
    expect(await message('')).toMatch(/./);
    expect(await message('~/x.csv')).toContain('~ is not expanded');
    expect(await message('s3://bucket/x.csv')).toContain('URL');
    expect(await message('data')).toMatch(/is a directory.*'data\/\*\*\/\*\.ndjson'/);
    await symlink('nowhere.csv', join(cwd, 'dangling.csv'));
    expect(await message('dangling.csv')).toContain('no file');
  });

  test('a match that cannot be read stops it', async () => {
    const cwd = await makeFiles(['d/a.csv', 'd/_SUCCESS']);
    await expect(expandInputs(['d/*'], cwd)).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('_SUCCESS'),
    });
  });
});
