import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bloomHas, buildBloom } from '../../lib/util/bloom.ts';
import { hashText, partitionOf } from '../../lib/util/hash.ts';
import { anyKey } from './make-sst.ts';

function falsePositives(present: readonly string[], absent: readonly string[], bitsPerKey: number): number {
  const filter = buildBloom(Uint32Array.from(present, hashText), bitsPerKey);
  return absent.filter((key) => bloomHas(filter, hashText(key))).length / absent.length;
}

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('the bloom filter', () => {
  test('never denies a key that is in it', () => {
    fc.assert(
      fc.property(fc.array(anyKey, { minLength: 1, maxLength: 500 }), fc.integer({ min: 0, max: 20 }), (keys, bits) => {
        const filter = buildBloom(Uint32Array.from(keys, hashText), bits);
        for (const key of keys) expect(bloomHas(filter, hashText(key))).toBe(true);
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

  test('is as good for the keys of one partition, whose hashes without table and time agree in the remainder', () => {
    for (const partitions of [3, 8, 64]) {
      const keys = numbered('device-', 15_000 * partitions).filter((key) => partitionOf(key, partitions) === 2);
      // As state keys begin: the number of a table, and of a timed one the time of the row.
      for (const prefix of ['\0', '\x02', `\x01${'\xc2\x78\xbc\x4a\xd1\x40\0\0'}`]) {
        const stateKeys = keys.map((key) => prefix + key);
        const share = falsePositives(
          stateKeys.filter((_, i) => i % 2 === 0),
          stateKeys.filter((_, i) => i % 2 === 1),
          10,
        );
        expect(share, `${partitions} partitions`).toBeLessThan(0.015);
      }
    }
  });

  test('tells keys apart that differ only in the order or the last of their bytes', () => {
    expect(new Set(['ab', 'ba', 'a\0b', '\0ab', 'ab\0', 'ac', ''].map(hashText)).size).toBe(7);
  });

  test('is the same for ever: stored filters are asked by later versions', () => {
    const filter = buildBloom(Uint32Array.from(['', 'a', 'user/00042', '\xff\0\x80'], hashText), 200);
    const set = [...filter].flatMap((byte, i) =>
      Array.from({ length: 8 }, (_, bit) => (byte >> bit) & 1 && 8 * i + bit),
    );
    expect(set.filter((bit) => bit > 0)).toMatchInlineSnapshot(`
      [
        145,
        155,
        164,
        193,
        222,
        297,
        312,
        393,
        400,
        418,
        474,
        481,
        530,
        604,
        614,
        632,
        637,
        684,
        742,
        813,
        842,
        852,
        931,
        983,
      ]
    `);
  });
});
