/** The hash of what was read: the same however the content came in blocks, and wherever the reading was interrupted. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { headsOf, PREFIX_BLOCK_BYTES, PrefixHasher } from '../../lib/plan/content-prefix.ts';

function text(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: Math.ceil(bytes / 10) }, (_, i) => `${1e8 + i}\n`).join('')).subarray(
    0,
    bytes,
  );
}

function whole(content: Buffer): PrefixHasher {
  const hasher = new PrefixHasher();
  hasher.push(content);
  hasher.toEnd();
  return hasher;
}

it('does not depend on blocks, lines asked for, or interruptions', () => {
  const content = text(3 * PREFIX_BLOCK_BYTES);
  const size = fc.oneof(
    fc.integer({ min: 0, max: 200 }),
    fc.integer({ min: 0, max: content.length }),
    fc.constantFrom(63, 64, 65, 4096, 65_536, PREFIX_BLOCK_BYTES - 1, PREFIX_BLOCK_BYTES, 2 * PREFIX_BLOCK_BYTES),
  );
  fc.assert(
    fc.property(size, fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 8 }), size, (length, blocks, cut) => {
      const wanted = whole(content.subarray(0, length)).prefix;
      const first = new PrefixHasher();
      let at = 0;
      for (const block of blocks) {
        first.push(content.subarray(at, Math.min(length, at + block)));
        at = Math.min(length, at + block);
        first.toLine(Math.floor(at / 20));
      }
      first.push(content.subarray(at, length));
      first.toEnd();
      expect(first.prefix).toEqual(wanted);
      expect(first.line).toBe(Math.floor(length / 10) + 1);

      const end = Math.min(cut, length);
      const before = whole(content.subarray(0, end));
      const tail = content.subarray(end - (end % PREFIX_BLOCK_BYTES), end);
      const resumed = PrefixHasher.after(before.prefix, tail, before.line);
      expect(resumed.prefix).toEqual(before.prefix);
      const again = PrefixHasher.again(end, before.line);
      again.push(content.subarray(0, Math.floor(length / 2)));
      again.push(content.subarray(Math.floor(length / 2), length));
      again.toEnd();
      resumed.push(content.subarray(end, length));
      resumed.toEnd();
      expect(resumed.prefix).toEqual(wanted);
      expect(again.prefix).toEqual(wanted);
      expect(again.line).toBe(first.line);
      expect(headsOf(content.subarray(0, Math.min(length, 65_536)))).toEqual(wanted.heads);
    }),
    { numRuns: 60 },
  );
});

it('ends before the line that is asked for, and says whether a line is open', () => {
  const hasher = new PrefixHasher();
  hasher.push(Buffer.from('a\nb'));
  hasher.push(Buffer.from('b\n\n  \n'));
  hasher.toLine(2);
  expect([hasher.bytes, hasher.line, hasher.prefix.open, hasher.hasMore]).toEqual([2, 2, undefined, true]);
  hasher.toLine(3);
  hasher.overBlankLines();
  expect([hasher.bytes, hasher.line, hasher.hasMore]).toEqual([9, 5, false]);
  hasher.push(Buffer.from('\nc'));
  hasher.overBlankLines();
  expect([hasher.bytes, hasher.hasMore]).toEqual([9, true]);
  hasher.toEnd();
  expect([hasher.bytes, hasher.line, hasher.prefix.open]).toEqual([11, 6, true]);
});
