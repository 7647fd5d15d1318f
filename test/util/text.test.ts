import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutText } from '../../lib/util/text.ts';

it('cuts text without splitting a surrogate pair', () => {
  expect(cutText('ab', 2, '…')).toBe('ab');
  expect(cutText('abc', 2, '…')).toBe('ab…');
  expect(cutText('a💥b', 2)).toBe('a');
  expect(cutText('a💥b', 3)).toBe('a💥');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(30), (text, length) => {
      const cut = cutText(text, length);
      expect(cut.isWellFormed()).toBe(true);
      expect(text.startsWith(cut)).toBe(true);
      expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, length) - 1);
      expect(cut.length).toBeLessThanOrEqual(length);
    }),
  );
});
