import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchesOf, MAX_BATCH_MESSAGES, MAX_MESSAGE_BYTES, messageBytes } from '../../lib/queue/batches.ts';

const message = fc.record({
  body: fc
    .tuple(fc.constantFrom('x', 'ä', '漢', '🛫'), fc.integer({ min: 1, max: 250_000 }))
    .map(([c, n]) => c.repeat(n)),
  attributes: fc.constantFrom(undefined, { source: 'flights' }, { ä: '🛫'.repeat(1000) }),
});

test('batches hold all messages in their order, none too many, none too large, and no two would fit into one', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
      const batches = batchesOf(messages);
      expect(batches.flat()).toEqual(messages);
      const bytesOf = (batch: (typeof batches)[number]): number => batch.reduce((sum, m) => sum + messageBytes(m), 0);
      for (const [i, batch] of batches.entries()) {
        expect(batch.length).toBeGreaterThan(0);
        expect(batch.length).toBeLessThanOrEqual(MAX_BATCH_MESSAGES);
        expect(bytesOf(batch)).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
        const first = batches[i + 1]?.[0];
        if (first === undefined) continue;
        expect(batch.length === MAX_BATCH_MESSAGES || bytesOf(batch) + messageBytes(first) > MAX_MESSAGE_BYTES).toBe(
          true,
        );
      }
    }),
    { numRuns: 30 },
  );
});

test('bytes are those of UTF-8, attributes with their names and types', () => {
  expect(messageBytes({ body: 'ä🛫' })).toBe(6);
  expect(messageBytes({ body: 'x', attributes: { ä: '🛫' } })).toBe(1 + 2 + 'String'.length + 4);
});
