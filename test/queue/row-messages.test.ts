import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RowMessageOptions, rowMessages } from '../../lib/queue/row-messages.ts';
import { seededRandom } from '../../lib/util/random.ts';

interface Parsed {
  readonly misa: number;
  readonly id: string;
  readonly source: string;
  readonly rows: unknown[];
}

const parse = (body: string): Parsed => JSON.parse(body) as Parsed;
const bodiesOf = (source: string, rows: Iterable<unknown>, options?: RowMessageOptions): string[] =>
  [...rowMessages(source, rows, options)].map(({ body }) => body);

describe('rows as messages', () => {
  test('hold all rows in their order, in as few messages as limits allow, each with an id of its own', () => {
    const maxBytes = 2_000;
    const maxRows = 7;
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 60 }),
        fc.string({ unit: 'binary' }),
        (rows, source) => {
          const bodies = bodiesOf(source, rows, { maxRows, maxBytes, random: seededRandom(1) });
          const messages = bodies.map(parse);
          expect(messages.flatMap((m) => m.rows)).toEqual(JSON.parse(JSON.stringify(rows)));
          expect(new Set(messages.map(({ id }) => id)).size).toBe(messages.length);
          for (const [i, m] of messages.entries()) {
            expect(m).toMatchObject({ misa: 1, source });
            expect(m.rows.length).toBeLessThanOrEqual(maxRows);
            expect(Buffer.byteLength(bodies[i]!)).toBeLessThanOrEqual(maxBytes);
            const next = messages[i + 1]?.rows[0];
            if (next === undefined) continue;
            const more = Buffer.byteLength(JSON.stringify(next)) + 1;
            // Characters that SQS refuses are written longer, so a few bytes may be left.
            const full = m.rows.length === maxRows || Buffer.byteLength(bodies[i]!) + more > maxBytes;
            expect(full || /[\ufffe\uffff]/.test(JSON.stringify(next))).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('hold only what SQS takes: control characters, lone surrogates and non-characters are written as escapes', () => {
    const row = { text: '\u0000\u0007\u001f\u007f\ufffe\uffff\ud800 ok \udc00 🛫\u2028' };
    const [body] = bodiesOf('s\uffff', [row]);
    expect(body).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
    expect(Buffer.from(body!, 'utf8').toString('utf8')).toBe(body);
    expect(parse(body!)).toMatchObject({ source: 's\uffff', rows: [row] });
  });

  test('for a FIFO queue have the source as their group, and their own id for the queue to know them by', () => {
    const rows = Array.from({ length: 5 }, (_, i) => i);
    const messages = [...rowMessages('flights', rows, { fifo: true, maxRows: 2, random: seededRandom(1) })];
    expect(messages.map(({ group }) => group)).toEqual(['flights', 'flights', 'flights']);
    expect(messages.map(({ dedupId }) => dedupId)).toEqual(messages.map(({ body }) => parse(body).id));
    const [standard] = rowMessages('flights', rows);
    expect(Object.keys(standard!)).toEqual(['body']);
  });

  test('fill a message to the byte, and refuse the row that is one byte larger', () => {
    const empty = bodiesOf('s', ['']).map((body) => Buffer.byteLength(body))[0]!;
    const fits = 'x'.repeat(1024 * 1024 - empty);
    expect(bodiesOf('s', [fits, 1]).map((body) => Buffer.byteLength(body))[0]).toBe(1024 * 1024);
    expect(() => bodiesOf('s', ['ok', `${fits}x`])).toThrow(/row 1 for source 's' takes a message of 1048577 bytes/);
    expect(() => bodiesOf('s', [`${fits}x`])).toThrow(expect.objectContaining({ code: 'ROW_TOO_LARGE' }));
  });

  test('are made only of rows that are JSON, and name the one that is not', () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const bad of [undefined, () => 1, Symbol('x'), 1n, { n: 1n }, circular, { toJSON: () => undefined }]) {
      expect(() => bodiesOf('flights', [{}, {}, bad])).toThrow(
        expect.objectContaining({
          code: 'ROW_NOT_JSON',
          message: expect.stringContaining("row 2 for source 'flights' is not JSON"),
        }),
      );
    }
    expect(bodiesOf('s', [])).toEqual([]);
  });

  test('hold nothing that JSON would change without a word: what it is, and where, is said', () => {
    class Money {
      readonly amount = 3;
    }
    const faults: [row: unknown, what: string][] = [
      [{ tags: new Set(['a']) }, 'a Set at .tags: use an array'],
      [{ by: [{ name: new Map([['a', 1]]) }] }, 'a Map at .by[0].name: use an object'],
      [{ price: new Money() }, 'a Money at .price: use an object of its values'],
      [{ of: () => 1 }, 'a function at .of: leave it out'],
      [{ mean: 0 / 0 }, 'NaN at .mean: use null, or text'],
      [{ list: [1, -Infinity] }, '-Infinity at .list[1]: use null, or text'],
      [{ n: 2n ** 70n }, 'a bigint at .n: use a number, or text'],
      [{ bytes: new Uint8Array(2) }, 'a Uint8Array at .bytes: use text, as base64'],
      [{ bytes: Buffer.from('x') }, 'a Buffer at .bytes: use text, as base64'],
      [{ at: new Date(Number.NaN) }, 'a Date that is none at .at: use null'],
      [{ list: [1, undefined] }, 'undefined at .list[1]: use null'],
      [{ list: new Array(1) }, 'undefined at .list[0]: use null'],
    ];
    for (const [row, what] of faults) {
      expect(() => bodiesOf('flights', [row]), what).toThrow(
        expect.objectContaining({ code: 'ROW_NOT_JSON', message: expect.stringContaining(`is not JSON: ${what}`) }),
      );
    }
    const good = { at: new Date(0), absent: undefined, __proto__: null, list: [null, true, -1.5e300] };
    const [body] = bodiesOf('s', [good]);
    expect(parse(body!).rows).toEqual([{ at: '1970-01-01T00:00:00.000Z', list: [null, true, -1.5e300] }]);
  });

  test('come before the row that cannot be sent', () => {
    const made: unknown[] = [];
    const sending = (): void => {
      for (const { body } of rowMessages('s', [1, 2, 3, undefined], { maxRows: 1 })) made.push(...parse(body).rows);
    };
    expect(sending).toThrow(/row 3/);
    expect(made).toEqual([1, 2]);
  });
});
