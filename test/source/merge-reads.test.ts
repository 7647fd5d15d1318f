import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mergeReads } from '../../lib/source/merge-reads.ts';

const MAX_BYTES = 8 << 20;
const GAP_BYTES = 256 << 10;

test('merged reads cover each read once, in few requests of bounded size, and none without need', () => {
  const read = fc.record({
    offset: fc.integer({ min: 0, max: 60 << 20 }),
    length: fc.integer({ min: 1, max: 12 << 20 }),
    signal: fc.constant(undefined),
  });
  fc.assert(
    fc.property(fc.array(read, { maxLength: 30 }), (reads) => {
      const merged = mergeReads(reads);
      expect(merged.flatMap((m) => m.reads)).toHaveLength(reads.length);
      for (const { offset, end, reads: inside } of merged) {
        for (const r of inside) {
          expect(r.offset).toBeGreaterThanOrEqual(offset);
          expect(r.offset + r.length).toBeLessThanOrEqual(end);
        }
        expect(end - offset).toBeLessThanOrEqual(Math.max(MAX_BYTES, ...inside.map((r) => r.length)));
        const covered = inside.reduce((bytes, r) => bytes + r.length, 0);
        expect(end - offset).toBeLessThanOrEqual(covered + (inside.length - 1) * GAP_BYTES);
      }
    }),
  );
});

test('reads of different signals are not merged', () => {
  const signal = new AbortController().signal;
  const reads = [
    { offset: 0, length: 10, signal: undefined },
    { offset: 10, length: 10, signal },
  ];
  expect(mergeReads(reads)).toHaveLength(2);
});
