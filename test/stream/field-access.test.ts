/** What is proven of functions by their text, and what is not. */
import { describe, expect, test, vi } from 'vitest';
import { fieldAccess, fieldOf, fieldTest } from '../../lib/stream/graph/field-access.ts';

/** As a program without types has it. */
const written = (text: string): unknown => new Function(`return (${text});`)();

describe('proven', () => {
  test.each([
    ['row => row.user', ['user'], false],
    ['(row) => row.user', ['user'], false],
    ['( row )=>row . user', ['user'], false],
    ['e=>e.user', ['user'], false],
    ['$=>$.a$_1', ['a$_1'], false],
    ["e => e['user']", ['user'], false],
    ['e => e["a b-c"]', ['a b-c'], false],
    ["e => e['']", [''], false],
    ["e => e['ä😀']", ['ä😀'], false],
    ['e =>\n  e\n  .user', ['user'], false],
    ['e => [e.user]', ['user'], true],
    ["e => [ e.user , e['at'] ]", ['user', 'at'], true],
    ['e => e.constructor', ['constructor'], false],
    ['e => e.__proto__', ['__proto__'], false],
    ['async => async.user', ['user'], false],
  ])('%s', (text, fields, list) => {
    const f = written(text) as (row: unknown) => unknown;
    expect(fieldAccess(f)).toEqual({ fields, list });
    const row = Object.fromEntries(fields.map((name, i) => [name, i]));
    for (const name of fields) Object.defineProperty(row, name, { value: fields.indexOf(name) });
    expect(f(row)).toEqual(list ? fields.map((name) => fields.indexOf(name)) : 0);
    expect(fieldOf(f)).toBe(list ? undefined : fields[0]);
  });
});

test.each([
  ['f => f.delay > 15', 'delay', 15],
  ['(f) => f.delay>=-2.5', 'delay', -2.5],
  ["f => f['delay'] < 0", 'delay', 0],
  ['f => f.delay <= 1.25', 'delay', 1.25],
])('proven comparison: %s', (text, field, than) => {
  const f = written(text) as (row: unknown) => unknown;
  const proven = fieldTest(f)!;
  expect(proven.field).toBe(field);
  for (const value of [than, than - 1, than + 1, 0, -0, 1e300, -1e300]) {
    expect(proven.holds(value)).toBe(f({ [field]: value }));
  }
  expect(proven.holds(0)).toBe(f({ [field]: null }));
  expect(fieldAccess(f)).toBeUndefined();
});

test.each([
  'f => f.delay > 015',
  'f => f.delay > 1e3',
  'f => f.delay > 1_000',
  'f => f.delay > 10n',
  'f => f.delay > 0x10',
  'f => f.delay > limit',
  "f => f.delay > '15'",
  'f => f.delay > 1 || true',
  'f => f.delay >> 1',
  'f => f.delay === 15',
  'f => 15 < f.delay',
  'f => f.delay > 15 > 1',
  'f => g.delay > 15',
  'f => f.delay',
])('no proven comparison: %s', (text) => expect(fieldTest(written(text))).toBeUndefined());

describe('not proven', () => {
  test.each([
    'async row => row.user',
    'async (row) => row.user',
    'function (row) { return row.user; }',
    'row => { return row.user; }',
    'row => (row.user)',
    '(row = {}) => row.user',
    '({ user }) => user',
    '([row]) => row.user',
    '(...row) => row.user',
    '(row, i) => row.user',
    '() => row.user',
    'row => other.user',
    'row => row?.user',
    'row => row.user.name',
    'row => row.user()',
    'row => row.user ?? 0',
    'row => row.user + 1',
    'row => row.user = 1',
    'row => row.user++',
    'row => -row.user',
    'row => row',
    'row => row[user]',
    'row => row[0]',
    'row => row[`user`]',
    "row => row['a\\u0062']",
    'row => row.\\u0061',
    'r\\u006fw => row.user',
    'row => row.ä',
    "row => row['user'].length",
    '/* it */ (row) => row /* of */ .user',
    'row => [row.user,]',
    'row => [,row.user]',
    'row => []',
    'row => [...row.user]',
    'row => [row.user, 1]',
    'row => [row.user][0]',
    'row => [[row.user]]',
    'row => [row.user, (delete row.at, row.at)]',
    'row => row.user, 1',
    'class { static user = 1 }',
  ])('%s', (text) => expect(fieldAccess(written(text))).toBeUndefined());

  test('what is no such function in itself', () => {
    const plain = (row: { user: string }): string => row.user;
    expect(fieldAccess(plain)).toEqual({ fields: ['user'], list: false });
    const others: unknown[] = [
      plain.bind(undefined),
      vi.fn(plain),
      new Proxy(plain, { apply: () => 'other' }),
      Object.assign((row: { user: string }) => `${row.user}`, { toString: () => 'row => row.user' }),
      String,
      Math.max,
      'row => row.user',
      { toString: () => 'row => row.user' },
      undefined,
      null,
    ];
    for (const other of others) expect(fieldAccess(other)).toBeUndefined();
  });
});
