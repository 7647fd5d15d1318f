/** What is packed comes back equal, whatever text, names and numbers it has; bytes of earlier versions stay readable. */
import fc from 'fast-check';
import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../lib/util/bytes.ts';
import { packRows, packValue, unpackRows, unpackValue } from '../../lib/util/pack.ts';
import { packedLength, packNumbers } from '../../lib/util/pack-numbers.ts';
import { MAX_DEPTH, notPlain } from '../../lib/util/plain-data.ts';

const NAMES = [
  '__proto__',
  'constructor',
  '__keys__',
  'toJSON',
  'hasOwnProperty',
  'length',
  '',
  '0',
  '\ud800',
  '\ufeffa',
];

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'binary', minLength: 50, maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 100 }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => units.map((u) => String.fromCharCode(u)).join('')),
  fc.constantFrom('\ud800', 'a\udfff', '\ufeffbom'.repeat(20), `${'x'.repeat(70)}\udc00`, '💥'.repeat(33)),
);
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(-0, 5e-324, 1e308, 2 ** 53 + 2, -(2 ** 31), 2 ** 32, 255, 128, 63, 64, 0x7f, -0x80, -0x8000, -33),
);
const leaf = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constantFrom(null, undefined),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 700n), max: 2n ** 700n }),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);

/** An object of these properties, all its own: `__proto__`, too. */
function objectOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries);
}

const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('array'), tie('object')),
  array: fc.array(tie('value')),
  object: fc
    .array(fc.tuple(fc.oneof(text, fc.constantFrom(...NAMES, 'a', 'b', 'c')), tie('value')), { maxLength: 20 })
    .map(objectOf),
}));

/** Same values, types and order of properties; `-0` is not `0`. */
function expectSame(found: unknown, wanted: unknown): void {
  expect(shown(found)).toBe(shown(wanted));
}

/** Text that differs wherever values do. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value);
  if (Array.isArray(value)) return `[${value.map(shown).join()}]`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof Uint8Array) return `${value.constructor.name} ${value.join()}`;
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  const names = Object.keys(value);
  return `{${names.map((n) => `${JSON.stringify(n)}:${shown(Object.getOwnPropertyDescriptor(value, n)!.value)}`).join()}}`;
}

it('gives back every plain value as it was', () => {
  fc.assert(
    fc.property(value, (v) => {
      expectSame(unpackValue(packValue(v)), v);
    }),
    { numRuns: 1000 },
  );
});

it('gives back rows of any shapes as they were', () => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 40 }), (rows) => {
      expectSame(unpackRows(packRows(rows)), rows);
      expectSame(unpackRows(packRows([{ rows }, { rows }])), [{ rows }, { rows }]);
    }),
    { numRuns: 300 },
  );
});

it('gives back what JSON holds as it was', () => {
  const json = fc.json({ stringUnit: 'binary' }).map((t) => JSON.parse(t) as unknown);
  fc.assert(
    fc.property(json, (v) => {
      expectSame(unpackValue(packValue(v)), v);
      expectSame(unpackRows(packRows([v, [v]])), [v, [v]]);
    }),
    { numRuns: 1000 },
  );
});

it('gives back more shapes than there are numbers for, again and again', () => {
  const rows = Array.from({ length: 1000 }, (_, i) => ({ [`a${i % 200}`]: i, inner: { [`b${i % 150}`]: { a: i } } }));
  expectSame(unpackRows(packRows([...rows, ...rows.slice(0, 300).reverse()])), [
    ...rows,
    ...rows.slice(0, 300).reverse(),
  ]);
});

it('tells shapes apart that begin alike', () => {
  const rows = [
    {},
    { a: 1 },
    { a: 1, b: 2 },
    { a: 1 },
    {},
    { a: 1, c: 3 },
    { b: 2, a: 1 },
    { a: 1, __keys__: 2 },
    { a: 1 },
  ];
  expectSame(unpackRows(packRows(rows)), rows);
});

it('gives back wide and long values', () => {
  const wide = objectOf(Array.from({ length: 70_000 }, (_, i) => [`f${i}`, i]));
  const long = ['x'.repeat(70_000), 'ü'.repeat(40_000), `${'x'.repeat(66_000)}\ud801`, new Uint8Array(70_000).fill(7)];
  expectSame(unpackValue(packValue([wide, long])), [wide, long]);
  expectSame(unpackRows(packRows([wide, long, wide])), [wide, long, wide]);
});

it('what was given out is not written to again', () => {
  const given = Array.from({ length: 3000 }, (_, i) => ({
    value: { i, t: 'x'.repeat(i % 97) },
    bytes: packValue({ i, t: 'x'.repeat(i % 97) }),
  }));
  for (const { value: v, bytes } of given) expectSame(unpackValue(bytes), v);
});

describe('for values that msgpackr gives back, bytes are the same as msgpackr’s', () => {
  const friendly = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'grapheme', maxLength: 100 }).filter((t) => t.charCodeAt(0) !== 0xfeff),
      number.filter((n) => !Object.is(n, -0)),
      fc.constantFrom(null, undefined, true, false),
      fc.bigInt(),
      fc.date({ noInvalidDate: false }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie('value')),
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'länge', 'd e'), tie('value'))).map(objectOf),
    ),
  })).value;
  const options = { moreTypes: true, useBigIntExtension: true };

  it('values', () => {
    const packr = new Packr({ ...options, useRecords: false, variableMapSize: true });
    fc.assert(
      fc.property(friendly, (v) => {
        expect(Buffer.from(packValue(v)).toString('hex')).toBe(packr.pack(v).toString('hex'));
      }),
      { numRuns: 1000 },
    );
  });

  it('rows', () => {
    fc.assert(
      fc.property(fc.array(friendly), (rows) => {
        const theirs = new Packr({ ...options, useRecords: true }).pack(rows);
        expectSame(unpackRows(theirs), new Unpackr({ ...options, useRecords: true, copyBuffers: true }).unpack(theirs));
        expect(Buffer.from(packRows(rows)).toString('hex')).toBe(theirs.toString('hex'));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('refuses what is no plain data, and says where it is', () => {
  class Flight {}
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const cases: [string, unknown, string][] = [
    [
      'a Map',
      { meta: { tags: new Map() } },
      'a Map at .meta.tags: rows and state are plain data; use an object or an array',
    ],
    ['a Set', [1, new Set([1])], 'a Set at [1]: rows and state are plain data; use an array'],
    ['a function', { 'a b': () => 1 }, 'a function at ["a b"]: rows and state are plain data; leave it out'],
    ['a symbol', Symbol('x'), 'a symbol: rows and state are plain data; use a string'],
    ['an instance', { f: new Flight() }, 'a Flight at .f: rows and state are plain data; use an object of its values'],
    [
      'an Error',
      [{ e: new Error('x') }],
      'an Error at [0].e: rows and state are plain data; use an object of its values',
    ],
    [
      'a promise',
      { p: Promise.resolve(1) },
      'a Promise at .p: rows and state are plain data; use the value it stands for',
    ],
    [
      'other numbers',
      new Float64Array(1),
      'a Float64Array: rows and state are plain data; use an array or a Uint8Array',
    ],
    [
      'a list of a class',
      new (class List extends Array {})(),
      'a List: rows and state are plain data; use an object of its values',
    ],
    ['a URL', { u: new URL('http://a') }, 'a URL at .u: rows and state are plain data; use an object of its values'],
  ];
  it.each(cases)('%s', (_, v, message) => {
    expect(() => packValue(v)).toThrow(expect.objectContaining({ name: 'NotPlainError', message }));
    expect(() => packRows([v])).toThrow(message.slice(message.indexOf(':')));
    expectSame(unpackValue(packValue({ a: 1 })), { a: 1 });
  });

  it('what holds itself', () => {
    expect(() => packValue(cyclic)).toThrow(`more than ${MAX_DEPTH} levels deep`);
    expect(notPlain(cyclic).message).toMatch(/does it hold itself\?/);
  });

  it('but not what other realms and null prototypes make', async () => {
    const { runInNewContext } = await import('node:vm');
    const foreign = runInNewContext('({ a: [1, { b: new Date(5) }], c: new Uint8Array([1]) })') as unknown;
    expectSame(unpackValue(packValue(foreign)), { a: [1, { b: new Date(5) }], c: new Uint8Array([1]) });
    expectSame(unpackValue(packValue(Object.assign(Object.create(null), { a: 1 }))), { a: 1 });
  });
});

it('reads values nested as deep as may be', () => {
  let deep: unknown = 1;
  for (let i = 0; i < MAX_DEPTH; i++) deep = i % 2 === 0 ? [deep] : { deep };
  expect(unpackValue(packValue(deep))).toEqual(deep);
  expect(unpackRows(packRows([deep]).slice())).toEqual([deep]);
});

it('writes numbers from a slab as it writes an array of them, byte for byte', () => {
  const edge = [0, 0x1f, 0x20, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 2 ** 31, 2 ** 32 - 1, 2 ** 32].flatMap((v) => [
    v,
    -v,
    v + 0.5,
    -v - 1,
  ]);
  const numbers = fc.array(fc.oneof(fc.constantFrom(...edge), fc.double({ noNaN: true }), fc.integer()), {
    maxLength: 20,
  });
  fc.assert(
    fc.property(numbers, fc.nat({ max: 3 }), (values, before) => {
      const slab = Float64Array.from([...Array<number>(before).fill(7), ...values, 8]);
      const writer = new ByteWriter(16);
      packNumbers(writer, slab, before, values.length);
      expect(Buffer.from(writer.view()).toString('hex')).toBe(Buffer.from(packValue(values)).toString('hex'));
      expect(packedLength(slab, before, values.length)).toBe(writer.length);
    }),
  );
});
