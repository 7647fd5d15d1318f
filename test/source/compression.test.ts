import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decompress } from '../../lib/source/decompress.ts';
import { fixture, makeFile, plainRows, readRows, readValues, toNdjson } from './helpers.ts';

const text = toNdjson(plainRows);
const half = text.indexOf('\n', text.length / 2) + 1;

async function unpack(bytes: Uint8Array, kind: 'gzip' | 'zstd', blockBytes: number): Promise<Buffer> {
  async function* blocks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += blockBytes) yield Buffer.from(bytes.subarray(at, at + blockBytes));
  }
  const out: Buffer[] = [];
  for await (const block of decompress(blocks(), kind)) out.push(Buffer.from(block));
  return Buffer.concat(out);
}

describe('gzip', () => {
  const members = Buffer.concat([gzipSync(text.slice(0, half)), gzipSync(''), gzipSync(text.slice(half))]);

  test('several members are one text, wherever the blocks are cut', async () => {
    expect(await readValues(await makeFile('a.ndjson.gz', members))).toEqual(plainRows);
    for (const size of [1, 7, 10, 64, members.length - 1])
      expect((await unpack(members, 'gzip', size)).toString()).toBe(text);
    for (let at = 1; at < members.length; at += 13) {
      expect((await unpack(members, 'gzip', at)).toString()).toBe(text);
    }
  });

  test('members after padding are read, wherever the blocks are cut, as Python reads them', async () => {
    const [first, second] = [gzipSync(text.slice(0, half)), gzipSync(text.slice(half))];
    for (const padding of [1, 3, 512, 70_000]) {
      const zeros = Buffer.alloc(padding);
      const padded = Buffer.concat([first, zeros, gzipSync(''), second, zeros]);
      expect(await readValues(await makeFile('a.ndjson.gz', padded))).toEqual(plainRows);
      for (const size of [7, first.length, first.length + 1, first.length + padding, padded.length - 1, 65_536])
        expect((await unpack(padded, 'gzip', size)).toString()).toBe(text);
    }
  });

  test('what follows a member and is none, also behind padding, is INPUT_CORRUPT', async () => {
    for (const padding of [0, 1, 300]) {
      for (const garbage of ['garbage', '{"i":1}', '\x1f\x8c4567890123']) {
        const bytes = Buffer.concat([gzipSync(text), Buffer.alloc(padding), Buffer.from(garbage, 'latin1')]);
        await expect(readRows(await makeFile('a.ndjson.gz', bytes))).rejects.toMatchObject({ code: 'INPUT_CORRUPT' });
      }
      const begun = Buffer.concat([gzipSync(text), Buffer.alloc(padding), gzipSync(text).subarray(0, 9)]);
      await expect(readRows(await makeFile('b.ndjson.gz', begun))).rejects.toMatchObject({ code: 'INPUT_TRUNCATED' });
    }
    const onlyZeros = await makeFile('zeros.ndjson.gz', Buffer.alloc(100));
    await expect(readRows(onlyZeros)).rejects.toMatchObject({ code: 'INPUT_CORRUPT' });
  });

  test('reading that ends early lets go of the file', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => ({ i }));
    const path = await makeFile(
      'long.ndjson.gz',
      Buffer.concat([gzipSync(toNdjson(rows)), Buffer.alloc(9), gzipSync(toNdjson(rows))]),
    );
    expect((await readRows(path, { fromRow: 49_990, toRow: 50_010 })).map(({ value }) => value)).toEqual([
      ...rows.slice(-10),
      ...rows.slice(0, 10),
    ]);
    expect((await readRows(path, { toRow: 3 })).length).toBe(3);
  });

  test('cut off at any byte it is INPUT_TRUNCATED, naming file, rows read and what to do', async () => {
    const whole = gzipSync(text);
    for (const size of [1, 5, 17, 100, whole.length - 9, whole.length - 1]) {
      const path = await makeFile('cut.ndjson.gz', whole.subarray(0, size));
      await expect(readRows(path)).rejects.toMatchObject({
        code: 'INPUT_TRUNCATED',
        sourceObject: path,
        message: expect.stringMatching(/cut\.ndjson\.gz ends in the middle.* \d+ rows before.*rename/),
      });
    }
  });

  test('rows before the damage are given, and counted in the message', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i) => ({ i, x: randomBytes(8).toString('hex') }));
    const whole = gzipSync(toNdjson(rows));
    const path = await makeFile('cut.ndjson.gz', whole.subarray(0, whole.length - 1000));
    let read = 0;
    const { fileRef, openRows } = await import('../../lib/source/index.ts');
    const reading = (async () => {
      for await (const chunk of openRows(await fileRef(path))) {
        expect(chunk.rows).toEqual(rows.slice(read, read + chunk.rows.length));
        read += chunk.rows.length;
      }
    })();
    const error = await reading.catch((thrown: Error) => thrown);
    expect(read).toBeGreaterThan(20_000);
    expect((error as Error).message).toContain(` ${read} rows`);
  });

  test('flipped bits, bytes after the end and what is no gzip are INPUT_CORRUPT; zeros after the end are padding', async () => {
    const whole = gzipSync(text);
    const flipped = Buffer.from(whole);
    flipped[whole.length - 6]! ^= 1;
    for (const bytes of [flipped, Buffer.concat([whole, Buffer.from('garbage')]), Buffer.from(text)]) {
      await expect(readRows(await makeFile('a.ndjson.gz', bytes))).rejects.toMatchObject({ code: 'INPUT_CORRUPT' });
    }
    expect(await readValues(await makeFile('a.ndjson.gz', Buffer.concat([whole, Buffer.alloc(512)])))).toEqual(
      plainRows,
    );
  });

  test('an empty file and an empty member have no rows', async () => {
    expect(await readRows(await makeFile('a.ndjson.gz', ''))).toEqual([]);
    expect(await readRows(await makeFile('a.ndjson.zst', ''))).toEqual([]);
    expect(await readRows(await makeFile('a.csv.gz', gzipSync('')))).toEqual([]);
  });
});

describe('zstd', () => {
  test('several frames, one skippable, are one text, wherever the blocks are cut', async () => {
    const bytes = await readFile(fixture('plain.ndjson.zst'));
    expect(await readValues(fixture('plain.ndjson.zst'))).toEqual(plainRows);
    for (const size of [1, 2, 3, 17, 100, 700]) {
      const rows = (await unpack(bytes, 'zstd', size))
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(rows).toEqual(plainRows);
    }
  });

  test('cut off is INPUT_TRUNCATED, damaged INPUT_CORRUPT', async () => {
    const bytes = await readFile(fixture('plain.ndjson.zst'));
    const path = await makeFile('a.ndjson.zst', '');
    for (const size of [1, 4, 6, 30, 200, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, size));
      await expect(readRows(path)).rejects.toMatchObject({ code: 'INPUT_TRUNCATED' });
    }
    await writeFile(path, text);
    await expect(readRows(path)).rejects.toMatchObject({ code: 'INPUT_CORRUPT' });
    await writeFile(path, Buffer.concat([bytes, Buffer.from('some garbage at the end')]));
    await expect(readRows(path)).rejects.toMatchObject({ code: 'INPUT_CORRUPT' });
  });
});
