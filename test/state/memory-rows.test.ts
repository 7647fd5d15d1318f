/** Places of rows in memory, and whose they are. */
import { expect, it } from 'vitest';
import { MemoryRows } from '../../lib/state/memory-rows.ts';

it('a place that a batch uses is not given to another row before the batch ends, whoever forgets what is there', () => {
  for (const use of ['touch', 'setLoaded'] as const) {
    const memory = new MemoryRows(1 << 20, true);
    const batch = {};
    memory.own(batch);
    memory.put(0, 10, 'k', ['row'], 4);
    const { bytes } = memory;
    const rows = memory.table(0);
    const id = rows.findText('k', 10);
    rows[use](id);
    memory.forgetUpTo(0, 10);
    expect([rows.has(id), memory.bytes]).toEqual([false, 0]);
    memory.put(0, 20, 'l', ['row'], 4);
    expect([rows.findText('k', 10), rows.findText('l', 20) === id]).toEqual([id, false]);
    memory.endBatch(batch);
    expect(rows.findText('k', 10)).toBe(-1);
    memory.put(0, 30, 'm', ['row'], 4);
    expect([rows.findText('m', 30), memory.bytes]).toEqual([id, 2 * bytes]);
  }
});
