import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BadRowError } from '../../lib/stream/graph/operator.ts';
import {
  decodeKey,
  encodedLength,
  encodeKey,
  type Key,
  type KeyPart,
  keyTypeCode,
  keyTypeWords,
} from '../../lib/stream/operators/key.ts';

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('\0', '\x01', '\x02', 'a', '\xff', '\ud800', '\udc00', '😀') }),
);
const anyNumber = fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0);
const part: fc.Arbitrary<KeyPart> = fc.oneof(anyText, anyNumber, fc.boolean(), fc.constant(null));
const key: fc.Arbitrary<Key> = fc.oneof(part, fc.array(part, { maxLength: 4 }));

const order = <V>(a: V, b: V): number => (a < b ? -1 : a > b ? 1 : 0);

/** Order of text by code point, a lone surrogate being one. */
function byCodePoint(a: string, b: string): number {
  const [x, y] = [[...a], [...b]].map((chars) => chars.map((c) => c.codePointAt(0)!)) as [number[], number[]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return order(x[i]!, y[i]!);
  return order(x.length, y.length);
}

describe('encoded keys', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(key, (k) => {
        expect(decodeKey(encodeKey(k))).toStrictEqual(k);
      }),
    );
  });

  test('are binary strings', () => {
    fc.assert(
      fc.property(key, (k) => {
        expect([...encodeKey(k)].every((c) => c.charCodeAt(0) < 256)).toBe(true);
      }),
    );
  });

  test('are prefix-free: no key begins with another, so suffixes can follow', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const [x, y] = [encodeKey(a), encodeKey(b)];
        expect(x.startsWith(y)).toBe(x === y);
      }),
    );
    expect(encodeKey('a\0').startsWith(encodeKey('a'))).toBe(false);
  });

  test('end where they end, whatever follows', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const [x, y] = [encodeKey(a), encodeKey(b)];
        expect(encodedLength(x + y, 0)).toBe(x.length);
        expect(encodedLength(x + y, x.length)).toBe(x.length + y.length);
      }),
    );
    for (const damaged of ['', 'x', '\x06a', '\x05abc', '\x07\x05abc', '\x07\x01']) {
      expect(() => encodedLength(damaged, 0)).toThrow(RangeError);
    }
  });

  test('keep the order of numbers', () => {
    fc.assert(
      fc.property(anyNumber, anyNumber, (a, b) => {
        expect(order(encodeKey(a), encodeKey(b))).toBe(order(a, b));
      }),
    );
  });

  test('keep the order of text by code point', () => {
    fc.assert(
      fc.property(anyText, anyText, (a, b) => {
        expect(order(encodeKey(a), encodeKey(b))).toBe(byCodePoint(a, b));
      }),
    );
  });

  test('keep the order of arrays part by part, a shorter one first', () => {
    const numbers = fc.array(anyNumber, { maxLength: 4 });
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        const at = a.findIndex((n, i) => n !== b[i]);
        const expected = at < 0 || at >= b.length ? order(a.length, b.length) : order(a[at]!, b[at]!);
        expect(order(encodeKey(a), encodeKey(b))).toBe(expected);
      }),
    );
  });

  test('tell apart what differs, and -0 is 0', () => {
    const keys: Key[] = [
      'a',
      ['a'],
      [['a'] as never, ''].slice(1) as KeyPart[],
      '',
      [],
      1,
      '1',
      [1],
      true,
      false,
      null,
      [null],
      'true',
    ];
    expect(new Set(keys.map(encodeKey)).size).toBe(keys.length);
    expect(encodeKey(-0)).toBe(encodeKey(0));
  });

  test('have the stored form of the first release', () => {
    expect(encodeKey('UA')).toBe('\x06UA\0');
    expect(encodeKey('é\0\x01')).toBe('\x06\xc3\xa9\x01\x01\x01\x02\0');
    expect(encodeKey(1)).toBe('\x05\xbf\xf0\0\0\0\0\0\0');
    expect(encodeKey(-1)).toBe('\x05\x40\x0f\xff\xff\xff\xff\xff\xff');
    expect(encodeKey([null, false, true, 'a'])).toBe('\x07\x01\x02\x03\x06a\0\0');
  });

  test.each([[undefined], [Number.NaN], [Infinity], [1n], [{}], [[['a']]], [new Date(0)], [[undefined]]])(
    'refuse %s',
    (value) => {
      expect(() => encodeKey(value as never)).toThrow(BadRowError);
    },
  );

  test('a damaged encoding is noticed', () => {
    for (const text of ['', '\x05\0', '\x06a', '\x07\x01', '\x01\x01', '\x09', '\x06a\0b']) {
      expect(() => decodeKey(text)).toThrow(RangeError);
    }
  });
});

describe('types of encoded keys', () => {
  const typeCode = (key: string): number => keyTypeCode(Buffer.from(key, 'latin1'), 0, key.length);
  const typeOf = (k: unknown): string => ({ string: 'text' })[typeof k as 'string'] ?? typeof k;

  test('are those of their parts, unless one is null', () => {
    fc.assert(
      fc.property(key, (k) => {
        const code = typeCode(encodeKey(k));
        const parts = Array.isArray(k) ? k : [k];
        if (parts.includes(null)) expect(code).toBe(0);
        else expect(keyTypeWords(code)).toBe(Array.isArray(k) ? `[${parts.map(typeOf).join(', ')}]` : typeOf(k));
      }),
    );
  });

  test('are not told of what is no key, or has many parts', () => {
    expect(typeCode('')).toBe(0);
    expect(typeCode(encodeKey(new Array(13).fill('x')))).toBe(0);
    expect(keyTypeWords(typeCode(encodeKey(new Array(12).fill(1))))).toContain('number, number');
  });
});
