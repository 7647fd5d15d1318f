/** Lines of groups against `JSON.stringify`: from their columns, and one by one. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import type { NumberFold } from '../../lib/stream/operators/fold.ts';
import { GroupLines } from '../../lib/stream/operators/group-lines.ts';
import { encodeKey, type Key } from '../../lib/stream/operators/key.ts';
import { ByteWriter } from '../../lib/util/bytes.ts';

const SIZE_MS = 1000;
/** Shown as text. */
const ODD = 12_345;

const column = (name: string, at: number): NumberFold['columns'][number] => ({
  name,
  at,
  result: (state, i) => (state[i] === -1 ? null : state[i] === ODD ? 'odd' : state[i]),
});
const numbers: NumberFold = {
  ...{ width: 2, columns: [column('n', 0), column('größe "x"', 1)], asks: undefined },
  ...{ create: () => [0, 0], addAll: () => true },
};

const key: fc.Arbitrary<Key> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 30 }),
  fc.constantFrom('"', '\\', '\u007f', '\u0000', '\u0001', 'é', '\ud83d', '', null, true, -0.5),
  fc.array(fc.string({ maxLength: 3 }), { maxLength: 2 }),
);
const value = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.integer({ min: -1e10, max: 1e10 }).map((cents) => cents / 100),
  fc.tuple(fc.nat(1e6), fc.nat(1e6)).map(([a, b]) => a / 100 + b / 100),
  fc.tuple(fc.nat(1e9), fc.constantFrom(-1, 1)).map(([cents, way]) => (cents / 100) * (1 + way * Number.EPSILON)),
  fc.constantFrom(0, -0, 0.01, 0.1, 0.29, 9999999.99, 1e7, 5e-324, 2 ** 31 - 1, 2 ** 31, 1e21, 1e-7, -1, ODD),
);
const group = fc.record({ key, end: fc.constantFrom(-5, 0, 1.5, 1_735_693_200_000), state: fc.tuple(value, value) });

it.each([SIZE_MS, undefined])('are what JSON gives for the rows: windows of %s ms', (sizeMs) => {
  const lines = GroupLines.of({ numbers }, sizeMs)!;
  fc.assert(
    fc.property(fc.array(group, { maxLength: 20 }), (groups) => {
      const expected = groups.map(({ key, end, state }) => {
        const [n, size] = state.map((one, i) => numbers.columns[i]!.result([one], 0));
        const window = sizeMs === undefined ? {} : { windowStart: end - sizeMs, windowEnd: end };
        const row = { key, ...window, n, 'größe "x"': size };
        return state.includes(ODD) ? undefined : `${JSON.stringify(row)}\n`;
      });
      const keys = KeyColumn.of(groups.map((one) => encodeKey(one.key)));
      const columns = {
        ...{ count: groups.length, keys, times: Float64Array.from(groups, ({ end }) => end) },
        numbers: Float64Array.from(groups.flatMap(({ state }) => state)),
      };
      expect(groups.map(({ end, state }, i) => lines.line(keys.text(i), end, state, 0))).toEqual(expected);
      const seen: (string | undefined)[] = [];
      for (let i = 0; i < groups.length; i++) {
        const to = new ByteWriter(16);
        const first = i;
        i = lines.write(columns, first, to);
        expect(to.view().toString('utf8')).toBe(expected.slice(first, i).join(''));
        seen.push(...expected.slice(first, i));
        if (i < groups.length) seen.push(undefined);
      }
      expect(seen).toEqual(expected);
    }),
    { numRuns: 1000 },
  );
});
