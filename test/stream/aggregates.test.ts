/** Every aggregate against the obvious computation over all rows, in any batches, merged or not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  aggregator,
  avg,
  collect,
  count,
  countDistinct,
  first,
  last,
  max,
  maxBy,
  min,
  minBy,
  quantile,
  sum,
  topN,
} from '../../lib/index.ts';
import type { Slots } from '../../lib/stream/graph/accumulator.ts';
import type { AggregateDefinition } from '../../lib/stream/graph/fold-spec.ts';
import { encodeKey } from '../../lib/stream/operators/key.ts';
import { packRows, unpackRows } from '../../lib/util/pack.ts';

interface Row {
  readonly v: number | null;
  readonly s: string;
  readonly time: number;
  readonly id: number;
}

const rowsOf = (timed: boolean): fc.Arbitrary<Row[]> =>
  fc
    .array(
      fc.record({
        v: fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constant(null)),
        s: fc.constantFrom('a', 'b', 'c', 'é'),
        time: timed ? fc.integer({ min: -5, max: 5 }) : fc.constant(Number.NaN),
      }),
      { maxLength: 30 },
    )
    .map((rows) => rows.map((row, id) => ({ ...row, id })));

const values = (rows: readonly Row[]): number[] => rows.flatMap((row) => row.v ?? []);
const orNull = <V>(value: V | undefined): V | null => value ?? null;
/** By event time, arrival in a tie; sort is stable. */
const inTime = (rows: readonly Row[]): Row[] =>
  rows.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
const plus = (a: number, b: number): number => a + b;

const cases: { name: string; aggregate: unknown; expected: (rows: readonly Row[]) => unknown }[] = [
  { name: 'count', aggregate: count(), expected: (rows) => rows.length },
  {
    name: 'count where',
    aggregate: count<Row>((r) => r.s === 'a'),
    expected: (rows) => rows.filter((r) => r.s === 'a').length,
  },
  { name: 'sum', aggregate: sum<Row>((r) => r.v), expected: (rows) => values(rows).reduce(plus, 0) },
  {
    name: 'avg',
    aggregate: avg((r: Row) => r.v),
    expected: (rows) => (values(rows).length === 0 ? null : values(rows).reduce(plus, 0) / values(rows).length),
  },
  {
    name: 'min',
    aggregate: min((r: Row) => r.v),
    expected: (rows) => orNull(values(rows).toSorted((a, b) => a - b)[0]),
  },
  {
    name: 'max',
    aggregate: max((r: Row) => r.v),
    expected: (rows) => orNull(values(rows).toSorted((a, b) => b - a)[0]),
  },
  {
    name: 'min of text',
    aggregate: min((r: Row) => r.s),
    expected: (rows) => orNull(rows.map((r) => r.s).toSorted()[0]),
  },
  {
    name: 'minBy',
    aggregate: minBy((r: Row) => r.s),
    expected: (rows) => orNull(rows.toSorted((a, b) => (a.s < b.s ? -1 : a.s > b.s ? 1 : 0))[0]),
  },
  {
    name: 'maxBy',
    aggregate: maxBy((r: Row) => r.v ?? 0),
    expected: (rows) => orNull(rows.toSorted((a, b) => (b.v ?? 0) - (a.v ?? 0))[0]),
  },
  { name: 'first', aggregate: first<Row>(), expected: (rows) => orNull(inTime(rows)[0]) },
  { name: 'first of f', aggregate: first((r: Row) => r.id), expected: (rows) => orNull(inTime(rows)[0]?.id) },
  { name: 'last', aggregate: last<Row>(), expected: (rows) => orNull(inTime(rows).at(-1)) },
  { name: 'collect', aggregate: collect<Row>(), expected: (rows) => inTime(rows) },
  {
    name: 'collect of f, limited',
    aggregate: collect((r: Row) => r.id, { limit: 3 }),
    expected: (rows) =>
      inTime(rows)
        .map((r) => r.id)
        .slice(0, 3),
  },
  {
    name: 'topN',
    aggregate: topN<Row>(3, { by: (r) => r.v ?? 0 }),
    expected: (rows) => rows.toSorted((a, b) => (b.v ?? 0) - (a.v ?? 0)).slice(0, 3),
  },
  {
    name: 'topN by parts, ascending',
    aggregate: topN<Row>(4, { by: (r) => [r.s, r.v ?? 0], order: 'asc' }),
    expected: (rows) => rows.toSorted((a, b) => (a.s < b.s ? -1 : a.s > b.s ? 1 : (a.v ?? 0) - (b.v ?? 0))).slice(0, 4),
  },
  { name: 'countDistinct', aggregate: countDistinct<Row>((r) => r.v), expected: (rows) => new Set(values(rows)).size },
  {
    name: 'aggregator that changes in place',
    aggregate: aggregator({
      init: () => ({ ids: [] as number[] }),
      add: (acc, row: Row) => {
        acc.ids.push(row.id);
        return acc;
      },
      merge: (a, b) => {
        a.ids.push(...b.ids);
        return a;
      },
      result: (acc) => acc.ids.join(),
    }),
    expected: (rows) => rows.map((r) => r.id).join(),
  },
  {
    name: 'aggregator without result',
    aggregate: aggregator({ init: () => 0, add: (acc, row: Row) => acc + row.id, merge: plus }),
    expected: (rows) => rows.map((r) => r.id).reduce(plus, 0),
  },
];

const OFFSET = 2;

/** Adds rows in batches as an operator does, from stored state to stored state; the slots begin at an offset. */
function fold(aggregate: unknown, batches: readonly (readonly Row[])[]): Slots {
  const accumulator = (aggregate as AggregateDefinition).accumulator('column');
  let stored: Slots = ['before', 'it'];
  accumulator.init(stored, OFFSET);
  for (const batch of batches) {
    const bytes = packRows(stored);
    const thawed = stored.slice();
    accumulator.own?.(thawed, OFFSET);
    for (const row of batch) accumulator.add(thawed, OFFSET, row, row.time);
    expect(unpackRows(bytes), 'what was stored has not changed').toStrictEqual(unpackRows(packRows(stored)));
    expect(thawed).toHaveLength(OFFSET + accumulator.width);
    stored = unpackRows(packRows(thawed)) as Slots;
    expect(stored, 'state is plain data').toStrictEqual(thawed);
  }
  return stored;
}

function result(aggregate: unknown, slots: Slots): unknown {
  return (aggregate as AggregateDefinition).accumulator('column').result(slots, OFFSET);
}

function merged(aggregate: unknown, ...parts: Slots[]): Slots {
  const accumulator = (aggregate as AggregateDefinition).accumulator('column');
  return parts.reduce((a, b) => {
    const to = a.slice();
    accumulator.own?.(to, OFFSET);
    accumulator.merge(to, OFFSET, unpackRows(packRows(b)) as Slots, OFFSET);
    return to;
  });
}

function cut<V>(rows: readonly V[], at: readonly number[]): V[][] {
  const ends = [...at.map((a) => a % (rows.length + 1)), rows.length].sort((a, b) => a - b);
  return ends.map((end, i) => rows.slice(i === 0 ? 0 : ends[i - 1], end));
}

describe.each([
  ['with event time', true],
  ['without event time', false],
])('%s', (_, timed) => {
  test.each(cases)(
    '$name is what all rows together give, however they are cut into batches',
    ({ aggregate, expected }) => {
      fc.assert(
        fc.property(rowsOf(timed), fc.array(fc.nat(), { maxLength: 3 }), (rows, at) => {
          expect(result(aggregate, fold(aggregate, cut(rows, at)))).toEqual(expected(rows));
        }),
      );
    },
  );

  test.each(cases)('$name gives the same in a slab of numbers, or says that it cannot', ({ name, aggregate }) => {
    const accumulator = (aggregate as unknown as AggregateDefinition).accumulator('column');
    const { addNumber, width } = accumulator;
    expect(addNumber !== undefined, name).toBe(/^(count|sum|avg|min|max)\b(?!By)/.test(name));
    if (addNumber === undefined) return;
    fc.assert(
      fc.property(rowsOf(timed), (rows) => {
        const start: Slots = ['before', 'it'];
        accumulator.init(start, OFFSET);
        const slab = new Float64Array(OFFSET + width + 1).fill(5);
        slab.set(start.slice(OFFSET) as number[], OFFSET);
        for (const row of rows) {
          const before = slab.slice();
          if (addNumber(slab, OFFSET, row, row.time)) continue;
          expect(name).toMatch(/of text/);
          expect(slab).toEqual(before);
          return;
        }
        expect(result(aggregate, slab as unknown as Slots)).toEqual(result(aggregate, fold(aggregate, [rows])));
        expect([slab[0], slab[1], slab[OFFSET + width]]).toEqual([5, 5, 5]);
      }),
    );
  });

  test.each(cases)('$name merges, in either grouping', ({ aggregate, expected }) => {
    fc.assert(
      fc.property(rowsOf(timed), fc.nat(), fc.nat(), (rows, x, y) => {
        const [a, b, c] = cut(rows, [x, y]).map((part) => fold(aggregate, [part])) as [Slots, Slots, Slots];
        const left = merged(aggregate, merged(aggregate, a, b), c);
        const right = merged(aggregate, a, merged(aggregate, b, c));
        expect(result(aggregate, left)).toEqual(expected(rows));
        expect(right).toEqual(left);
      }),
    );
  });
});

describe('quantile', () => {
  const magnitude = fc.double({ min: 1e-300, max: 1e300, noNaN: true });
  const value = fc.oneof(
    magnitude,
    magnitude.map((v) => -v),
    fc.constant(0),
    fc.integer({ min: -100, max: 100 }),
  );

  test('is within 1 % of the value of its rank, merged or not', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 60 }),
        fc.nat({ max: 1000 }),
        fc.nat(),
        (vs, thousandths, at) => {
          const aggregate = quantile((r: Row) => r.v, [thousandths / 1000, 0, 1]);
          const rows = vs.map((v, id) => ({ v, s: '', time: 0, id }));
          const sorted = vs.toSorted((a, b) => a - b);
          const [a, b] = cut(rows, [at]).map((part) => fold(aggregate, [part])) as [Slots, Slots];
          for (const slots of [fold(aggregate, [rows]), merged(aggregate, a, b)]) {
            const got = result(aggregate, slots) as number[];
            for (const [i, one] of [thousandths, 0, 1000].entries()) {
              const exact = sorted[Math.max(1, Math.ceil((one * vs.length) / 1000)) - 1]!;
              expect(Math.abs(got[i]! - exact)).toBeLessThanOrEqual(0.01 * Math.abs(exact));
            }
          }
        },
      ),
    );
  });

  test('takes the nearest rank, and 0.07 of 100 values is the seventh', () => {
    const of = (q: number, values: readonly number[]): number => {
      const aggregate = quantile((r: Row) => r.v, q);
      return result(aggregate, fold(aggregate, [values.map((v, id) => ({ v, s: '', time: 0, id }))])) as number;
    };
    const near = (got: number, wanted: number): void => expect(Math.abs(got - wanted) / wanted).toBeLessThan(0.01);
    near(of(0.95, [10, 1000]), 1000);
    near(of(0.5, [10, 1000]), 10);
    near(of(0.51, [10, 1000]), 1000);
    near(of(0, [10, 1000]), 10);
    near(of(1, [10, 1000]), 1000);
    // Far enough apart that neighbours are told apart.
    const hundred = Array.from({ length: 100 }, (_, i) => 1.1 ** i);
    for (let percent = 1; percent <= 100; percent++) near(of(percent / 100, hundred), 1.1 ** (percent - 1));
  });

  test('of no values is null', () => {
    expect(
      result(
        quantile((r: Row) => r.v, 0.5),
        fold(
          quantile((r: Row) => r.v, 0.5),
          [[]],
        ),
      ),
    ).toBeNull();
    expect(
      result(
        quantile((r: Row) => r.v, [0, 1]),
        fold(
          quantile(() => null, [0, 1]),
          [[]],
        ),
      ),
    ).toEqual([null, null]);
  });
});

describe('countDistinct', () => {
  const aggregate = countDistinct<{ key: string | number }>((r) => r.key);
  const accumulator = (aggregate as unknown as AggregateDefinition).accumulator('n');
  const counted = (keys: Iterable<string | number>): Slots => {
    const slots: Slots = [];
    accumulator.init(slots, 0);
    for (const key of keys) accumulator.add(slots, 0, { key }, 0);
    return slots;
  };
  const range = (from: number, to: number, f: (i: number) => string | number = (i) => i): (string | number)[] =>
    Array.from({ length: to - from }, (_, i) => f(from + i));

  test('is exact up to 2,047 values, doubled ones too', () => {
    const slots = counted([...range(0, 2047), ...range(0, 2047)]);
    expect(accumulator.result(slots, 0)).toBe(2047);
  });

  test.each([2048, 5000, 20_000, 50_000, 100_000, 400_000])('of %d values is within 3 standard errors', (n) => {
    for (const f of [(i: number) => i, (i: number) => `user-${i}`, (i: number) => i * 1e-9]) {
      const got = accumulator.result(counted(range(0, n, f)), 0) as number;
      expect(Math.abs(got - n) / n).toBeLessThan(3 * 0.0082);
    }
  });

  test('merges lists and registers to what all values give', () => {
    for (const [x, y] of [
      [100, 200],
      [1500, 3000],
      [5000, 5100],
      [20, 9000],
      [9000, 9000],
    ] as const) {
      const all = counted(range(0, y));
      const a = counted(range(0, x));
      accumulator.merge(a, 0, counted(range(Math.floor(x / 2), y)), 0);
      expect(a).toEqual(all);
      const b = counted(range(Math.floor(x / 2), y));
      accumulator.merge(b, 0, counted(range(0, x)), 0);
      expect(b).toEqual(all);
    }
  });

  test('null and undefined are skipped, 1 and "1" differ', () => {
    expect(encodeKey(1)).not.toBe(encodeKey('1'));
    expect(accumulator.result(counted([1, '1', null as never, undefined as never]), 0)).toBe(2);
  });
});

describe('values that are not what the aggregate needs', () => {
  test.each([
    ['sum of text', sum((() => '3') as never), /sum of 'column'.*"3"/],
    ['sum of NaN', sum(() => Number.NaN), /sum of 'column'/],
    ['sum of Infinity', sum(() => Infinity), /needs finite numbers/],
    ['avg of true', avg((() => true) as never), /avg of 'column'/],
    ['max of NaN', max(() => Number.NaN), /max of 'column'/],
    ['max of numbers and text', max((r: Row) => (r.id === 0 ? 1 : 'a')), /numbers and text are mixed/],
    ['minBy of null', minBy((() => null) as never), /minBy of 'column'/],
    ['quantile of text', quantile((() => 'x') as never, 0.5), /quantile of 'column'/],
    ['topN by null', topN(1, { by: (() => null) as never }), /topN of 'column'/],
    ['a sum beyond doubles', sum(() => 1e308), /too great/],
  ])('%s is refused with a message that names the column', (_, aggregate, message) => {
    const row: Row = { v: 1, s: 'a', time: 0, id: 0 };
    expect(() => fold(aggregate, [[row, { ...row, id: 1 }]])).toThrow(message);
  });
});
