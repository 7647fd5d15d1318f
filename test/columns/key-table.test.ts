/** The key table against a map of strings, whatever comes and goes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { KeyTable } from '../../lib/columns/key-table.ts';

const key = fc.oneof(
  fc.nat(400).map((n) => `\x06user-${n}\0`),
  fc.string({ unit: fc.constantFrom('a', '\xff', '\0'), maxLength: 30 }),
);
const step = fc.record({ do: fc.constantFrom('intern', 'intern', 'find', 'release'), key, group: fc.nat(2) });

/** Takes the keys as a column, and as text where their hashes are what they are. */
function compare(steps: readonly { do: string; key: string; group: number }[], hashes: number): void {
  const table = new KeyTable();
  const model = new Map<string, number>();
  const columnOf = (text: string): KeyColumn => {
    const column = KeyColumn.of([text]);
    column.hashes[0] = column.hashes[0]! % hashes;
    return column;
  };
  const seen: unknown[] = [];
  const expected: unknown[] = [];
  for (const { do: what, key: text, group } of steps) {
    const name = `${group} ${text}`;
    const known = model.get(name);
    const column = columnOf(text);
    seen.push(table.find(column, 0, group), hashes === 2 ** 32 ? table.findText(text, group) : (known ?? -1));
    expected.push(known ?? -1, known ?? -1);
    if (what === 'release' && known !== undefined) {
      table.release(known);
      model.delete(name);
      seen.push(table.has(known));
      expected.push(false);
    } else if (what === 'intern') {
      const id = table.intern(column, 0, group);
      seen.push(id);
      expected.push(known ?? id);
      model.set(name, id);
    }
    seen.push(table.size);
    expected.push(model.size);
  }
  expect(seen).toEqual(expected);
  expect(new Set(model.values()).size).toBe(model.size);
  prefetchIsHarmless(table, model, columnOf);
  const copy = new KeyColumn();
  for (const [name, id] of model) {
    const text = name.slice(2);
    expect(table.has(id)).toBe(true);
    expect(`${table.group(id)} ${table.text(id)}`).toBe(name);
    expect(table.length(id)).toBe(text.length);
    table.pushTo(copy, id);
    expect(copy.text(copy.count - 1)).toBe(text);
    expect(copy.hashes[copy.count - 1]).toBe(columnOf(text).hashes[0]);
  }
  expect(Math.max(-1, ...model.values())).toBeLessThan(table.ids);
}

/** What it finds are ids, whichever; ids that are free may be among those that it is given. */
function prefetchIsHarmless(
  table: KeyTable,
  model: ReadonlyMap<string, number>,
  columnOf: (text: string) => KeyColumn,
): void {
  const keys = new KeyColumn();
  for (const name of ['0 nobody', ...model.keys()]) keys.pushFrom(columnOf(name.slice(2)), 0);
  const found = new Int32Array(keys.count);
  for (const group of [0, 1, 2, -1]) {
    table.prefetch(keys, 0, keys.count, group, found);
    for (const id of found) if (id !== -1) expect(table.has(id)).toBe(true);
  }
  const ids = Int32Array.from({ length: table.ids }, (_, id) => id);
  table.prefetchIds(ids, 0, ids.length, new Int32Array(ids.length));
}

describe('a key table', () => {
  it('does what a map does', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => compare(steps, 2 ** 32)),
      { numRuns: 60 },
    );
  });

  it('does so, too, where nearly all keys have the same hash', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 400, size: 'max' }), fc.integer({ min: 1, max: 7 }), compare), {
      numRuns: 60,
    });
  });

  it('uses ids and room again: what comes and goes for ever takes no more', () => {
    const table = new KeyTable();
    const kept = Array.from({ length: 100 }, (_, i) => table.internText(`kept-${i}`));
    for (let round = 0; round < 300; round++) {
      const ids = Array.from({ length: 2000 }, (_, i) => table.internText(`round-${round}-${i}`));
      for (const id of ids) table.release(id);
    }
    // Of 600,000 keys, some 17 MB.
    expect(table.memory).toBeLessThan(1_500_000);
    expect(table.ids).toBe(2100);
    expect(kept.map((id) => table.text(id))).toEqual(kept.map((_, i) => `kept-${i}`));
    expect(() => table.text(2099)).toThrow("2099 is nobody's id");
  });

  it('keeps what is left of keys that fill many chunks, and gives back the room of the others', () => {
    const table = new KeyTable();
    const long = 'x'.repeat(2_000_000);
    const ids = Array.from({ length: 60_000 }, (_, i) => table.internText(`${'key'.repeat(20)}-${i}`));
    const full = table.memory;
    for (const [i, id] of ids.entries()) if (i % 50 !== 0) table.release(id);
    expect(table.memory).toBeLessThan(full / 2);
    const longId = table.internText(long);
    expect(table.text(longId)).toBe(long);
    for (const [i, id] of ids.entries()) {
      if (i % 50 === 0)
        expect([table.text(id), table.findText(`${'key'.repeat(20)}-${i}`)]).toEqual([`${'key'.repeat(20)}-${i}`, id]);
    }
    table.release(longId);
    expect(table.findText(long)).toBe(-1);
    expect(table.size).toBe(1200);
  });

  it('sorts ids by the bytes of their keys', () => {
    const any = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\xff'), maxLength: 24 });
    const numbered = fc.nat(100_000).map((n) => `\x06customer-${String(n).padStart(11, '0')}\0`);
    const padded = fc.nat(40).map((n) => 'a'.repeat(9) + '\0'.repeat(n));
    fc.assert(
      fc.property(fc.array(fc.oneof(any, numbered, padded), { maxLength: 300, size: 'max' }), (keys) => {
        const table = new KeyTable();
        const ids = new Int32Array([...new Set(keys)].map((text) => table.internText(text)));
        table.sort(ids);
        expect([...ids].map((id) => table.text(id))).toEqual([...new Set(keys)].sort());
      }),
      { numRuns: 300 },
    );
  });
});
