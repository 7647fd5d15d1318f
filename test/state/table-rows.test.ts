/** Rows in memory against a plain map, whatever batches touch, write, forget and leave alone. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { isNumbers, TableRows } from '../../lib/state/table-rows.ts';
import { packValue } from '../../lib/util/pack.ts';

const key = fc.integer({ min: 0, max: 60 }).map((k) => `\x06customer-${k}\0`);
const time = fc.oneof(fc.integer({ min: -2, max: 4 }), fc.constantFrom(1.5, 1e15));
const row = fc.oneof(
  fc.tuple(fc.integer(), fc.double({ noNaN: true })),
  fc.constantFrom(['text', 1], [1], [Number.NaN, 1]),
);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('set' as const), key, time, row }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('numbers' as const), key, time, row: fc.tuple(fc.nat(9), fc.nat(9)) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('touch' as const), key, time }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('release' as const), key, time }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scan' as const), time, to: time }) },
  { weight: 1, arbitrary: fc.constant({ do: 'end' as const }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
interface Known {
  readonly time: number;
  readonly key: string;
  row: unknown;
}

function check(steps: readonly Step[], timed: boolean): void {
  const rows = new TableRows(2, timed);
  const model = new Map<string, Known>();
  let touched: string[] = [];
  const nameOf = (when: number, text: string): string => `${timed ? when : 0} ${text}`;
  const all = (after: number, upTo: number): { time: number; key: string; row: unknown }[] =>
    [...rows.within(after, upTo)]
      .filter((id) => rows.has(id))
      .map((id) => ({ time: rows.time(id), key: rows.key(id), row: rows.row(id) }));
  const expected = (after: number, upTo: number): Known[] =>
    [...model.values()]
      .filter((r) => r.time > after && r.time <= upTo)
      .sort((a, b) => a.time - b.time || (a.key < b.key ? -1 : 1));
  for (const s of steps) {
    if (s.do === 'end') {
      rows.endBatch((id) => rows.release(id));
      touched = [];
      continue;
    }
    if (s.do === 'scan') {
      expect(all(s.time, s.to)).toEqual(expected(s.time, s.to));
      continue;
    }
    const name = nameOf(s.time, s.key);
    const column = KeyColumn.of([s.key]);
    const id = rows.findText(s.key, s.time);
    expect(rows.find(column, 0, s.time)).toBe(id);
    expect(id >= 0 && rows.has(id)).toBe(model.has(name));
    if (id >= 0) expect(rows.row(id)).toEqual(model.get(name)?.row);
    if (s.do === 'touch') {
      const at = rows.touch(rows.intern(column, 0, s.time));
      const before = touched.indexOf(name);
      expect(at).toBe(before < 0 ? touched.length : before);
      if (before < 0) touched.push(name);
    } else if (s.do === 'release') {
      if (id < 0 || !rows.has(id)) continue;
      rows.release(id);
      model.delete(name);
      // A batch does so only when it ends.
      rows.endBatch((id) => rows.release(id));
      touched = [];
    } else {
      const at = rows.intern(column, 0, s.time);
      if (s.do === 'set') rows.set(at, s.row);
      else rows.setNumbers(at, new Float64Array([7, ...s.row]), 1);
      expect(rows.inSlab(at)).toBe(isNumbers(s.row, 2));
      model.set(name, { time: timed ? s.time : 0, key: s.key, row: s.row });
      rows.setMemory(at, at * 8);
      if (at % 2 === 1) rows.setUsed(at);
      expect([rows.isUsed(at), rows.memory(at)]).toEqual([at % 2 === 1, at * 8]);
      expect([rows.takeUsed(at), rows.takeUsed(at), rows.memory(at)]).toEqual([at % 2 === 1, false, at * 8]);
    }
    expect(rows.size).toBe(model.size);
  }
  rows.endBatch((id) => rows.release(id));
  expect(all(-Infinity, Infinity)).toEqual(expected(-Infinity, Infinity));
  // Places that got no row are nobody's.
  expect(rows.within(-Infinity, Infinity)).toHaveLength(model.size);
}

describe('the rows of a table', () => {
  it('are what a map holds, by time and key', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => check(steps, true)),
      { numRuns: 80 },
    );
  });

  it('are what a map holds, by key alone', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => check(steps, false)),
      { numRuns: 80 },
    );
  });

  it('a scan finds few among many times, and rows of one time by key', () => {
    const rows = new TableRows(1, true);
    for (let i = 0; i < 5000; i++) rows.set(rows.internText(`k${(i * 7919) % 5000}`, i % 3 === 0 ? 1e6 : i), [i]);
    expect([...rows.within(100, 110)].map((id) => rows.time(id))).toEqual([101, 103, 104, 106, 107, 109, 110]);
    const keys = [...rows.within(1e6 - 1, 1e6)].map((id) => rows.key(id));
    expect(keys).toHaveLength(1667);
    expect(keys).toEqual([...keys].sort());
  });
});

it('rows from before there were so many numbers are filled, and lie with the others', () => {
  const rows = new TableRows(4, false, [1, 2, 3, 4]);
  for (const [key, row] of Object.entries({ a: [9, 8], b: [9, 8, 7, 6], c: [9, 'text'] })) {
    rows.set(rows.internText(key, 0), row);
    expect(rows.areNumbers).toBe(key !== 'c');
  }
  const packed = packValue([5]);
  rows.setPacked(rows.internText('d', 0), packed, 0, packed.length);
  const shown = ['a', 'b', 'c', 'd'].map((key) => rows.row(rows.findText(key, 0)));
  expect(shown).toEqual([
    [9, 8, 3, 4],
    [9, 8, 7, 6],
    [9, 'text'],
    [5, 2, 3, 4],
  ]);
});
