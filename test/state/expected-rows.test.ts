/** Rows that a coming batch will ask for stay, and are counted. */
import { describe, expect, it } from 'vitest';
import { ExpectedRows } from '../../lib/state/expected-rows.ts';
import { MemoryRows } from '../../lib/state/memory-rows.ts';
import { packValue } from '../../lib/util/pack.ts';

const ROW = ['x'.repeat(20)];
const BUDGET = 4000;

function filled(): MemoryRows {
  const memory = new MemoryRows(BUDGET, false, { kinds: ['keyed'] });
  memory.put(0, 0, 'near', ROW, 24);
  return memory;
}

function crowd(memory: MemoryRows): void {
  for (let i = 0; i < 200; i++) memory.put(0, 0, `other-${i}`, ROW, 24);
}

function bring(memory: MemoryRows, expected: ExpectedRows, key: string): void {
  const rows = memory.table(0);
  const id = rows.internText(key, 0);
  rows.setExpected(id, expected.n);
  const packed = packValue(ROW);
  memory.setStored(rows, id, packed, 0, packed.length);
  expected.brought(rows, id);
}

describe('rows that a coming batch will ask for', () => {
  it('stay in memory until it has run, whatever comes', () => {
    const memory = filled();
    const rows = memory.table(0);
    const expected = new ExpectedRows(7);
    expected.keep(rows, rows.findText('near', 0));
    // More than the budget holds: they must be there together anyway when the batch runs.
    for (let i = 0; i < 100; i++) bring(memory, expected, `row-${i}`);
    crowd(memory);
    expect(memory.has(0, 0, 'near')).toBe(true);
    for (let i = 0; i < 100; i++) expect(memory.has(0, 0, `row-${i}`), `row ${i}`).toBe(true);
    expected.end();
    memory.folded(0);
    for (let i = 0; i < 3; i++) crowd(memory);
    for (let i = 0; i < 100; i++) expect(memory.has(0, 0, `row-${i}`), `row ${i}`).toBe(false);
  });

  it('that the next batch will ask for, too, stay for that one', () => {
    const memory = filled();
    const rows = memory.table(0);
    const [first, second] = [new ExpectedRows(7), new ExpectedRows(8)];
    bring(memory, first, 'both');
    second.keep(rows, rows.findText('both', 0));
    first.end();
    crowd(memory);
    crowd(memory);
    expect(memory.has(0, 0, 'both')).toBe(true);
    second.end();
    expect(rows.isExpected(rows.findText('both', 0))).toBe(false);
  });

  it('count as used when it has asked for them, what was there before does not count', () => {
    const memory = filled();
    const rows = memory.table(0);
    const expected = new ExpectedRows(3);
    expect(expected.counts).toBeUndefined();
    expected.keep(rows, rows.findText('near', 0));
    for (const key of ['loaded', 'touched', 'left']) bring(memory, expected, key);
    expect(expected.counts).toEqual({ rows: 3, used: 0, wastedBytes: expected.bytes, requests: 0, bytes: 0 });
    rows.setLoaded(rows.findText('loaded', 0));
    rows.touch(rows.findText('touched', 0));
    rows.touch(rows.findText('near', 0));
    const left = rows.memory(rows.findText('left', 0));
    expect(expected.counts).toMatchObject({ rows: 3, used: 2, wastedBytes: left });
    // Its place is another's now.
    memory.forget(rows, rows.findText('left', 0));
    rows.touch(rows.internText('stranger', 0));
    expect(expected.counts).toMatchObject({ rows: 3, used: 2, wastedBytes: left });
  });
});
