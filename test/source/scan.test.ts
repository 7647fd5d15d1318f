/** The scanner of declared fields by its parts: each gives what `JSON.parse` gives, or leaves it to that. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FieldColumns } from '../../lib/columns/field-columns.ts';
import { DeclaredFields } from '../../lib/source/declared-fields.ts';
import type { Fields } from '../../lib/source/fields.ts';
import { numberAt } from '../../lib/source/scan/number.ts';
import { RowScanner } from '../../lib/source/scan/row-scanner.ts';
import { NO_JSON, skipSpace, skipValue } from '../../lib/source/scan/skip.ts';
import { utcMsAt } from '../../lib/source/scan/time.ts';
import { toEpochMs } from '../../lib/stream/api/time.ts';
import { anyJson } from '../helpers/any-json.ts';
import { anyJsonLine } from './fields-law.ts';

const NONE = Symbol('no JSON');

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return NONE;
  }
}

/** The numbers of rows that a scanner gives of lines; `undefined`: it leaves one to others. */
function scanned(fields: Fields, lines: readonly string[]): unknown[] {
  const declared = new DeclaredFields(fields);
  const scanner = new RowScanner(declared);
  const columns = new FieldColumns(declared, 0);
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
  let at = 0;
  return lines.map(() => {
    const found = scanner.read(bytes, at, columns);
    const end = bytes.indexOf(10, at) + 1;
    if (found) expect(scanner.end).toBe(end);
    at = end;
    return found ? columns.row(columns.count - 1) : undefined;
  });
}

describe('scanning', () => {
  test('passes over a value exactly if it is JSON', () => {
    fc.assert(
      fc.property(anyJsonLine, (text) => {
        if (text.includes('\n')) return;
        const bytes = Buffer.from(`${text}\n`);
        const end = skipValue(bytes, skipSpace(bytes, 0), 500);
        const whole = end !== NO_JSON && skipSpace(bytes, end) === bytes.length - 1;
        expect(whole).toBe(parsed(text) !== NONE);
      }),
      { numRuns: 20_000 },
    );
  });

  test('nests as deep as it is told', () => {
    const bytes = Buffer.from('[{"a":[]}]\n');
    expect([1, 2, 3, 4].map((levels) => skipValue(bytes, 0, levels))).toEqual([NO_JSON, NO_JSON, 10, 10]);
  });

  test('numbers are those of JSON.parse, to the last bit', () => {
    const digits = (length: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${length}}$`));
    const plain = fc
      .tuple(
        fc.constantFrom('', '-'),
        digits(18),
        fc.option(digits(18)),
        fc.option(fc.integer({ min: -330, max: 330 })),
      )
      .map(
        ([sign, whole, part, power]) =>
          `${sign}${whole}${part === null ? '' : `.${part}`}${power === null ? '' : `e${power}`}`,
      );
    const short = fc
      .tuple(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.nat(12))
      .map(([value, scale]) => (value / 10 ** scale).toFixed(scale));
    const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
    fc.assert(
      fc.property(fc.oneof(plain, short, double), fc.constantFrom(',', '}', ' ', '\n'), (text, behind) => {
        const mark = { at: 0 };
        const value = numberAt(Buffer.from(`${text}${behind}\n`), 0, mark);
        const wanted = parsed(text);
        if (wanted === NONE) expect(mark.at).not.toBe(text.length);
        else {
          expect(mark.at).toBe(text.length);
          if (!Object.is(value, wanted)) expect.fail(`${text}: ${value}, not ${wanted}`);
        }
      }),
      { numRuns: 50_000 },
    );
  });

  test('times are those of the law, or are left to it', () => {
    const part = (most: number, length = 2) => fc.nat(most).map((n) => String(n).padStart(length, '0'));
    const any = fc
      .tuple(part(9999, 4), part(13), part(32), part(25), part(61), part(61), fc.stringMatching(/^(\.\d{0,12})?$/))
      .map(([y, mo, d, h, mi, s, f]) => `${y}-${mo}-${d}T${h}:${mi}:${s}${f}Z`);
    const real = fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
    const damaged = fc
      .tuple(real, fc.nat(30), fc.constantFrom('x', '0', '-', ':', ' ', '/', ''))
      .map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1));
    let taken = 0;
    fc.assert(
      fc.property(fc.oneof(any, real, damaged), (text) => {
        const bytes = Buffer.from(`"${text}"\n`);
        const time = utcMsAt(bytes, 1, bytes.length - 1);
        if (Number.isNaN(time)) return;
        taken++;
        expect(time, text).toBe(toEpochMs(text));
      }),
      { numRuns: 20_000 },
    );
    expect(taken).toBeGreaterThan(1000);
    for (const text of [
      '2013-01-01T10:15:00Z',
      '2012-02-29T23:59:59.123456Z',
      '0000-01-01T00:00:00Z',
      '9999-12-31T23:59:59.999Z',
    ]) {
      expect(utcMsAt(Buffer.from(`"${text}"\n`), 1, text.length + 2)).toBe(toEpochMs(text));
    }
  });

  test('leaves nothing to others that is JSON and fits', () => {
    const fields = {
      s: 'string',
      n: 'number',
      i: 'integer',
      b: 'boolean',
      t: 'timestamp',
      j: 'json',
      o: 'string?',
    } as const;
    const row = fc.record({
      s: fc.string({ unit: 'binary' }),
      n: fc.double({ noNaN: true, noDefaultInfinity: true }),
      i: fc.maxSafeInteger(),
      b: fc.boolean(),
      t: fc.date({ noInvalidDate: true }).map((date) => date.getTime()),
      j: anyJson,
      o: fc.option(fc.string({ unit: 'grapheme' })),
    });
    const rest = fc.dictionary(
      fc.string().filter((name) => !(name in fields)),
      anyJson,
      { maxKeys: 3, noNullPrototype: true },
    );
    const lines = fc.array(fc.tuple(row, rest, fc.boolean(), fc.constantFrom(0, ' ')), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(lines, (all) => {
        const texts = all.map(([own, more, before, space]) =>
          JSON.stringify(before ? { ...more, ...own } : { ...own, ...more }, null, space).replaceAll('\n', '\r'),
        );
        expect(scanned(fields, texts)).toEqual(
          texts.map((text, i) => ({ ...all[i]![0], ...pick(JSON.parse(text), Object.keys(fields)) })),
        );
      }),
      { numRuns: 1500 },
    );
  });

  test('names at their places in the line before, and lines with others', () => {
    const rows = (lines: string[]) => scanned({ a: 'integer', b: 'integer?' }, lines);
    expect(
      rows([
        '{"a":1,"b":2}',
        '{"a":3,"b":4}',
        '{"a":5}',
        '{"b":6,"a":7}',
        '{"a":8,"b":9} ',
        '{"a":10, "b":11}\r',
        '{ "a":12,"x":[{}],"b":13}',
        '{"a":14,"b":15,"b":16}',
        '{"a":17,"b":18,"x":0}',
        '{"\\u0061":19}',
        '{"aa":0,"a":20}',
      ]),
    ).toEqual([
      { a: 1, b: 2 },
      { a: 3, b: 4 },
      { a: 5, b: null },
      { a: 7, b: 6 },
      { a: 8, b: 9 },
      { a: 10, b: 11 },
      { a: 12, b: 13 },
      { a: 14, b: 16 },
      { a: 17, b: 18 },
      { a: 19, b: null },
      { a: 20, b: null },
    ]);
  });

  test('more members, and longer names, than are remembered', () => {
    const many = Array.from({ length: 600 }, (_, i) => `"m${i}":${i}`).join();
    const long = `"${'n'.repeat(20_000)}":1`;
    for (const line of [`{${many},"a":1}`, `{${long},"a":1}`, `{"a":1,${long},${many}}`]) {
      expect(scanned({ a: 'integer' }, [line, line, '{"a":1}', line])).toEqual(Array(4).fill({ a: 1 }));
    }
  });

  test('rows have one shape, whatever they hold', async () => {
    const v8 = await import('node:v8');
    v8.setFlagsFromString('--allow-natives-syntax');
    const sameMap = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: unknown, b: unknown) => boolean;
    const lines = ['{"a":1,"b":"x"}', '{"b":null,"a":1.5}', '{"a":-0,"b":"ä"}', '{"a":1e300}', '{"a":12345678901}'];
    const rows = scanned({ a: 'number', b: 'string?' }, lines);
    for (const row of rows.slice(1)) expect(sameMap(rows[0], row)).toBe(true);
  });
});

function pick(row: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, row[name]]));
}
