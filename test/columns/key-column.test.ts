/** A column of keys against an array of strings. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { hashText, partitionOf } from '../../lib/util/hash.ts';

const key = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 40 });
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('push', 'pushBytes', 'pushFrom'), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pop'), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate'), key }) },
);

describe('a column of keys', () => {
  it('holds what an array of strings holds, each with its hash', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const column = new KeyColumn(2, 3);
        const list: string[] = [];
        for (const { do: what, key: text } of steps) {
          if (what === 'pop') {
            if (list.pop() !== undefined) column.pop();
          } else if (what === 'truncate') {
            list.length = list.length >> 1;
            column.truncate(list.length);
          } else {
            list.push(text);
            if (what === 'push') column.push(text);
            else if (what === 'pushBytes') column.pushBytes(Buffer.from(`ab${text}c`, 'latin1'), 2, 2 + text.length);
            else column.pushFrom(KeyColumn.of(['first', text, 'last']), 1);
          }
          expect(column.count).toBe(list.length);
        }
        expect(column.texts()).toEqual(list);
        expect([...column.hashes.subarray(0, column.count)]).toEqual(list.map(hashText));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses what is no binary string, and is as it was', () => {
    const column = KeyColumn.of(['a']);
    expect(() => column.push('bĀ')).toThrow('not a binary string');
    column.push('c');
    expect(column.texts()).toEqual(['a', 'c']);
    expect(() => column.truncate(3)).toThrow('3 of 2 keys');
  });

  it('hashes as the share of a partition always has', () => {
    expect(['', '\x06a\0', '\x06user-00000007919\0', '\xff'.repeat(20)].map(hashText)).toEqual([
      2872998923, 1818528732, 4033094596, 779426381,
    ]);
    expect(partitionOf('\x06user-00000007919\0', 7)).toBe(hashText('\x06user-00000007919\0') % 7);
    expect(partitionOf('\x06a\0', 1)).toBe(0);
  });
});
