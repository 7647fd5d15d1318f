/**
 * How rows and state values become bytes: MessagePack in its plain form (no shared structures), so that each value stands
 * alone and equal values give equal bytes. Plain data (see `plain-data.ts`) comes back equal, whatever text and names it
 * has; anything else is refused. The writer is ours (`pack-writer.ts`), the reader msgpackr's.
 */
import { addExtension, Unpackr } from 'msgpackr';
import { asBuffer } from './bytes.ts';
import { EXT_NEGATIVE_ZERO } from './pack-numbers.ts';
import { EXT_OBJECT, EXT_TEXT, PackWriter } from './pack-writer.ts';
import { setProperty } from './plain-data.ts';

const OPTIONS = { moreTypes: true, useBigIntExtension: true, copyBuffers: true, mapsAsObjects: true };
const writer = new PackWriter();
const unpackr = new Unpackr({ ...OPTIONS, useRecords: false, variableMapSize: true });

addExtension({ type: EXT_TEXT, unpack: (bytes) => asBuffer(bytes).toString('utf16le') });
addExtension({ type: EXT_OBJECT, read: objectOf });
addExtension({ type: EXT_NEGATIVE_ZERO, unpack: () => -0 });

/**
 * Bytes of one value. A view into a larger buffer, valid for ever: copy only to free that buffer.
 * @throws {NotPlainError}
 */
export function packValue(value: unknown): Uint8Array {
  return writer.value(value);
}

export function unpackValue(bytes: Uint8Array): unknown {
  return unpackr.unpack(bytes);
}

/**
 * Bytes of many rows of few shapes: property names are written once a shape. For segments, where rows are many and
 * wide; stands alone as a whole, too.
 * @throws {NotPlainError}
 */
export function packRows(rows: readonly unknown[]): Uint8Array {
  return writer.records(rows);
}

export function unpackRows(bytes: Uint8Array): unknown[] {
  return new Unpackr({ ...OPTIONS, useRecords: true }).unpack(bytes);
}

/** The object of a list of name, value, name, value, … */
function objectOf(pairs: readonly unknown[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (let i = 0; i < pairs.length; i += 2) setProperty(object, pairs[i] as string, pairs[i + 1]);
  return object;
}
