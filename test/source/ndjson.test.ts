import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ndjsonFormat } from '../../lib/source/ndjson.ts';
import { decode, makeFile, readRows, readValues, seen } from './helpers.ts';

const format = ndjsonFormat({ path: 'test', plainJson: false });
const rowsOf = async (text: string | Uint8Array) => (await decode(format, text)).flatMap(seen);

describe('NDJSON', () => {
  test('any JSON value is a row; blank lines are none, but count as lines', async () => {
    const rows = await rowsOf('{"a":1}\n\n  \t\r\n[2]\r\n"x"\nnull\n7');
    expect(rows).toEqual([
      { row: 0, line: 1, value: { a: 1 } },
      { row: 1, line: 4, value: [2] },
      { row: 2, line: 5, value: 'x' },
      { row: 3, line: 6, value: null },
      { row: 4, line: 7, value: 7 },
    ]);
  });

  test('a byte order mark is dropped, and an empty file has no rows', async () => {
    expect(await rowsOf('\ufeff{"a":1}\n')).toEqual([{ row: 0, line: 1, value: { a: 1 } }]);
    for (const empty of ['', '\n', '\ufeff', ' ', '\r\n\r\n']) expect(await rowsOf(empty)).toEqual([]);
  });

  test('a line that does not parse is a bad row with reason, text and line', async () => {
    const rows = await rowsOf(`{"a":1}\n\n{"a":\n${'x'.repeat(900)}\n{"a":2}\n`);
    expect(rows.map(({ row, line }) => [row, line])).toEqual([
      [0, 1],
      [1, 3],
      [2, 4],
      [3, 5],
    ]);
    expect(rows[1]).toMatchObject({ value: 'BAD', text: '{"a":', reason: expect.stringMatching(/^not valid JSON/) });
    expect(rows[2]!.text).toHaveLength(500);
    expect(rows[3]!.value).toEqual({ a: 2 });
  });

  test('damage in two lines never makes a row that no line holds', async () => {
    const rows = await rowsOf('[1\n2],3\n{"a":1},{"b":2}\n4\n');
    expect(rows.map(({ value }) => value)).toEqual(['BAD', 'BAD', 'BAD', 4]);
  });

  test('bytes that are not UTF-8 make a bad row, and only of their line', async () => {
    const bad = Buffer.concat([Buffer.from('{"ä":1}\n{"a":"x'), Buffer.from([0xff]), Buffer.from('"}\n{"ö":2}\n')]);
    const rows = await rowsOf(bad);
    expect(rows.map(({ value }) => value)).toEqual([{ ä: 1 }, 'BAD', { ö: 2 }]);
    expect(rows[1]).toMatchObject({
      reason: 'not valid UTF-8 at byte 8 of the record',
      text: '{"a":"x\ufffd"}',
      line: 2,
    });
  });

  test('hostile lines neither throw nor change prototypes', async () => {
    const deep = '['.repeat(200_000);
    const rows = await rowsOf(`${deep}\n{"__proto__":{"polluted":1}}\n\0\n{"a":1e999}\n`);
    expect(rows.map(({ value }) => value === 'BAD')).toEqual([true, false, true, false]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test('a line over the limit is a bad row however the blocks fall, one at the limit is not', async () => {
    const small = ndjsonFormat({ path: 'test', plainJson: false, maxBytes: 10 });
    const text = '"1234567"\n"12345678"\n"123456789"\n"ä"\n"12345678901234567890"\n1';
    for (let size = 1; size < 40; size++) {
      const rows = (await decode(small, text, { blockBytes: [size] })).flatMap(seen);
      expect(rows.map(({ value }) => value)).toEqual(['1234567', '12345678', 'BAD', 'ä', 'BAD', 1]);
      expect(rows[2]!.reason).toBe('the line is longer than 10 bytes');
      expect(rows.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });

  test('UTF-16 is refused', async () => {
    await expect(rowsOf(Buffer.from('\ufeff{"a":1}\n', 'utf16le'))).rejects.toMatchObject({ code: 'INPUT_FORMAT' });
  });

  test('.json is NDJSON; an array or a pretty-printed document is refused with the way out', async () => {
    expect(await readValues(await makeFile('a.json', '{"a":1}\n{"a":2}\n'))).toEqual([{ a: 1 }, { a: 2 }]);
    for (const document of ['[{"a":1},\n{"a":2}]', '{\n  "a": 1\n}\n', '\ufeff \n [1]']) {
      const path = await makeFile('a.json', document);
      await expect(readRows(path)).rejects.toMatchObject({
        code: 'INPUT_FORMAT',
        message: expect.stringContaining('jq -c'),
      });
    }
    expect(await readValues(await makeFile('a.jsonl', '[1]\n'))).toEqual([[1]]);
  });

  test('any cut into blocks, any first and last row and any chunk size give the same rows, lines and offsets', async () => {
    const small = ndjsonFormat({ path: 'test', plainJson: false, maxBytes: 60 });
    const line = fc.oneof(
      fc.json({ maxDepth: 1 }).map((text) => Buffer.from(text)),
      fc.constantFrom('', ' ', '\r', '{"a":', '{"ä€😀":"é"}', '"\ufffd"').map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes.map((b) => (b === 10 ? 11 : b)))),
    );
    const lines = fc.array(line, { maxLength: 12 });
    const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        lines,
        fc.boolean(),
        cuts,
        fc.nat(8),
        fc.nat(8),
        fc.integer({ min: 1, max: 4 }),
        async (parts, end, blockBytes, fromRow, count, chunkRows) => {
          const text = Buffer.concat(
            parts.flatMap((part, i) => (i === parts.length - 1 && !end ? [part] : [part, Buffer.from('\n')])),
          );
          if (text[0] === 0xff || text[0] === 0xfe) return; // may be the mark of UTF-16
          const whole = (await decode(small, text)).flatMap(seen);
          const chunks = await decode(small, text, { blockBytes, fromRow, toRow: fromRow + count, chunkRows });
          expect(chunks.flatMap(seen)).toEqual(whole.slice(fromRow, fromRow + count));
          chunks.forEach((chunk, i) => {
            expect(chunk.rows.length).toBeLessThanOrEqual(chunkRows);
            if (i > 0) expect(chunk.start).toEqual(chunks[i - 1]!.end);
            expect(chunk.bytes).toBe(chunk.end.offset! - chunk.start.offset!);
            const again = text.subarray(chunk.start.offset, chunk.end.offset);
            const bom = again[0] === 0xef && chunk.start.offset === 0;
            expect(again.length).toBe(bom ? again.length : chunk.bytes);
          });
        },
      ),
      { numRuns: 600 },
    );
  });

  test('a line that is too deep or too wide is a bad row', async () => {
    const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 100_001 }, (_, i) => [i, 0])));
    const path = await makeFile('deep.ndjson', `${deep(500)}\n${deep(501)}\n${deep(200_000)}\n${wide}\n1\n`);
    const rows = await readRows(path);
    expect(rows.map(({ value }) => (Array.isArray(value) ? 'deep' : value))).toEqual(['deep', 'BAD', 'BAD', 'BAD', 1]);
    expect(rows[1]!.reason).toBe('the row is nested more than 500 levels deep');
    expect(rows[3]!.reason).toBe('an object of the row has more than 100000 properties');
  });

  test('texts and reasons of bad rows hold no half of a pair', async () => {
    const lines = Array.from({ length: 8 }, (_, i) => `{"a":${' '.repeat(i)}💥${'💥'.repeat(400)}`);
    for (const row of await readRows(await makeFile('cut.ndjson', lines.join('\n')))) {
      expect(row.text!.isWellFormed()).toBe(true);
      expect(row.text!.length).toBeGreaterThan(498);
      expect(row.reason!.isWellFormed()).toBe(true);
    }
  });
});
