/** What goes from memory when it is full, in which order, and what it costs to find it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryRows } from '../../lib/state/memory-rows.ts';
import { SecondChance } from '../../lib/state/second-chance.ts';
import { TableRows } from '../../lib/state/table-rows.ts';

const ROW_BYTES = 104;

function filled(count: number, stays: (id: number) => boolean): { rows: TableRows; bytes: number; looks: number } {
  const rows = new TableRows(0, false);
  const eviction = new SecondChance(10_000);
  let looks = 0;
  for (let i = 0; i < count; i++) {
    const id = rows.internText(`key ${i}`, 0);
    rows.set(id, [i]);
    eviction.enter(rows, id, 100);
    if (!eviction.isDue) continue;
    eviction.evict([rows], (_, id) => {
      looks++;
      return stays(id);
    });
  }
  return { rows, bytes: eviction.bytes, looks };
}

describe('a memory that is full', () => {
  it('holds no more than its budget, and not much less', () => {
    const { rows, bytes, looks } = filled(5000, () => false);
    expect(bytes).toBeLessThanOrEqual(10_000);
    expect(bytes).toBeGreaterThan(9_500);
    expect(rows.size * ROW_BYTES).toBe(bytes);
    // Each look but those at marks evicts.
    expect(looks).toBeLessThanOrEqual(5000);
  });

  it('looks only a few times at what may not go, however much it is', () => {
    const { rows, bytes, looks } = filled(50_000, () => true);
    expect(rows.size).toBe(50_000);
    expect(bytes).toBe(50_000 * ROW_BYTES);
    expect(looks).toBeLessThan(20 * 50_000);
  });

  it('keeps what is used again and again, whatever comes once', () => {
    const rows = new TableRows(0, false);
    const eviction = new SecondChance(10_000);
    const put = (key: string): void => {
      const id = rows.internText(key, 0);
      rows.set(id, [key]);
      eviction.enter(rows, id, 100);
      if (eviction.isDue) eviction.evict([rows], () => false);
    };
    for (let i = 0; i < 20; i++) put(`often ${i}`);
    for (let i = 0; i < 2000; i++) {
      put(`once ${i}`);
      const id = rows.findText(`often ${i % 20}`, 0);
      expect(id).toBeGreaterThanOrEqual(0);
      rows.setUsed(id);
    }
    expect(rows.size).toBeLessThan(100);
  });
});

/** What a batch does; every `fold`-th of them is folded with those before. */
const batch = fc.record({
  puts: fc.array(fc.record({ time: fc.integer({ min: 1, max: 30 }), key: fc.integer({ min: 0, max: 40 }) }), {
    maxLength: 30,
  }),
  reads: fc.array(fc.record({ time: fc.integer({ min: 1, max: 30 }), key: fc.integer({ min: 0, max: 40 }) }), {
    maxLength: 10,
  }),
  isFolded: fc.boolean(),
  forgets: fc.boolean(),
});

it('property: over its budget memory holds only what is unfolded or in use, and none of that ever goes', () => {
  fc.assert(
    fc.property(fc.array(batch, { minLength: 1, maxLength: 40 }), (batches) => {
      const budgetBytes = 4000;
      const rows = new MemoryRows(budgetBytes, true, { kinds: ['timed'] });
      const table = rows.table(0);
      const unfolded = new Map<string, number>();
      let through = 0;
      let floor = 0;
      for (const [i, { puts, reads, isFolded, forgets }] of batches.entries()) {
        const n = i + 1;
        const owner = {};
        expect(rows.own(owner)).toBe(true);
        const used: number[] = [];
        for (const { time, key } of reads) {
          if (time <= floor) continue;
          const id = table.internText(`k${key}`, time);
          table.touch(id);
          if (!table.isKnown(id)) {
            table.set(id, { at: n });
            rows.held(table, id, 3, 4);
          }
          used.push(id);
        }
        for (const { time, key } of puts) {
          if (time <= floor) continue;
          rows.put(0, time, `k${key}`, { at: n }, 4, n);
          unfolded.set(`${time} k${key}`, n);
        }
        for (const id of used) expect(table.has(id)).toBe(true);
        if (isFolded) {
          through = n - 1;
          rows.folded(through);
        }
        rows.endBatch(owner);
        if (forgets) {
          floor++;
          rows.forgetUpTo(0, floor);
          expect(table.unsorted(-Infinity, floor)).toHaveLength(0);
        }
        let mustBytes = 0;
        for (const [address, changedBy] of unfolded) {
          const [time, key] = address.split(' ') as [string, string];
          if (changedBy <= through || Number(time) <= floor) {
            unfolded.delete(address);
            continue;
          }
          const id = table.findText(key, Number(time));
          expect(id >= 0 && table.has(id)).toBe(true);
          mustBytes += table.memory(id);
        }
        expect(rows.bytes).toBeLessThanOrEqual(Math.max(budgetBytes, mustBytes));
        let sum = 0;
        for (let id = 0; id < table.ids; id++) sum += table.memory(id);
        expect(rows.bytes).toBe(sum);
      }
    }),
    { numRuns: 200 },
  );
});

describe('a row that is put without being asked for', () => {
  function world(): { rows: MemoryRows; table: TableRows; put: (key: string, n: number) => number } {
    const rows = new MemoryRows(100_000, false, { kinds: ['timed'] });
    const table = rows.table(0);
    const put = (key: string, n: number): number => {
      rows.put(0, 5, key, [1], 4, n);
      const id = table.findText(key, 5);
      rows.unasked(table, id, n);
      return id;
    };
    return { rows, table, put };
  }

  it('goes when its batch is folded, and not before', () => {
    const { rows, table, put } = world();
    const id = put('a', 3);
    rows.folded(2);
    expect(table.has(id)).toBe(true);
    rows.folded(3);
    expect(table.findText('a', 5)).toBe(-1);
    expect(rows.bytes).toBe(0);
  });

  it('stays where somebody has read it, changed it or uses it', () => {
    const { rows, table, put } = world();
    const [read, changed, inUse] = [put('read', 3), put('changed', 3), put('in use', 3)];
    rows.used(table, read);
    rows.put(0, 5, 'changed', [2], 4, 4);
    rows.own({});
    table.touch(inUse);
    rows.folded(3);
    expect([read, changed, inUse].map((id) => table.has(id))).toEqual([true, true, true]);
  });

  it('stays where memory holds everything', () => {
    const { rows, table, put } = world();
    const id = put('a', 3);
    rows.markComplete();
    rows.folded(3);
    expect(table.has(id)).toBe(true);
  });
});
