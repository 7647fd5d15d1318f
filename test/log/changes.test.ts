import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { CorruptionError } from '../../lib/errors.ts';
import { decodeChanges, encodeChanges, writeDeleted, writeNumbers, writePacked } from '../../lib/log/changes.ts';
import { ByteWriter } from '../../lib/util/bytes.ts';
import { packValue } from '../../lib/util/pack.ts';

/** What the bytes mean, in plain data. */
function decoded(bytes: Uint8Array, count: number): [string, string | null][] {
  return [...decodeChanges(bytes, count, 'log/3')].map(({ key, value }) => [
    key,
    value === null ? null : Buffer.from(value).toString('hex'),
  ]);
}

/** A block of each form, and one more of the first one's prefix. */
function sample(): { bytes: Buffer; count: number } {
  const to = new ByteWriter();
  const keys = KeyColumn.of(['b', 'a', 'ccc', 'd', 'ab', '']);
  const numbers = Float64Array.from({ length: 12 }, (_, i) => [1, 300, -0.5][i % 3]! * i);
  writeNumbers(to, { prefix: '\x00', keys, rows: [0, 2, 3] }, numbers, 2);
  writeDeleted(to, { prefix: '\x00', keys, rows: [1, 4] });
  writePacked(to, { prefix: '\x01', keys, rows: [1, 5] }, [packValue('text'), packValue([1, null])]);
  return { bytes: Buffer.from(to.view()), count: 7 };
}

const key = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 24,
});
const value = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.nat(300),
  fc.constantFrom(-0, 0, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -1, Number.NaN, Number.POSITIVE_INFINITY),
);

describe('state changes of a log entry', () => {
  it('come back as they were, sorted by key', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.record({ key, value }), { selector: (entry) => entry.key }), (entries) => {
        const bytes = Buffer.from(encodeChanges(entries));
        const expected = [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));
        expect(decoded(bytes, entries.length)).toEqual(
          expected.map((entry) => [entry.key, entry.value && Buffer.from(entry.value).toString('hex')]),
        );
      }),
    );
  });

  it('are rows of numbers as their packed arrays, whatever the numbers and whichever of the rows', () => {
    const rows = fc.uniqueArray(
      fc.record({ key, row: fc.array(number, { minLength: 3, maxLength: 3 }), in: fc.boolean() }),
      {
        selector: (one) => one.key,
        maxLength: 60,
      },
    );
    fc.assert(
      fc.property(rows, fc.constantFrom('', '\x00', '\x01\xff234567'), (all, prefix) => {
        const chosen = all.flatMap((one, i) => (one.in ? [i] : []));
        if (chosen.length === 0) return;
        const to = new ByteWriter();
        const keys = KeyColumn.of(all.map((one) => one.key));
        writeNumbers(to, { prefix, keys, rows: chosen }, Float64Array.from(all.flatMap(({ row }) => row)), 3);
        const expected = chosen
          .map((i): [string, string] => [prefix + all[i]!.key, Buffer.from(packValue(all[i]!.row)).toString('hex')])
          .sort(([a], [b]) => (a < b ? -1 : 1));
        expect(decoded(Buffer.from(to.view()), chosen.length)).toEqual(expected);
      }),
    );
  });

  it('of several blocks are sorted together', () => {
    const { bytes, count } = sample();
    const keys = decoded(bytes, count).map(([text]) => text);
    expect(keys).toEqual(['\x00a', '\x00ab', '\x00b', '\x00ccc', '\x00d', '\x01', '\x01a']);
  });

  it('of one key twice are damage, in one block or in two', () => {
    const keys = KeyColumn.of(['a', 'b', 'a']);
    for (const rows of [[[0, 1, 2]], [[0, 1], [2]]]) {
      const to = new ByteWriter();
      for (const some of rows) writeDeleted(to, { prefix: 'x', keys, rows: some });
      expect(() => decoded(to.view(), 3)).toThrow('a key is there twice');
    }
  });

  it('that are cut off anywhere, or have too much, are damage', () => {
    const { bytes, count } = sample();
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decoded(bytes.subarray(0, length), count), `${length}`).toThrow(CorruptionError);
    }
    expect(() => decoded(Buffer.concat([bytes, bytes.subarray(0, 1)]), count)).toThrow(CorruptionError);
    for (const other of [0, count - 1, count + 1]) {
      expect(() => decoded(bytes, other), `${other}`).toThrow(CorruptionError);
    }
  });

  it('with any byte changed are damage, or other changes, and never another error', () => {
    const { bytes, count } = sample();
    for (let at = 0; at < bytes.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        const changed = Buffer.from(bytes);
        changed[at] = byte;
        try {
          expect([...decodeChanges(changed, count, 'log/3')]).toHaveLength(count);
        } catch (error) {
          expect(error, `byte ${at}: ${byte}`).toBeInstanceOf(CorruptionError);
        }
      }
    }
  });

  it('that promise more than there is make no room for it', () => {
    for (const lengths of [[0, 0], [0, 1], [1], [8], [3]]) {
      const to = new ByteWriter();
      to.varint(0xffffffff);
      to.bytes(Uint8Array.of(2, 0, ...lengths));
      expect(() => decoded(to.view(), 0xffffffff), `${lengths}`).toThrow(CorruptionError);
    }
    const keys = KeyColumn.of(['a', 'b']);
    for (const width of [0, 0xffff, 0xffffffff]) {
      const to = new ByteWriter();
      writeNumbers(to, { prefix: '', keys, rows: [0, 1] }, new Float64Array(2), 1);
      const wide = new ByteWriter();
      wide.bytes(to.view().subarray(0, to.length - 4));
      wide.varint(width);
      wide.bytes(to.view().subarray(to.length - 3));
      expect(() => decoded(wide.view(), 2), `${width}`).toThrow(CorruptionError);
    }
  });
});
