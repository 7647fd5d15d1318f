/** States that are numbers lie in slabs, others as they are, and a job may have both: each key by its values. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { avg, count, job, max, min, source, sum } from '../../lib/index.ts';
import { MemoryStore } from '../../lib/object-store/memory-store.ts';
import { FastClock, gather, openEngine, physical, rowsOf } from '../helpers/engine.ts';

interface Row {
  readonly k: string;
  readonly v: number | string;
}

const JOB = job(
  'mixed',
  source<Row>('rows')
    .keyBy((r) => r.k)
    .aggregate({
      n: count(),
      texts: count((r) => typeof r.v === 'string'),
      total: sum((r) => (typeof r.v === 'number' ? r.v : null)),
      mean: avg((r) => (typeof r.v === 'number' ? r.v : null)),
      least: min((r) => r.v),
      most: max((r) => r.v),
    }),
  { outputMode: 'update' },
);

/** Keys of numbers, keys of text, and one whose values are of either kind, so that its batches have both. */
const row: fc.Arbitrary<Row> = fc.oneof(
  fc.record({ k: fc.constantFrom('a', 'b', 'c', 'd'), v: fc.integer({ min: -1000, max: 1000 }).map((v) => v / 4) }),
  fc.record({ k: fc.constantFrom('x', 'y'), v: fc.constantFrom('7', '12', 'abc', '') }),
);

function expected(rows: readonly Row[]): unknown {
  const numbers = rows.flatMap(({ v }) => (typeof v === 'number' ? [v] : []));
  const texts = rows.flatMap(({ v }) => (typeof v === 'string' ? [v] : [])).sort();
  const total = numbers.reduce((a, b) => a + b, 0);
  const isText = texts.length > 0;
  return {
    key: rows[0]!.k,
    n: rows.length,
    texts: texts.length,
    total,
    mean: numbers.length === 0 ? null : total / numbers.length,
    least: isText ? texts[0] : Math.min(...numbers),
    most: isText ? texts.at(-1) : Math.max(...numbers),
  };
}

it('gives for each key what its rows together give, in memory or below it, restarted or not', async () => {
  const batches = fc.array(fc.record({ rows: fc.array(row, { minLength: 1, maxLength: 15 }), restart: fc.boolean() }), {
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(batches, fc.constantFrom(1, 600, 1 << 20), async (script, cacheBytes) => {
      const made = physical(JOB, { partitions: 1, state: { ttlMs: undefined, cacheBytes } });
      const store = new MemoryStore({ clock: new FastClock() });
      let opened = await openEngine({ job: made, store });
      for (const [i, batch] of script.entries()) {
        await opened.engine.batch(gather(made, { rows: batch.rows }, `rows-${i}`));
        if (!batch.restart) continue;
        await opened.committer.close({ drain: true });
        opened = await openEngine({ job: made, store });
      }
      const newest = new Map<string, unknown>();
      for (const result of (await rowsOf(store, made, 'out')).flat() as { key: string }[])
        newest.set(result.key, result);
      const all = script.flatMap(({ rows }) => rows);
      for (const k of new Set(all.map((r) => r.k)))
        expect(newest.get(k)).toEqual(expected(all.filter((r) => r.k === k)));
    }),
    { numRuns: 60 },
  );
});
