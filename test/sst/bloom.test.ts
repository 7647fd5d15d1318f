import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bloomHas, buildBloom, hashKey } from '../../lib/util/bloom.ts';
import { partitionOf } from '../../lib/util/hash.ts';
import { anyKey } from './make-sst.ts';

function falsePositives(present: readonly string[], absent: readonly string[], bitsPerKey: number): number {
  const filter = buildBloom(Float64Array.from(present, hashKey), bitsPerKey);
  return absent.filter((key) => bloomHas(filter, hashKey(key))).length / absent.length;
}

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('the bloom filter', () => {
  test('never denies a key that is in it', () => {
    fc.assert(
      fc.property(fc.array(anyKey, { minLength: 1, maxLength: 500 }), fc.integer({ min: 0, max: 20 }), (keys, bits) => {
        const filter = buildBloom(Float64Array.from(keys, hashKey), bits);
        for (const key of keys) expect(bloomHas(filter, hashKey(key))).toBe(true);
      }),
    );
  });

  test('is wrong for about one absent key in a hundred at ten bits a key', () => {
    for (const prefix of ['', 'user/', `${'x'.repeat(40)}/`, '\xff\0']) {
      const keys = numbered(prefix, 200_000);
      const share = falsePositives(
        keys.filter((_, i) => i % 2 === 0),
        keys.filter((_, i) => i % 2 === 1),
        10,
      );
      expect(share).toBeGreaterThan(0.002);
      expect(share).toBeLessThan(0.02);
    }
  });

  test('is as good for the keys of one partition, which another hash has picked', () => {
    const keys = numbered('device-', 800_000).filter((key) => partitionOf(key, 8) === 3);
    const share = falsePositives(
      keys.filter((_, i) => i % 2 === 0),
      keys.filter((_, i) => i % 2 === 1),
      10,
    );
    expect(share).toBeLessThan(0.02);
  });

  test('tells keys apart that differ only in the order or the last of their bytes', () => {
    expect(new Set(['ab', 'ba', 'a\0b', '\0ab', 'ab\0', 'ac', ''].map(hashKey)).size).toBe(7);
  });

  test('has hashes that do not change: stored filters depend on them', () => {
    expect([hashKey(''), hashKey('a'), hashKey('user/00042'), hashKey('\xff\0\x80')]).toMatchInlineSnapshot(`
      [
        3338908027751811,
        7929297801672961,
        5520499484081221,
        550449014912861,
      ]
    `);
  });
});
