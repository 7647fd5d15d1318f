import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, compareBytes, latin1Prefix } from '../../lib/util/bytes.ts';
import { anyKey } from './make-sst.ts';

const anyU32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0x7fffffff, 0xffffffff));

describe('bytes', () => {
  test('what was written is read back, numbers up to 2^32 - 1 included', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyU32, anyU32, anyKey, fc.uint8Array())), (rows) => {
        const writer = new ByteWriter(1);
        for (const [a, b, text, raw] of rows) {
          writer.varint(a);
          writer.u32(b);
          writer.u8(a & 255);
          writer.u16(a & 0xffff);
          writer.varint(text.length);
          writer.latin1(text);
          writer.varint(raw.length);
          writer.bytes(raw);
        }
        const reader = new ByteReader(writer.view());
        for (const [a, b, text, raw] of rows) {
          expect(reader.varint()).toBe(a);
          expect(reader.u32()).toBe(b);
          expect(reader.u8()).toBe(a & 255);
          expect(reader.u8() | (reader.u8() << 8)).toBe(a & 0xffff);
          expect(reader.latin1(reader.varint())).toBe(text);
          expect(Buffer.compare(reader.bytes(reader.varint()), raw)).toBe(0);
        }
        expect(reader.left).toBe(0);
        expect(() => reader.u8()).toThrow(RangeError);
      }),
    );
  });

  test('text that is no binary string is refused and leaves nothing behind', () => {
    const writer = new ByteWriter();
    expect(() => writer.latin1('a\u0100')).toThrow('above 255');
    expect(writer.length).toBe(0);
    writer.latin1('xab', 1);
    expect(writer.view().toString('latin1')).toBe('ab');
  });

  test('strings of every length come out of a scratch buffer as they went in', () => {
    const scratch = Buffer.from(Array.from({ length: 64 }, (_, i) => (i * 37 + 120) & 255));
    for (let n = 0; n <= 64; n++) expect(latin1Prefix(scratch, n)).toBe(scratch.toString('latin1', 0, n));
  });

  test('bytes are ordered as the binary strings that they are', () => {
    fc.assert(
      fc.property(anyKey, anyKey, fc.nat(5), (a, b, gap) => {
        const at = (key: string) => Buffer.from(`${'x'.repeat(gap)}${key}x`, 'latin1');
        const order = compareBytes(at(a), gap, gap + a.length, at(b), gap, gap + b.length);
        expect(Math.sign(order)).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });
});
