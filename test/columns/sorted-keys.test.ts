/** Columns in order, each key once. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { KeyColumn } from '../../lib/columns/key-column.ts';
import { sortedKeys } from '../../lib/columns/sorted-keys.ts';

it('keys come in the order of their bytes, each once, and say where they stood', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\xff'), maxLength: 6 });
  fc.assert(
    fc.property(fc.array(key, { maxLength: 80, size: 'max' }), (texts) => {
      const { keys, from } = sortedKeys(KeyColumn.of(texts));
      const expected = [...new Set(texts)].sort();
      expect(keys.texts()).toEqual(expected);
      expect(Array.from(keys.hashes.subarray(0, keys.count))).toEqual([
        ...KeyColumn.of(expected).hashes.subarray(0, keys.count),
      ]);
      expect(Array.from(from, (i) => texts[i])).toEqual(expected);
    }),
  );
});
