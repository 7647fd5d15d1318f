/** What declared fields make of a JSON text, said anew: what the tests of decoders compare with. */
import fc from 'fast-check';
import type { Fields } from '../../lib/source/fields.ts';
import { toEpochMs } from '../../lib/stream/api/time.ts';

const TYPES = ['string', 'number', 'integer', 'boolean', 'timestamp', 'json'] as const;
export const FIELD_NAMES = ['a', 'b', 'at', 'user', 'ä', '😀', 'constructor', '', '0', 'event_time_of_the_row', '"\\'];

/** @returns `'BAD'` for what is no row */
export function lawful(text: string, fields: Fields): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'BAD';
  }
  return picked(value, fields);
}

export function picked(value: unknown, fields: Fields): unknown {
  if (Object.prototype.toString.call(value) !== '[object Object]') return 'BAD';
  const row: [string, unknown][] = [];
  for (const [name, declared] of Object.entries(fields)) {
    const given = Object.entries(value as object).find(([known]) => known === name)?.[1] as unknown;
    const taken = fitting(given, declared.replace('?', ''));
    if (taken !== undefined) row.push([name, taken]);
    else if (declared.endsWith('?') && (given === undefined || given === null)) row.push([name, null]);
    else return 'BAD';
  }
  return Object.fromEntries(row);
}

/** @returns `undefined`: it does not fit */
function fitting(value: unknown, type: string): unknown {
  if (type === 'json') return value;
  if (type === 'timestamp') {
    try {
      return toEpochMs(value);
    } catch {
      return undefined;
    }
  }
  if (type === 'integer') return Number.isSafeInteger(value) ? value : undefined;
  if (type === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === type ? value : undefined;
}

export const anyFields: fc.Arbitrary<Fields> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...FIELD_NAMES), fc.constantFrom(...TYPES), fc.nat(3)), {
    minLength: 1,
    maxLength: 5,
    selector: ([name]) => name,
  })
  .map((list) =>
    Object.fromEntries(list.map(([name, type, optional]) => [name, `${type}${optional > 0 ? '?' : ''}`] as const)),
  );

/** A character as JSON may write it. */
const escaped = fc.constantFrom(
  '\\n', '\\"', '\\\\', '\\/', '\\b', '\\f', '\\r', '\\t', '\\u0061', '\\u00e4', '\\ud83d\\ude00', '\\ud800', '\\uDFFF',
  '\\u0000', 'x', 'ä', '€', '😀', ' ', '\u2028', '\u007f', '\ufeff', '0123456789abcdef',
); // biome-ignore format: a list
const wrongEscape = fc.constantFrom(
  '\\',
  '\\x',
  '\\u12',
  '\\u12g4',
  '\\U0061',
  '\t',
  '\u0000',
  '\u001f',
  '"',
  '\\u',
  "\\'",
);
const mostly = <T>(good: fc.Arbitrary<T>, bad: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  fc.oneof({ weight: 150, arbitrary: good }, { weight: 1, arbitrary: bad });
const stringText = fc.array(mostly(escaped, wrongEscape), { maxLength: 6 }).map((parts) => `"${parts.join('')}"`);
const timeText = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => JSON.stringify(date)),
  fc.constantFrom(
    '"2013-01-31"', '"2013-02-29T00:00:00Z"', '"2012-02-29T23:59:59Z"', '"2013-01-01 10:15"', '"2013-01-01T10:15:00.1239Z"',
    '"2013-01-01T10:15:00+02:00"', '"2013-1-1"', '"0000-01-01T00:00:00Z"', '"2013-12-31T24:00:00Z"', '"2013-01-01T10:15:60Z"',
    '"2013-00-10T10:15:00Z"', '"2013-01-01T10:15:00.Z"', '"-000001-12-31T00:00:00Z"', '"2013-01-01T10:15:00,5z"',
    '"2013-01-01T1\\u0030:15:00Z"', '"2100-02-29T00:00:00Z"', '"2000-02-29T00:00:00.000Z"', '"1969-12-31T23:59:59.999Z"',
  ), // biome-ignore format: a list
);
const numberText = mostly(
  fc.oneof(
    fc.integer().map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }).map(String),
    fc.tuple(fc.integer({ min: -99999, max: 99999 }), fc.integer({ min: 0, max: 99999 })).map((n) => n.join('.')),
    fc.tuple(fc.nat(99), fc.constantFrom('e', 'E', 'e+', 'E-'), fc.nat(330)).map((n) => n.join('')),
    fc.constantFrom(
      '-0', '0', '-0.0', '0e5', '-0e-5', '1e400', '-1e400', '1e-400', '9007199254740991', '9007199254740992', '9007199254740993',
      '-9007199254740991', '123456789012345678901234567890', '0.1', '0.30000000000000004', '5e-324', '1.7976931348623157e308',
      '8640000000000000', '8640000000000001', '1735693200000', '1735693200000.75', '-1.5', '1.0', '100000000000000000000000',
      '4503599627370496.5', '0.000001', '123456789.123456', '2147483648', '-2147483649', '999999999999999', '1e15', '12.34',
    ), // biome-ignore format: a list
  ),
  fc.constantFrom(
    '00',
    '01',
    '-',
    '+1',
    '.5',
    '5.',
    '1e',
    '1e+',
    '--1',
    '-a',
    '0x10',
    'NaN',
    '-Infinity',
    '1.e3',
    '1_000',
    '1 2',
  ),
);
const wordText = mostly(
  fc.constantFrom('true', 'false', 'null'),
  fc.constantFrom('True', 'tru', 'nul', 'falsey', 'undefined', 'truefalse', 'nulll'),
);
const gap = fc.oneof(
  { weight: 150, arbitrary: fc.constant('') },
  { weight: 40, arbitrary: fc.constantFrom(' ', '\t', '\r', '  \r\t ') },
  { weight: 1, arbitrary: fc.constantFrom('\u00a0', '\f', '\ufeff', '\v') },
);
const nameText = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...FIELD_NAMES).map((name) => JSON.stringify(name)) },
  { weight: 2, arbitrary: stringText },
  {
    weight: 1,
    arbitrary: mostly(
      fc.constantFrom('"\\u0061"', '"us\\u0065r"', '"__proto__"', '"other"', '"aa"', '"A"'),
      fc.constantFrom('a', "'a'", ''),
    ),
  },
);

const scalarText = fc.oneof(stringText, timeText, numberText, wordText);

/** Text that may be JSON: mostly an object with declared fields among its names, twice at times. */
export const anyJsonLine: fc.Arbitrary<string> = fc.letrec<{ value: string; object: string; line: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    { weight: 6, arbitrary: scalarText },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          fc.array(tie('value'), { maxLength: 3 }),
          gap,
          mostly(fc.constantFrom(',', ', '), fc.constantFrom('', ',,')),
        )
        .map(([items, space, comma]) => `[${space}${items.join(comma)}${space}]`),
    },
    { weight: 1, arbitrary: tie('object') },
  ),
  object: fc
    .tuple(
      fc.array(
        fc.tuple(nameText, gap, mostly(fc.constant(':'), fc.constantFrom('', '::', '=')), gap, tie('value'), gap),
        {
          maxLength: 7,
        },
      ),
      gap,
      mostly(fc.constant(','), fc.constantFrom('', ',,', ';')),
      mostly(fc.constant('}'), fc.constantFrom('', ']', ',}', '}}')),
    )
    .map(([members, space, comma, end]) => `{${space}${members.map((member) => member.join('')).join(comma)}${end}`),
  line: fc
    .tuple(gap, fc.oneof({ weight: 12, arbitrary: tie('object') }, { weight: 1, arbitrary: tie('value') }), gap)
    .map((parts) => parts.join('')),
})).line;
