/** Declared fields: what is decoded of each format is what `JSON.parse`, then picking and checking, would give. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { DeclaredFields } from '../../lib/source/declared-fields.ts';
import type { Fields } from '../../lib/source/fields.ts';
import { ndjsonFormat } from '../../lib/source/ndjson.ts';
import { anyFields, anyJsonLine, FIELD_NAMES, lawful } from './fields-law.ts';
import { decode, fixture, makeDirectory, makeFile, readRows, seen } from './helpers.ts';

const declared = (fields: Fields, unit?: 's' | 'ms' | 'us' | 'ns') => ({ fields: new DeclaredFields(fields, unit) });
const formatOf = (fields: Fields) => ndjsonFormat({ path: 'test', plainJson: false, ...declared(fields) });
const valuesOf = async (fields: Fields, text: string | Uint8Array, options = {}) =>
  (await decode(formatOf(fields), text, options)).flatMap(seen).map(({ value }) => value);

/** One after the other, so that what a line teaches a decoder is used for the next. */
async function sameAsLaw(fields: Fields, lines: readonly string[]): Promise<void> {
  // A change may go through a surrogate pair, and half of one cannot be written as UTF-8.
  const texts = lines.map((line) => line.toWellFormed());
  const shown = texts.filter((line) => !/^[ \t\r]*$/.test(line) && !line.includes('\n'));
  const values = await valuesOf(fields, shown.map((line) => `${line}\n`).join(''));
  expect(values).toHaveLength(shown.length);
  for (const [i, line] of shown.entries()) {
    const wanted = lawful(i === 0 ? line.replace(/^\ufeff/, '') : line, fields);
    const given = values[i];
    if (!isDeepStrictEqual(given, wanted)) expect.fail(`${line}\n${inspect(given)}\n${inspect(wanted)}`);
    if (typeof wanted === 'object') {
      expect(Object.keys(given as object), line).toEqual(Object.keys(wanted!));
      expect(Object.getPrototypeOf(given)).toBe(Object.prototype);
    }
  }
}

describe('declared fields of NDJSON', () => {
  test('any text gives what JSON.parse, picking and checking give', async () => {
    await fc.assert(fc.asyncProperty(anyFields, fc.array(anyJsonLine, { minLength: 1, maxLength: 8 }), sameAsLaw), {
      numRuns: 4000,
    });
  });

  test('any text of lines that are alike, and then differ', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyFields,
        anyJsonLine,
        fc.array(fc.tuple(fc.nat(200), fc.constantFrom('', ' ', '"', '\\', '1', 'a', '{', '}', ',', ':', 'e', '-')), {
          minLength: 1,
          maxLength: 6,
        }),
        (fields, line, changes) =>
          sameAsLaw(fields, [
            line,
            line,
            ...changes.flatMap(([place, by]) => {
              const at = place % (line.length + 1);
              return [line.slice(0, at) + by + line.slice(at + 1), line.slice(0, at) + by + line.slice(at), line];
            }),
          ]),
      ),
      { numRuns: 2000 },
    );
  });

  test('any bytes, however they are cut into blocks', async () => {
    const some = fc.oneof(
      anyJsonLine.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes.map((b) => (b === 10 ? 11 : b)))),
      fc.constant(Buffer.from([0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])),
    );
    await fc.assert(
      fc.asyncProperty(
        anyFields,
        fc.array(some, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (fields, parts, blockBytes, end) => {
          const text = Buffer.concat(
            parts.flatMap((part, i) => (i < parts.length - 1 || end ? [part, Buffer.from('\n')] : [part])),
          );
          if (text[0] === 0xff || text[0] === 0xfe) return; // may be the mark of UTF-16
          const rows = async (options: object) => (await decode(formatOf(fields), text, options)).flatMap(seen);
          const whole = await rows({});
          const cut = await rows({ blockBytes, chunkRows: 3 });
          if (!isDeepStrictEqual(cut, whole)) expect.fail(`${inspect(cut)}\n${inspect(whole)}`);
          const plain = (await decode(ndjsonFormat({ path: 'test', plainJson: false }), text)).flatMap(seen);
          expect(whole.map(({ row, line }) => [row, line])).toEqual(plain.map(({ row, line }) => [row, line]));
          for (const [i, { value, reason, text: shown }] of plain.entries()) {
            if (value === 'BAD') expect(whole[i]).toMatchObject({ value, reason, text: shown });
          }
        },
      ),
      { numRuns: 1500 },
    );
  });

  test('what does not fit is a bad row, with the field, what it must be and the line as it stands', async () => {
    const fields: Fields = { user: 'string', n: 'number', i: 'integer?', ok: 'boolean?', at: 'timestamp?', x: 'json?' };
    const reasons = async (text: string) =>
      (await decode(formatOf(fields), text)).flatMap(seen).map(({ reason, value }) => reason ?? value);
    expect(
      await reasons(
        [
          '{"user":"a","n":1,"other":[{}]}',
          '{"n":1}',
          '{"user":null,"n":1}',
          '{"user":7,"n":1}',
          '{"user":"a","n":"1"}',
          '{"user":"a","n":1e400}',
          '{"user":"a","n":1,"i":1.5}',
          '{"user":"a","n":1,"i":9007199254740992}',
          '{"user":"a","n":1,"ok":1}',
          '{"user":"a","n":1,"at":"yesterday"}',
          '{"user":"a","n":1,"at":17e17}',
          '{"user":"a","n":1,"at":[]}',
          '[1]',
          'null',
          '7',
          '{"user":"a",}',
          '{"user":"a","n":1,"i":null,"x":null}',
        ].join('\n'),
      ),
    ).toEqual([
      { user: 'a', n: 1, i: null, ok: null, at: null, x: null },
      'does not fit the fields: user: is missing',
      'does not fit the fields: user: is null',
      'does not fit the fields: user: must be text, not a number',
      'does not fit the fields: n: must be a finite number, not text',
      'does not fit the fields: n: must be a finite number, not Infinity',
      'does not fit the fields: i: must be a whole number within ±(2^53 − 1), not 1.5',
      'does not fit the fields: i: must be a whole number within ±(2^53 − 1), not 9007199254740992',
      'does not fit the fields: ok: must be true or false, not a number',
      "does not fit the fields: at: 'yesterday' is not ISO 8601, such as 2013-01-01T10:15:00Z",
      expect.stringMatching(
        /^does not fit the fields: at: 1700000000000000000 is not a time in epoch milliseconds; in 'ns'/,
      ),
      'does not fit the fields: at: must be epoch ms or ISO 8601 text, not an array',
      'does not fit the fields: it is an array, not an object',
      'does not fit the fields: it is null, not an object',
      'does not fit the fields: it is a number, not an object',
      expect.stringMatching(/^not valid JSON: /),
      { user: 'a', n: 1, i: null, ok: null, at: null, x: null },
    ]);
    const [bad] = (await decode(formatOf(fields), '{}\n\n{ "user": 1}\n')).flatMap(seen).slice(1);
    expect(bad).toMatchObject({ line: 3, row: 1, text: '{ "user": 1}' });
  });

  test('of a name that comes twice the last counts, also when the first would not fit', async () => {
    expect(await valuesOf({ a: 'number' }, '{"a":"x","a":1}\n{"a":1,"a":"x"}\n{"a":1,"\\u0061":2}\n')).toEqual([
      { a: 1 },
      'BAD',
      { a: 2 },
    ]);
  });

  test('what is skipped must be JSON within the limits, too', async () => {
    const deep = (levels: number): string => `{"a":1,"b":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    const wide = `{"a":1,"b":${JSON.stringify(Object.fromEntries(Array.from({ length: 100_001 }, (_, i) => [i, 0])))}}`;
    const many = `{"a":1,"b":[${'0,'.repeat((16 << 20) + 8)}0]}`;
    const lines = [deep(500), deep(501), deep(200_000), wide, many, '{"a":1,"b":"\\ud800"}', '{"a":1,"b":"\\ud80"}'];
    const rows = (await decode(formatOf({ a: 'integer' }), lines.join('\n'))).flatMap(seen);
    expect(rows.map(({ value, reason }) => reason ?? value)).toEqual([
      { a: 1 },
      'the row is nested more than 500 levels deep',
      'the row is nested more than 500 levels deep',
      'an object of the row has more than 100000 properties',
      'the row takes more than 67108864 bytes',
      { a: 1 },
      expect.stringMatching(/^not valid JSON/),
    ]);
  });

  test('compressed, and from the middle on', async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `{"skip":"ö${i}","id":${i},"name":"n${i % 7}"}\n`).join('');
    const fields: Fields = { name: 'string', id: 'integer' };
    const directory = await makeDirectory();
    await writeFile(path.join(directory, 'a.ndjson.gz'), gzipSync(lines));
    await writeFile(path.join(directory, 'a.ndjson'), lines);
    for (const name of ['a.ndjson.gz', 'a.ndjson']) {
      const rows = await readRows(path.join(directory, name), {
        form: declared(fields),
        fromRow: 1234,
        chunkRows: 100,
      });
      expect(rows).toHaveLength(3000 - 1234);
      expect(rows[0]).toEqual({ row: 1234, line: 1235, value: { name: `n${1234 % 7}`, id: 1234 } });
      expect(rows.at(-1)!.value).toEqual({ name: `n${2999 % 7}`, id: 2999 });
    }
  });

  test('each type of each name, alone and among others', async () => {
    for (const name of FIELD_NAMES) {
      const text = `{"z":0,${JSON.stringify(name)}:"2013-01-01","y":[]}`;
      const iso = Date.UTC(2013, 0);
      expect(await valuesOf({ [name]: 'string' }, text)).toEqual([{ [name]: '2013-01-01' }]);
      expect(await valuesOf({ [name]: 'timestamp' }, text)).toEqual([{ [name]: iso }]);
      expect(await valuesOf({ [name]: 'json' }, text)).toEqual([{ [name]: '2013-01-01' }]);
      expect(await valuesOf({ [name]: 'number?' }, text)).toEqual(['BAD']);
      expect(await valuesOf({ [name]: 'number?' }, '{}')).toEqual([{ [name]: null }]);
    }
  });
});

describe('units of declared timestamps', () => {
  const read = async (unit: 's' | 'us' | 'ns', text: string) =>
    (await decode(ndjsonFormat({ path: 'test', plainJson: false, ...declared({ at: 'timestamp' }, unit) }), text))
      .flatMap(seen)
      .map(({ value }) => value);
  test('numbers are in it, text and dates are not', async () => {
    expect(
      await read('s', '{"at":1735693200}\n{"at":1735693200.5}\n{"at":"2025-01-01T01:00:00Z"}\n{"at":1735693200000}'),
    ).toEqual([{ at: 1735693200000 }, { at: 1735693200500 }, { at: 1735693200000 }, 'BAD']);
    expect(await read('us', '{"at":1735693200000999}\n{"at":-1}')).toEqual([{ at: 1735693200000 }, { at: -1 }]);
    expect(await read('ns', '{"at":1735693200000000000}\n{"at":"1735693200000999999"}')).toEqual([
      { at: 1735693200000 },
      { at: 1735693200000 },
    ]);
  });
});

describe('declared fields of CSV', () => {
  const fields: Fields = { zip: 'string', n: 'number?', id: 'integer?', ok: 'boolean?', at: 'timestamp?', x: 'json?' };
  const rowsOf = async (text: string, of: Fields = fields) =>
    (await readRows(await makeFile('a.csv', text), { form: declared(of) })).map(({ value, reason }) => reason ?? value);

  test('cells become what the field says, columns come by their names', async () => {
    expect(
      await rowsOf(
        'other,x,at,ok,id,n,zip\n1,"{""a"":[1]}",2013-01-01,TRUE,42,1.50,007\n,,1357034400000,,,-0,123\n,,,,,,true\n',
      ),
    ).toEqual([
      { zip: '007', n: 1.5, id: 42, ok: true, at: Date.UTC(2013, 0), x: { a: [1] } },
      { zip: '123', n: 0, id: null, ok: null, at: 1357034400000, x: null },
      { zip: 'true', n: null, id: null, ok: null, at: null, x: null },
    ]);
  });

  test('what does not fit is a bad row', async () => {
    const cells = ['007', '1e999', '+1', 'x', ''];
    expect(await rowsOf(`zip,n\n${cells.map((cell) => `a,${cell}\n`).join('')},1\n`)).toEqual([
      'does not fit the fields: n: must be a finite number, not text',
      'does not fit the fields: n: must be a finite number, not Infinity',
      'does not fit the fields: n: must be a finite number, not text',
      'does not fit the fields: n: must be a finite number, not text',
      { zip: 'a', n: null, id: null, ok: null, at: null, x: null },
      'does not fit the fields: zip: is missing',
    ]);
    expect(await rowsOf('zip,id,ok,x\na,9007199254740993,yes,\na,,yes,\na,,,{\n')).toEqual([
      expect.stringMatching(/id: must be a whole number within/),
      'does not fit the fields: ok: must be true or false, not text',
      expect.stringMatching(/x: is not valid JSON/),
    ]);
    const deep = `"${'['.repeat(500)}${']'.repeat(500)}"`;
    expect(await rowsOf(`zip,x\n${'a'.repeat(600)},${deep}\n`)).toEqual([
      'the row is nested more than 500 levels deep',
    ]);
  });

  test('a column that is not there is missing in each row', async () => {
    expect(await rowsOf('n\n1\n2\n')).toEqual(Array(2).fill('does not fit the fields: zip: is missing'));
    expect(await rowsOf('zip\na\n')).toEqual([{ zip: 'a', n: null, id: null, ok: null, at: null, x: null }]);
  });

  test('without a header columns go by their place', async () => {
    const file = await makeFile('a.csv', '1;2;3\n4\n');
    const form = {
      csv: { delimiter: ';', header: false as const },
      ...declared({ column2: 'integer?', column0: 'string' }),
    };
    const rows = await readRows(file, { form });
    expect(rows.map(({ value }) => value)).toEqual([
      { column2: 3, column0: '1' },
      { column2: null, column0: '4' },
    ]);
  });
});

describe('declared fields of Parquet', () => {
  test('values become what the field says, exactly', async () => {
    const rows = async (fields: Fields, unit?: 's' | 'us') =>
      (await readRows(fixture('types.parquet'), { form: declared(fields, unit) })).map(({ value }) => value);
    expect(await rows({ big: 'string', u32: 'number' })).toMatchObject([
      { big: '9007199254740991', u32: 4294967295 },
      { big: '9007199254740992' },
      { big: '-9223372036854775808' },
      { big: '7' },
    ]);
    expect(await rows({ big: 'number' })).toEqual([2 ** 53 - 1, 2 ** 53, -(2 ** 63), 7].map((big) => ({ big })));
    expect(await rows({ big: 'integer' })).toEqual([{ big: 2 ** 53 - 1 }, 'BAD', 'BAD', { big: 7 }]);
    for (const unit of [undefined, 's', 'us'] as const) {
      expect((await rows({ micros: 'timestamp?', day: 'timestamp?' }, unit))[0]).toEqual({
        micros: -1,
        day: Date.UTC(2013, 0),
      });
    }
    expect((await rows({ at: 'number', tags: 'json', day: 'string', nope: 'string?' }))[0]).toEqual({
      at: 1356998400000,
      tags: ['a', 'b'],
      day: '2013-01-01',
      nope: null,
    });
    expect(await rows({ nope: 'string' })).toEqual(Array(4).fill('BAD'));
    expect(await rows({ nope: 'string?' })).toEqual(Array(4).fill({ nope: null }));
  });

  test('reads only its columns', async () => {
    const n = 20_000;
    const noise = Array.from({ length: n }, (_, i) => `${i * 7919}-${i}`);
    const data = parquetWriteBuffer({
      columnData: [
        { name: 'a', data: noise, type: 'STRING' },
        { name: 'id', data: noise.map((_, i) => i), type: 'INT32' },
        { name: 'b', data: noise, type: 'STRING' },
      ],
    });
    const bytes = Buffer.from(data);
    let read = 0;
    const reader = {
      read: async (at: number, length: number) => {
        read += length;
        return bytes.subarray(at, at + length);
      },
      blocks: () => Promise.reject(new Error('not for Parquet')),
      close: async () => {},
    };
    const { decodeParquet } = await import('../../lib/source/parquet.ts');
    const count = async (fields: DeclaredFields | undefined): Promise<number> => {
      read = 0;
      let rows = 0;
      const input = { path: 'x.parquet', size: bytes.length, reader: reader as never, fields };
      const range = { fromRow: 0, toRow: Number.POSITIVE_INFINITY, chunkRows: 512 };
      for await (const chunk of decodeParquet(input, range, { rows: 0 })) rows += chunk.rows.length;
      expect(rows).toBe(n);
      return read;
    };
    const footer = Math.min(bytes.length, 256 * 1024);
    const all = (await count(undefined)) - footer;
    expect((await count(new DeclaredFields({ id: 'integer' }))) - footer).toBeLessThan(all / 2);
  });
});
