/** Fields that are asked of rows without declared ones: the same rows as without asking, and columns that say what these say. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ndjsonFormat } from '../../lib/source/ndjson.ts';
import type { RowChunk } from '../../lib/source/rows.ts';
import { anyJsonText } from '../helpers/any-json.ts';
import { anyJsonLine } from './fields-law.ts';
import { decode, seen } from './helpers.ts';

const ASKED = ['user', 'amount', 'ok', 'ä', 'constructor'];
const formatOf = (asked?: readonly string[]) => ndjsonFormat({ path: 'test', plainJson: false, asked });

/** What columns say of the asked fields must be what the row says. */
function agrees(chunk: RowChunk, asked: readonly string[]): void {
  const { columns, rows } = chunk;
  if (columns === undefined) return;
  const bad = new Set(chunk.bad.map(({ index }) => index));
  for (let i = 0; i < chunk.count; i++) {
    if (bad.has(i)) continue;
    const row = rows[i] as Record<string, unknown>;
    for (const [field, name] of asked.entries()) {
      expect(Object.hasOwn(row, name)).toBe(true);
      expect(columns.value(field, i)).toBe(row[name]);
      const numbers = columns.numbersOf(name);
      if (numbers !== undefined) expect(numbers[i]).toBe(row[name] ?? Number.NaN);
    }
    expect(columns.row(i)).toEqual(row);
    expect(columns.row(i)).not.toBe(columns.row(i));
  }
}

const usual = fc
  .record({ user: fc.string({ unit: 'binary', maxLength: 6 }), amount: fc.double({ noNaN: true }), ok: fc.boolean() })
  .chain((row) => fc.tuple(fc.constant(row), fc.dictionary(fc.string(), fc.integer(), { maxKeys: 3 }), fc.boolean()))
  .map(([row, rest, first]) => JSON.stringify(first ? { ...rest, ...row } : { ...row, ...rest }));
const odd = fc.constantFrom(
  '{"user":null,"amount":null,"ok":null}',
  '{"user":"x","amount":1}',
  '{"user":"x","amount":"1","ok":true}',
  '{"user":"x","amount":1e400,"ok":true}',
  '{"user":"x","amount":-0,"ok":false}',
  '{"amount":1,"user":"a","user":"b","amount":2,"ok":true}',
  '{"user":"a","amount":{"b":1},"ok":true}',
  '{"user":"a","amount":1,"ok":true,"__proto__":{"user":"b"}}',
  '{"user":"a\\u0000b\\ud800","amount":12345678901234567890,"ok":true}',
  '{"user":"a","amount":1,"ok":true',
  '["user"]',
  'null',
  '7',
  '',
  '  ',
);
const line = fc.oneof({ weight: 6, arbitrary: usual }, odd, anyJsonLine, anyJsonText);
const asked = fc.oneof(fc.subarray(ASKED, { minLength: 1 }), fc.constant(['user', 'amount', 'ok']), fc.constant([]));

describe('asked fields', () => {
  test('rows, their lines and what is wrong are as without asking, however the text is cut', async () => {
    let inColumns = 0;
    await fc.assert(
      fc.asyncProperty(
        asked,
        fc.array(line, { maxLength: 25 }),
        fc.boolean(),
        fc.record({
          blockBytes: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
          fromRow: fc.oneof(fc.constant(0), fc.nat(6)),
          chunkRows: fc.integer({ min: 1, max: 9 }),
        }),
        async (names, lines, ended, cut) => {
          const text = lines.join('\n') + (ended ? '\n' : '');
          const plain = await decode(formatOf(), text, cut);
          const chunks = await decode(formatOf(names), text, cut);
          for (const chunk of chunks) agrees(chunk, names);
          expect(chunks.flatMap(seen)).toEqual(plain.flatMap(seen));
          inColumns += chunks.filter(({ columns }) => columns !== undefined).length;
        },
      ),
      { numRuns: 1500 },
    );
    expect(inColumns).toBeGreaterThan(500);
  });

  test('gives up where many lines are otherwise than the first', async () => {
    const rows = (amount: unknown, n: number) => `${JSON.stringify({ user: 'x', amount })}\n`.repeat(n);
    const text = rows(1, 10) + rows('1', 500) + rows(1, 500);
    const cut = { blockBytes: [1000], chunkRows: 50 };
    const chunks = await decode(formatOf(['user', 'amount']), text, cut);
    expect(chunks.flatMap(seen)).toEqual((await decode(formatOf(), text, cut)).flatMap(seen));
    expect(chunks.map(({ columns }) => columns !== undefined).slice(-5)).toEqual(Array(5).fill(false));
    expect(chunks.some(({ columns }) => columns !== undefined)).toBe(false);
  });

  test('keeps each row where a block has many that are otherwise, and then such as the first', async () => {
    const line = (amount: unknown, i: number) => `${JSON.stringify({ user: `user ${i}`, amount })}\n`;
    const text = Array.from({ length: 2500 }, (_, i) => line(i > 0 && i < 2000 ? String(i) : i, i)).join('');
    const chunks = await decode(formatOf(['user', 'amount']), text);
    expect(chunks.flatMap(seen)).toEqual((await decode(formatOf(), text)).flatMap(seen));
  });

  test('takes nothing for columns that the first line does not show', async () => {
    const text = '{"user":{"id":1}}\n{"user":"x"}\n';
    const chunks = await decode(formatOf(['user']), text);
    expect(chunks.map(({ columns }) => columns)).toEqual([undefined]);
  });
});
