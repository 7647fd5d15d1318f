/** The map of the memory tier against one that is nothing but a list. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressMap } from '../../lib/state/address-map.ts';

const time = fc.oneof(fc.integer({ min: -3, max: 12 }), fc.constantFrom(1.5, -1e15, 1e15, Number.POSITIVE_INFINITY));
const key = fc.constantFrom('a', 'b', 'c', '');
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), table: fc.nat(2), time, key, value: fc.integer() }),
  fc.record({ do: fc.constant('delete' as const), table: fc.nat(2), time, key }),
  fc.record({ do: fc.constant('times' as const), table: fc.nat(3), time, to: time }),
);

describe('an address map', () => {
  it('does what a list does, whatever comes and goes, and gives times in order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const map = new AddressMap<number>();
        const list = new Map<string, { table: number; time: number; key: string; value: number }>();
        for (const one of steps) {
          if (one.do === 'times') {
            const found = [...list.values()].filter(
              (r) => r.table === one.table && r.time > one.time && r.time <= one.to,
            );
            const times = [...new Set(found.map((r) => r.time))].sort((a, b) => a - b);
            expect(map.times(one.table, one.time, one.to)).toEqual(times);
            continue;
          }
          const at = JSON.stringify([one.table, String(one.time), one.key]);
          const before = list.get(at)?.value;
          expect(map.get(one.table, one.time, one.key)).toBe(before);
          if (one.do === 'set') {
            const { table, time: when, key: name, value } = one;
            list.set(at, { table, time: when, key: name, value });
            map.set(table, when, name, value);
          } else {
            expect(map.delete(one.table, one.time, one.key)).toBe(before);
            list.delete(at);
          }
          expect(map.size).toBe(list.size);
        }
        const rows = [...map.groups()].flatMap(({ table, time: when, rows }) => {
          expect(map.at(table, when)?.size).toBe(rows.size);
          expect([...rows.keys()].every((name) => rows.has(name))).toBe(true);
          return [...rows].map(([name, value]) => ({ table, time: when, key: name, value }));
        });
        expect(rows).toHaveLength(list.size);
        expect(rows).toEqual(expect.arrayContaining([...list.values()]));
      }),
      { numRuns: 500 },
    );
  });
});
