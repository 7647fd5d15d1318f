import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { OlderRanges } from '../../lib/commit/overlap.ts';
import { anyKey } from '../sst/make-sst.ts';

it('⚑ tombstones: ranges that overlap or not hold a key if one of them does, asked of keys that ascend', () => {
  const range = fc.tuple(anyKey, anyKey).map(([a, b]) => (a < b ? { minKey: a, maxKey: b } : { minKey: b, maxKey: a }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), fc.array(anyKey, { maxLength: 40 }), (ranges, keys) => {
      const older = new OlderRanges(ranges);
      // Ends of ranges, too, and one key may be asked of twice.
      for (const key of [...keys, ...ranges.flatMap(({ minKey, maxKey }) => [minKey, maxKey])].sort()) {
        const bytes = Buffer.from(`x${key}x`, 'latin1');
        const expected = ranges.some(({ minKey, maxKey }) => minKey <= key && key <= maxKey);
        expect(older.mayHold(bytes, 1, 1 + key.length)).toBe(expected);
      }
    }),
  );
});
