import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { csvFormat } from '../../lib/source/csv.ts';
import { cellValue } from '../../lib/source/csv-cells.ts';
import { fileRef, openRows, type RowChunk } from '../../lib/source/index.ts';
import { decode, makeFile, readRows, seen } from './helpers.ts';

const rowsOf = async (text: string | Uint8Array, maxBytes = 1000) =>
  (await decode(csvFormat({ path: 'test', delimiter: ',', maxBytes }), text)).flatMap(seen);

describe('CSV', () => {
  test('cells become null, booleans, exact numbers or text', () => {
    const values: [string, unknown][] = [
      ['', null],
      ['true', true],
      ['False', false],
      ['TRUE', true],
      ['tRue', 'tRue'],
      ['0', 0],
      ['-0', 0],
      ['-12', -12],
      ['1.50', 1.5],
      ['0.1', 0.1],
      ['1e3', 1000],
      ['-2.5E-3', -0.0025],
      ['007', '007'],
      ['+1', '+1'],
      ['.5', '.5'],
      ['5.', '5.'],
      ['1_000', '1_000'],
      ['0x10', '0x10'],
      [' 1', ' 1'],
      ['9007199254740991', 9007199254740991],
      ['9007199254740992', '9007199254740992'],
      ['-9007199254740993', '-9007199254740993'],
      ['1e999', '1e999'],
      ['NaN', 'NaN'],
      ['Infinity', 'Infinity'],
      ['-', '-'],
      ['2013-01-01', '2013-01-01'],
      ['null', 'null'],
    ];
    for (const [cell, value] of values) expect([cell, cellValue(cell)]).toEqual([cell, value]);
  });

  test('quoted cells hold separators, newlines and quotes, and lines are counted through them', async () => {
    const rows = await rowsOf(
      '\ufeffa,b\r\n1,"x, ""y"""\r\n\r\n2,"two\r\nlines"\r\n3,"ä\n\n"\r\n4,5" pipe\r\n5,""\r\n6,z',
    );
    expect(rows).toEqual([
      { row: 0, line: 2, value: { a: 1, b: 'x, "y"' } },
      { row: 1, line: 4, value: { a: 2, b: 'two\r\nlines' } },
      { row: 2, line: 6, value: { a: 3, b: 'ä\n\n' } },
      { row: 3, line: 9, value: { a: 4, b: '5" pipe' } },
      { row: 4, line: 10, value: { a: 5, b: null } },
      { row: 5, line: 11, value: { a: 6, b: 'z' } },
    ]);
  });

  test('a separator, names of columns, or none, as the source says, wherever blocks end and reading begins', async () => {
    const text = '1;"a;""b"\r\n\r\n2;x,y\n3;ä;z\n4;true';
    const layouts: [false | string[] | undefined, unknown[]][] = [
      [
        ['n', 's'],
        [{ n: 1, s: 'a;"b' }, { n: 2, s: 'x,y' }, '3 cells, but the job names 2', { n: 4, s: true }],
      ],
      [
        false,
        [
          { column0: 1, column1: 'a;"b' },
          { column0: 2, column1: 'x,y' },
          { column0: 3, column1: 'ä', column2: 'z' },
          { column0: 4, column1: true },
        ],
      ],
      [undefined, [{ 1: 2, 'a;"b': 'x,y' }, '3 cells, but the header has 2', { 1: 4, 'a;"b': true }]],
    ];
    for (const [header, wanted] of layouts) {
      for (const blockBytes of [1, 2, 5, 100]) {
        for (let fromRow = 0; fromRow < wanted.length; fromRow++) {
          const format = csvFormat({ path: 'test', delimiter: ';', header, maxBytes: 1000 });
          const rows = (await decode(format, text, { blockBytes: [blockBytes], fromRow })).flatMap(seen);
          expect(rows.map(({ value, reason }) => reason ?? value)).toEqual(wanted.slice(fromRow));
          expect(rows[0]!.row).toBe(fromRow);
        }
      }
    }
    for (const delimiter of ['\t', '|', ' ', '\x01']) {
      const path = await makeFile('x.csv', `a${delimiter}1\n`);
      expect(await readRows(path, { form: { csv: { delimiter, header: ['s', 'n'] } } })).toMatchObject([
        { line: 1, value: { s: 'a', n: 1 } },
      ]);
    }
  });

  test('ragged rows, damaged quotes and bytes that are not UTF-8 cost one line each', async () => {
    const bytes = Buffer.concat([
      Buffer.from('a,b\n1\n1,2,3\n"x"y,2\n4,"never closed\n5,6\n'),
      Buffer.from([0x37, 0x2c, 0xff, 0x0a]),
      Buffer.from('8,9\n'),
    ]);
    const rows = await rowsOf(bytes);
    expect(rows.map(({ line, value, reason }) => [line, reason ?? value])).toEqual([
      [2, '1 cells, but the header has 2'],
      [3, '3 cells, but the header has 2'],
      [4, 'text after the closing quote at character 3; quotes inside a cell are doubled'],
      [5, 'the quote at character 3 is not closed'],
      [6, { a: 5, b: 6 }],
      [7, 'not valid UTF-8 at byte 3 of the record'],
      [8, { a: 8, b: 9 }],
    ]);
    expect(rows[3]!.text).toBe('4,"never closed');
  });

  test('a quote that is not closed within the limit costs one line, with bounded memory', async () => {
    const tail = Array.from({ length: 50 }, (_, i) => `${i},x`).join('\n');
    const rows = await rowsOf(`a,b\n1,"open\n${tail}\n"","\n`, 64);
    expect(rows[0]).toMatchObject({ line: 2, reason: 'the quote at character 3 is not closed' });
    expect(rows.slice(1, 51).map(({ value }) => value)).toEqual(
      Array.from({ length: 50 }, (_, i) => ({ a: i, b: 'x' })),
    );
  });

  test('a header that cannot be used is refused; empty names get one', async () => {
    expect((await rowsOf(',b,\n1,2,3\n'))[0]!.value).toEqual({ column0: 1, b: 2, column2: 3 });
    for (const header of ['a,a\n', 'a,__proto__\n', '"a\n', `${'x'.repeat(2000)}`]) {
      await expect(rowsOf(`${header}1,2\n`)).rejects.toMatchObject({ code: 'INPUT_FORMAT' });
    }
    await expect(rowsOf(Buffer.from([0xff, 0x2c, 0x41, 0x0a]))).rejects.toMatchObject({ code: 'INPUT_FORMAT' });
    for (const empty of ['', 'a,b', 'a,b\n', '\n\n']) expect(await rowsOf(empty)).toEqual([]);
  });

  test('TSV has tabs; a row of empty cells is a row', async () => {
    expect(await readRows(await makeFile('a.tsv', 'a\tb\n1\tx,y\n\t\n'))).toEqual([
      { row: 0, line: 2, value: { a: 1, b: 'x,y' } },
      { row: 1, line: 3, value: { a: null, b: null } },
    ]);
  });

  test('a position in the middle of a file leads back to the same rows', async () => {
    const text = `"a","b\nc"\n${Array.from({ length: 20 }, (_, i) => `${i},"x\n${i}"`).join('\n\n')}\n`;
    const path = await makeFile('a.csv', text);
    const file = await fileRef(path);
    const all = await readRows(path);
    const chunks: RowChunk[] = [];
    for await (const chunk of openRows(file, { chunkRows: 3 })) chunks.push(chunk);
    for (const chunk of chunks) {
      for (const near of [chunk.start, chunk.end]) {
        expect(await readRows(path, { near, fromRow: near.row + 1 })).toEqual(all.slice(near.row + 1));
      }
    }
  });

  test('agrees with csv-parse on every well-formed file, however it is cut', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'é', '😀', ',', '"', '\n', '\r\n', ' ', '1'), maxLength: 5 });
    const quote = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const table = fc.array(fc.tuple(cell, cell, cell), { maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        table,
        fc.constantFrom('\n', '\r\n'),
        cuts,
        fc.nat(6),
        fc.boolean(),
        async (rows, eol, blockBytes, fromRow, end) => {
          const text = `x,y,z${eol}${rows.map((cells) => cells.map(quote).join(',')).join(eol)}${end ? eol : ''}`;
          const format = csvFormat({ path: 'test', delimiter: ',' });
          const got = (await decode(format, text, { blockBytes, fromRow, chunkRows: 3 })).flatMap(seen);
          const wanted = parse(text, {
            columns: true,
            record_delimiter: ['\r\n', '\n'],
            skip_empty_lines: true,
          }) as Record<string, string>[];
          const typed = wanted.map((row) =>
            Object.fromEntries(Object.entries(row).map(([name, value]) => [name, cellValue(value)])),
          );
          expect(got.map(({ value }) => value)).toEqual(typed.slice(fromRow));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('any bytes at all: the same rows however they are cut, and never an exception but for the header', async () => {
    const bytes = fc.array(fc.constantFrom(0x22, 0x2c, 0x0a, 0x0d, 0x61, 0xc3, 0xa4), { maxLength: 60 });
    const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(bytes, cuts, fc.nat(5), async (tail, blockBytes, fromRow) => {
        const text = Buffer.concat([Buffer.from('h,i\n'), Buffer.from(tail)]);
        const make = () => csvFormat({ path: 'test', delimiter: ',', maxBytes: 16 });
        const whole = (await decode(make(), text)).flatMap(seen);
        expect((await decode(make(), text, { blockBytes, fromRow })).flatMap(seen)).toEqual(whole.slice(fromRow));
      }),
      { numRuns: 1000 },
    );
  });

  test('lines that end with CR alone are refused with the way to convert them', async () => {
    for (const text of ['a,b\r1,2\r3,4\r', 'a\r1', `${'name,'.repeat(700)}x\r1\r`]) {
      await expect(readRows(await makeFile('mac.csv', text))).rejects.toMatchObject({
        code: 'INPUT_FORMAT',
        message: expect.stringMatching(/end with CR alone.*tr '\\r' '\\n'/),
      });
    }
    expect((await readRows(await makeFile('ok.csv', 'a\r\n1\r\n"2\r3"\r\n'))).map(({ value }) => value)).toEqual([
      { a: 1 },
      { a: '2\r3' },
    ]);
    expect((await readRows(await makeFile('header.csv', 'a\r'))).map(({ value }) => value)).toEqual([]);
  });
});
