/** Packed rows of numbers are read as they were written; of other bytes nothing is believed that the general reader would not say, too. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../lib/util/bytes.ts';
import { packValue, unpackValue } from '../../lib/util/pack.ts';
import { packNumbers, unpackNumbers } from '../../lib/util/pack-numbers.ts';

const number = fc.oneof(
  fc.integer(),
  fc.integer({ min: -40_000, max: 70_000 }),
  fc.integer({ min: -140, max: 300 }),
  fc.constantFrom(-0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 31), -(2 ** 31) - 1, Infinity, -Infinity),
  fc.double({ noNaN: true }),
);

function read(bytes: Uint8Array, width: number): number[] | undefined {
  const padded = Buffer.concat([Buffer.from([1, 2]), bytes, Buffer.from([3])]);
  const to = new Float64Array(width + 2).fill(7);
  const isRow = unpackNumbers(padded, 2, 2 + bytes.length, to, 1, width);
  expect([to[0], to[width + 1]]).toEqual([7, 7]);
  return isRow ? Array.from(to.subarray(1, width + 1)) : undefined;
}

describe('unpacked numbers', () => {
  it('are those that were packed, of any width', () => {
    fc.assert(
      fc.property(fc.array(number, { maxLength: 40, size: 'max' }), (row) => {
        const writer = new ByteWriter(16);
        packNumbers(writer, Float64Array.from(row), 0, row.length);
        const bytes = writer.view();
        expect(read(bytes, row.length)).toEqual(row);
        expect(read(bytes, row.length + 1)).toBeUndefined();
        for (let length = 0; length < bytes.length; length++) {
          expect(read(bytes.subarray(0, length), row.length)).toBeUndefined();
        }
      }),
    );
  });

  it('of another value, or of damaged bytes, are nothing, or what the general reader says', () => {
    const value = fc.oneof(
      fc.array(fc.oneof(number, fc.string({ maxLength: 3 }), fc.constantFrom(null, true, Number.NaN)), {
        maxLength: 4,
      }),
      fc.string(),
      fc.record({ a: number }),
    );
    fc.assert(
      fc.property(value, fc.nat(40), fc.nat(255), (row, at, byte) => {
        const packed = Uint8Array.from(packValue(row));
        for (const bytes of [packed, packed.with(at % packed.length, byte)]) {
          const numbers = read(bytes, 2);
          if (numbers === undefined) continue;
          expect(unpackValue(bytes)).toEqual(numbers);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
