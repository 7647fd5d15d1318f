/** Which of the wanted rows are brought near, within budgets. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPreload } from '../../lib/preload/plan-preload.ts';

describe('the plan of what to preload', () => {
  it('is slices without gaps, none too large, together all keys or as many as the budget holds', () => {
    fc.assert(
      fc.property(
        fc.nat(5000),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 700 }),
        fc.double({ min: -1e5, max: 1e6, noNaN: true }),
        (keys, bytesARow, sliceRows, rowBytes) => {
          const budget = { sliceRows, rowBytes };
          const slices = planPreload(keys, bytesARow, budget);
          let at = 0;
          for (const { from, to } of slices) {
            expect(from).toBe(at);
            expect(to - from).toBeGreaterThan(0);
            expect(to - from).toBeLessThanOrEqual(sliceRows);
            at = to;
          }
          expect(at * bytesARow).toBeLessThanOrEqual(Math.max(0, rowBytes));
          expect(at === keys || (at + 1) * bytesARow > rowBytes).toBe(true);
          expect(planPreload(keys, bytesARow, budget)).toEqual(slices);
        },
      ),
    );
  });
});
