/** Requests for blocks: what they hold, and what they read for nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_READ, planSpans, SPAN_BYTES } from '../../lib/state/plan-spans.ts';

const size = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 1, max: 5000 }) },
  fc.integer({ min: 1, max: 3 << 20 }),
);
const blocks = fc.array(fc.record({ size, isWanted: fc.boolean() }), { minLength: 1, maxLength: 200 });

function laidOut(sizes: readonly number[]) {
  const offsets = [7];
  for (const one of sizes) offsets.push(offsets.at(-1)! + one);
  return { offsets, block: (i: number) => ({ offset: offsets[i]!, length: sizes[i]! }) };
}

describe('spans of blocks', () => {
  it('hold what is wanted, each block once, in order, and read half as much again at most', () => {
    fc.assert(
      fc.property(blocks, (all) => {
        const sizes = all.map((one) => one.size);
        const index = laidOut(sizes);
        const wanted = all.flatMap(({ isWanted }, i) => (isWanted ? [i] : []));
        const spans = planSpans(index, wanted);
        const covered: number[] = [];
        let end = -1;
        let read = 0;
        for (const { first, last, offset, length } of spans) {
          expect(first).toBeGreaterThan(end);
          expect([offset, length]).toEqual([index.offsets[first], index.offsets[last]! - index.offsets[first]!]);
          const inside = wanted.filter((block) => block >= first && block < last);
          expect([inside[0], inside.at(-1)]).toEqual([first, last - 1]);
          read += length;
          if (last - first > 1) expect(length).toBeLessThanOrEqual(SPAN_BYTES);
          covered.push(...inside);
          end = last - 1;
        }
        expect(covered).toEqual(wanted);
        expect(read).toBeLessThanOrEqual(MOST_READ * wanted.reduce((sum, block) => sum + sizes[block]!, 0));
      }),
    );
  });

  it('are one where blocks lie side by side, and bridge a gap only where that saves a request cheaply', () => {
    const small = laidOut(Array(400).fill(4000));
    const spansOf = (wanted: readonly number[]) => planSpans(small, wanted).map(({ first, last }) => [first, last]);
    expect(spansOf([3, 4, 5])).toEqual([[3, 6]]);
    expect(spansOf([3, 5])).toEqual([[3, 6]]);
    expect(spansOf([3, 6])).toEqual([
      [3, 4],
      [6, 7],
    ]);
    // Bytes go to the smallest gaps, wherever they lie.
    expect(spansOf([3, 6, 20, 22])).toEqual([
      [3, 4],
      [6, 7],
      [20, 23],
    ]);
    expect(spansOf([3, 6, 20, 22, 30, 31])).toEqual([
      [3, 7],
      [20, 23],
      [30, 32],
    ]);
    const many = Array.from({ length: 100 }, (_, i) => i);
    // Half as much again would be less than the gap; the request costs less.
    expect(spansOf([...many, 108])).toEqual([
      [0, 100],
      [108, 109],
    ]);
    expect(spansOf([...many, 105])).toEqual([[0, 106]]);
    expect(
      planSpans(
        laidOut(Array(700).fill(4000)),
        Array.from({ length: 700 }, (_, i) => i),
      ),
    ).toHaveLength(2);
  });
});
