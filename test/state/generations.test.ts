/** What goes from memory when it is full, and what it costs to find it. */
import { expect, it } from 'vitest';
import { Generations } from '../../lib/state/generations.ts';
import { TableRows } from '../../lib/state/table-rows.ts';

function filled(count: number, stays: (id: number) => boolean): { rows: TableRows; bytes: number; looks: number } {
  const rows = new TableRows(0, false);
  const generations = new Generations(10_000);
  let looks = 0;
  for (let i = 0; i < count; i++) {
    const id = rows.internText(`key ${i}`, 0);
    rows.set(id, [i]);
    generations.enter(rows, id, 100);
    if (!generations.isDue) continue;
    generations.evict([rows], (_, id) => {
      looks++;
      return stays(id);
    });
  }
  return { rows, bytes: generations.bytes, looks };
}

it('what may go goes, and no more is held than the budget', () => {
  const { rows, bytes } = filled(5000, () => false);
  expect(bytes).toBeLessThanOrEqual(10_000);
  expect(rows.size * 104).toBe(bytes);
  expect(rows.size).toBeGreaterThan(25);
});

it('what may not go is looked at a few times only, however much it is', () => {
  const { rows, bytes, looks } = filled(50_000, () => true);
  expect(rows.size).toBe(50_000);
  expect(bytes).toBe(50_000 * 104);
  expect(looks).toBeLessThan(10 * 50_000);
});
