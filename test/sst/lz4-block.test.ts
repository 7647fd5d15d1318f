/** LZ4 into memory that is there: what the library packs comes out, and what is no LZ4 block writes nowhere else. */
import fc from 'fast-check';
import { compressSync } from 'lz4-napi';
import { describe, expect, it } from 'vitest';
import { unpackInto } from '../../lib/sst/lz4-block.ts';

/** The library puts the length before the block. */
const LENGTH_BYTES = 4;
const AROUND = 40;

/** Bytes that repeat: literals and copies of all lengths, near and far. */
const bytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 400, size: 'max' }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 300 })).map(([some, times]) => {
        const repeated = new Uint8Array(some.length * times);
        for (let i = 0; i < times; i++) repeated.set(some, i * some.length);
        return repeated;
      }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat([...parts, ...parts.slice(0, 3)]));

const packedOf = (plain: Buffer): Buffer => Buffer.from(compressSync(plain).subarray(LENGTH_BYTES));

describe('LZ4 into memory that is there', () => {
  it('gives what the library has packed, and touches nothing beside it', () => {
    fc.assert(
      fc.property(bytes, (plain) => {
        const packed = packedOf(plain);
        const to = Buffer.alloc(plain.length + 2 * AROUND, 0xa5);
        const around = Buffer.concat([Buffer.alloc(3, 0xff), packed, Buffer.alloc(3, 0xff)]);
        expect(unpackInto(to, AROUND, plain.length, around, 3, 3 + packed.length)).toBe(AROUND + plain.length);
        expect(to.subarray(AROUND, AROUND + plain.length).equals(plain)).toBe(true);
        expect(to.subarray(0, AROUND).every((byte) => byte === 0xa5)).toBe(true);
        expect(to.subarray(AROUND + plain.length).every((byte) => byte === 0xa5)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('of bytes that are damaged or cut off it ends, and touches nothing beside what it may', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 });
    fc.assert(
      fc.property(bytes, damage, fc.nat(), (plain, damages, cut) => {
        const packed = packedOf(plain);
        for (const [at, byte] of damages) packed[at % packed.length] = byte;
        const to = Buffer.alloc(plain.length + 2 * AROUND, 0xa5);
        const end = unpackInto(to, AROUND, plain.length, packed, 0, packed.length - (cut % packed.length));
        expect(end === -1 || (end >= AROUND && end <= AROUND + plain.length)).toBe(true);
        expect(to.subarray(0, AROUND).every((byte) => byte === 0xa5)).toBe(true);
        expect(to.subarray(AROUND + plain.length).every((byte) => byte === 0xa5)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses what holds more than it may', () => {
    const plain = Buffer.alloc(1000, 'abcdefgh');
    const packed = packedOf(plain);
    expect(unpackInto(new Uint8Array(2000), 0, 999, packed, 0, packed.length)).toBe(-1);
    expect(unpackInto(new Uint8Array(2000), 0, 1000, packed, 0, packed.length)).toBe(1000);
  });
});
