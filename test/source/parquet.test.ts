import { readFile } from 'node:fs/promises';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { fixture, makeFile, plainRows, readRows, readValues } from './helpers.ts';

describe('Parquet', () => {
  test.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])(
    '%s: all row groups, from any row to any row',
    async (codec) => {
      const path = fixture(`plain-${codec}.parquet`);
      expect(await readValues(path)).toEqual(plainRows);
      for (const [fromRow, toRow] of [
        [1, 2],
        [29, 31],
        [30, 60],
        [95, 1000],
        [100, 101],
        [17, 83],
      ] as const) {
        const rows = await readRows(path, { fromRow, toRow, chunkRows: 7 });
        expect(rows.map(({ value }) => value)).toEqual(plainRows.slice(fromRow, toRow));
        expect(rows.map(({ row }) => row)).toEqual(plainRows.slice(fromRow, toRow).map(({ id }) => id));
        expect(rows.every(({ line }) => line === undefined)).toBe(true);
      }
    },
  );

  test('values are what JSON would have: exact integers, epoch ms, dates as text, nested data, bytes as base64', async () => {
    const rows = (await readValues(fixture('types.parquet'))) as Record<string, unknown>[];
    expect(rows[0]).toEqual({
      big: 2 ** 53 - 1,
      u64: '18446744073709551615',
      u32: 4294967295,
      at: 1356998400000,
      micros: -1,
      nanos: -1,
      day: '2013-01-01',
      money: 1.15,
      tags: ['a', 'b'],
      place: null,
      attrs: {},
      raw: 'AP8=',
    });
    expect(rows.map(({ big }) => big)).toEqual([2 ** 53 - 1, '9007199254740992', '-9223372036854775808', 7]);
    expect(rows.map(({ micros }) => micros)).toEqual([-1, 0, 1, null]);
    expect(rows.map(({ nanos }) => nanos)).toEqual([-1, 0, 1, null]);
    expect(rows.map(({ money }) => money)).toEqual([1.15, 1.16, 1.17, 1.18]);
    expect(rows.map(({ tags }) => tags)).toEqual([['a', 'b'], [], null, [null]]);
    expect(rows[2]).toMatchObject({ place: { city: 'c2', pos: { x: 2, y: -2 } }, attrs: { k0: 0, k1: 1 } });
  });

  test('text that is not UTF-8 makes a bad row', async () => {
    const rows = await readRows(fixture('not-utf8.parquet'));
    expect(rows.map(({ value }) => value)).toEqual([{ s: 'ok', i: 1 }, 'BAD', { s: 'yo', i: 3 }]);
    expect(rows[1]).toMatchObject({ row: 1, reason: 'column "s" is not valid UTF-8' });
  });

  test('a page of nothing but nulls, without a byte of values', async () => {
    expect(await readValues(fixture('empty-v2-page.parquet'))).toEqual([{ value: null }]);
  });

  test('two columns of one name are refused, naming it', async () => {
    await expect(readRows(fixture('same-name-twice.parquet'))).rejects.toMatchObject({
      code: 'INPUT_FORMAT',
      message: expect.stringContaining('two columns called "a"'),
    });
  });

  test('a date that there is not makes a bad row, far ones are whole, and so with JSON that is none', async () => {
    const schema = [
      { name: 'root', num_children: 2 },
      { name: 'day', type: 'INT32', converted_type: 'DATE', repetition_type: 'OPTIONAL' },
      {
        name: 'at',
        type: 'INT64',
        logical_type: { type: 'TIMESTAMP', unit: 'MILLIS', isAdjustedToUTC: true },
        repetition_type: 'OPTIONAL',
      },
    ] as SchemaElement[];
    const columnData = [
      { name: 'day', data: [0, 2_932_896, 2_932_897, 100_000_000, 100_000_001, -719_529, null] },
      { name: 'at', data: [0n, 1n, -1n, 8_640_000_000_000_000n, 1n, 8_640_000_000_000_001n, null] },
    ];
    const path = await makeFile('dates.parquet', new Uint8Array(parquetWriteBuffer({ schema, columnData })));
    const rows = await readRows(path);
    expect(rows.map(({ value }) => value)).toEqual([
      { day: '1970-01-01', at: 0 },
      { day: '9999-12-31', at: 1 },
      { day: '+010000-01-01', at: -1 },
      { day: '+275760-09-13', at: 8_640_000_000_000_000 },
      'BAD',
      'BAD',
      { day: null, at: null },
    ]);
    expect(rows[4]!.reason).toMatch(/^column "day" is no date/);
    expect(rows[5]!.reason).toMatch(/^column "at" is no time/);
  });

  test('cut off is INPUT_TRUNCATED; what is no Parquet or is damaged is INPUT_CORRUPT', async () => {
    const bytes = await readFile(fixture('plain-snappy.parquet'));
    for (const size of [0, 4, 100, bytes.length - 1]) {
      const path = await makeFile('a.parquet', bytes.subarray(0, size));
      await expect(readRows(path)).rejects.toMatchObject({ code: 'INPUT_TRUNCATED', sourceObject: path });
    }
    const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
    const damagedFooter = Buffer.from(bytes).fill(0xee, footer, footer + 40);
    const damagedData = Buffer.from(bytes).fill(0xee, 4, 200);
    for (const content of [Buffer.from('hello'), Buffer.from('{"a":1}\n{"a":2}\n'), damagedFooter, damagedData]) {
      await expect(readRows(await makeFile('a.parquet', content))).rejects.toMatchObject({ code: 'INPUT_CORRUPT' });
    }
  });
});
