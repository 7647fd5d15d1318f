import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { detectFormat, type EndOfFile, fileRef, hashFile, openRows, type RowChunk } from '../../lib/source/index.ts';
import { fixture, makeDirectory, makeFile, plainRows, readRows, readValues, toNdjson } from './helpers.ts';

const ndjson = toNdjson(plainRows);
const csv = `id,name,price,ok\n${plainRows.map((r) => `${r.id},${r.name ?? ''},${r.price},${r.ok}\n`).join('')}`;
const openFiles = async () => (await readdir('/proc/self/fd')).length;

async function readAll(path: string): Promise<RowChunk[]> {
  const chunks: RowChunk[] = [];
  for await (const chunk of openRows(await fileRef(path), { chunkRows: 9 })) chunks.push(chunk);
  return chunks;
}

describe('openRows', () => {
  test('the same data give the same rows in every format and compression, from any row on', async () => {
    const directory = await makeDirectory();
    const files: Record<string, string | Buffer> = {
      'a.ndjson': ndjson,
      'a.JSONL': ndjson,
      'a.json': ndjson,
      'a.ndjson.gz': gzipSync(ndjson),
      'a.csv': csv,
      'a.tsv': csv.replaceAll(',', '\t'),
      'a.csv.gz': gzipSync(csv),
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
    const paths = [
      ...Object.keys(files).map((name) => join(directory, name)),
      fixture('plain.ndjson.zst'),
      fixture('plain-zstd.parquet'),
    ];
    for (const path of paths) {
      expect(await readValues(path)).toEqual(plainRows);
      for (const fromRow of [1, 50, 99, 100, 1000]) {
        const rows = await readRows(path, { fromRow, toRow: fromRow + 20, chunkRows: 8 });
        expect(rows.map(({ row, value }) => [row, value])).toEqual(
          plainRows.slice(fromRow, fromRow + 20).map((r) => [r.id, r]),
        );
      }
      let end: EndOfFile | undefined;
      for await (const _ of openRows(await fileRef(path), {
        fromRow: 500,
        onEnd: (e) => {
          end = e;
        },
      }));
      const hash = path.endsWith('.parquet')
        ? undefined
        : createHash('sha256')
            .update(await readFile(path))
            .digest('hex');
      expect(end).toEqual({ rows: 100, sha256: hash });
    }
  });

  test('a position leads back to the same rows by a seek; without offsets it still does', async () => {
    for (const name of ['a.ndjson', 'a.csv', 'a.csv.gz', 'a.ndjson.gz']) {
      const text = name.includes('csv') ? csv : ndjson;
      const path = await makeFile(name, name.endsWith('gz') ? gzipSync(text) : text);
      const all = await readRows(path);
      for (const { start, end } of await readAll(path)) {
        expect(start.offset === undefined).toBe(name.endsWith('gz'));
        for (const fromRow of [start.row, start.row + 3, end.row]) {
          expect(await readRows(path, { near: start, fromRow })).toEqual(all.slice(fromRow));
        }
      }
    }
  });

  test('a seek does not read what comes before', async () => {
    const path = await makeFile('a.ndjson', `${'x'.repeat(3_000_000)}\n{"a":1}\n`);
    const near = { row: 1, line: 2, offset: 3_000_001 };
    expect(await readRows(path, { near, fromRow: 1 })).toEqual([{ row: 1, line: 2, value: { a: 1 } }]);
  });

  test('a file that changed since it was planned is INPUT_CHANGED, also while it is read', async () => {
    const path = await makeFile('a.ndjson', ndjson.repeat(400));
    const file = await fileRef(path);
    await utimes(path, 1, 1);
    await expect(openRows(file).next()).rejects.toMatchObject({ code: 'INPUT_CHANGED', sourceObject: file.path });

    for (const name of ['b.ndjson', 'b.ndjson.gz']) {
      const big = await makeFile(
        name,
        name.endsWith('gz') ? gzipSync(ndjson.repeat(400), { level: 0 }) : ndjson.repeat(400),
      );
      const rows = openRows(await fileRef(big));
      await rows.next();
      await appendFile(big, '{}\n');
      await expect(
        (async () => {
          for await (const _ of rows);
        })(),
      ).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
    }
  });

  test('a missing file, a directory and an unknown extension say so', async () => {
    const directory = await makeDirectory();
    const file = await fileRef(await makeFile('a.ndjson', '1\n'));
    await rm(file.path);
    await expect(openRows(file).next()).rejects.toMatchObject({ code: 'INPUT_MISSING' });
    await expect(fileRef(directory)).rejects.toMatchObject({
      code: 'INPUT_UNREADABLE',
      message: expect.stringContaining('glob'),
    });
    for (const name of ['a.txt', 'a', 'a.gz', '.ndjson.bak', 'a.parquet.gz', 'a.constructor', 'a.ndjson.bz2']) {
      expect(() => detectFormat(`/x.csv/${name}`)).toThrow(/Known are \.ndjson/);
    }
  });

  test('ending early or aborting closes the file', async () => {
    for (const name of ['a.ndjson', 'a.ndjson.gz']) {
      const path = await makeFile(name, name.endsWith('gz') ? gzipSync(ndjson.repeat(400)) : ndjson.repeat(400));
      const before = await openFiles();
      for (let i = 0; i < 20; i++) for await (const _ of openRows(await fileRef(path), { chunkRows: 10 })) break;
      const abort = new AbortController();
      const rows = openRows(await fileRef(path), { chunkRows: 10, signal: abort.signal });
      await rows.next();
      abort.abort(new Error('enough'));
      await expect(rows.next()).rejects.toThrow('enough');
      expect(await openFiles()).toBeLessThanOrEqual(before);
    }
  });

  test('memory does not grow with the file: 120 MB of rows through gzip and a heap of 40 MB', async () => {
    const row = `${JSON.stringify({ id: 1, text: 'x'.repeat(150) })}\n`;
    const path = await makeFile(
      'big.ndjson.gz',
      Buffer.concat(Array(12).fill(gzipSync(row.repeat(60_000), { level: 1 }))),
    );
    const module = fileURLToPath(new URL('../../lib/source/index.ts', import.meta.url));
    const script = `
      const { fileRef, openRows } = await import(${JSON.stringify(module)});
      let rows = 0;
      for await (const chunk of openRows(await fileRef(${JSON.stringify(path)}))) rows += chunk.rows.length;
      console.log(JSON.stringify({ rows, rssMb: process.resourceUsage().maxRSS / 1024 }));`;
    const child = spawnSync(process.execPath, [
      '--max-old-space-size=40',
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      script,
    ]);
    expect(child.stderr.toString()).toBe('');
    const { rows, rssMb } = JSON.parse(child.stdout.toString()) as { rows: number; rssMb: number };
    expect(rows).toBe(720_000);
    expect(rssMb).toBeLessThan(300);
  });
});

describe('hashFile', () => {
  test('is SHA-256 of the beginning of the raw bytes', async () => {
    const bytes = Buffer.alloc(1_000_000, 'abc');
    const path = await makeFile('a.ndjson', bytes);
    for (const size of [0, 1, 300_000, 1_000_000, undefined]) {
      expect(await hashFile(path, size)).toBe(createHash('sha256').update(bytes.subarray(0, size)).digest('hex'));
    }
    await expect(hashFile(path, 1_000_001)).rejects.toMatchObject({ code: 'INPUT_CHANGED' });
  });
});
