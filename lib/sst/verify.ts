/**
 * Whole-file work on an SST that is in memory: read all of it, or check all of it. For compaction of files fetched at
 * once, for `misa check`, and for tests.
 */

import { columnOf } from '../columns/key-column.ts';
import { CorruptionError } from '../errors.ts';
import { readU32 } from '../util/bytes.ts';
import { entriesOf } from './block-cursor.ts';
import { plainBlock } from './compression.ts';
import type { Entry, Key, SstInfo } from './entry.ts';
import { MAGIC, VERSION } from './format.ts';
import type { PlainBlock } from './scan.ts';
import { SstFilter } from './sst-filter.ts';
import { SstIndex } from './sst-index.ts';

/** Every block of the file, in order. @throws CorruptionError as it meets damage */
export function* sstBlocks(info: SstInfo, body: Uint8Array): Generator<PlainBlock, void, undefined> {
  const index = SstIndex.decode(info, body.subarray(info.indexOffset));
  for (let i = 0; i < index.blockCount; i++) {
    const { offset, length } = index.block(i);
    const where = `SST ${info.id} block ${i}`;
    yield { plain: plainBlock(body.subarray(offset, offset + length), where), where };
  }
}

/** Every entry of the file, one chunk a block. @throws CorruptionError as it meets damage */
export function* sstEntries(info: SstInfo, body: Uint8Array): Generator<Entry[], void, undefined> {
  for (const { plain, where } of sstBlocks(info, body)) yield entriesOf(plain, where);
}

/**
 * Checks everything there is to check: header, index, filter, every block's CRC, the order of keys, the counts, the bounds, and
 * that index and filter find every key.
 * @throws CorruptionError naming what is wrong, MisaError NEWER_FORMAT
 */
export function verifySst(info: SstInfo, body: Uint8Array): void {
  const where = `SST ${info.id}`;
  const fail = (what: string): never => {
    throw new CorruptionError(where, what);
  };
  if (body.length !== info.size) fail(`it has ${body.length} bytes where the manifest says ${info.size}`);
  if (readU32(body, 0) !== MAGIC) fail('it does not begin like an SST');
  const index = SstIndex.decode(info, body.subarray(info.indexOffset));
  const filter = SstFilter.decode(info, body.subarray(info.metaOffset, info.indexOffset));
  if (readU32(body, 4) !== VERSION) fail('its first and last bytes name different versions');

  let last: Key | undefined;
  let entries = 0;
  let tombstones = 0;
  let block = 0;
  for (const chunk of sstEntries(info, body)) {
    for (const { key, value } of chunk) {
      if (last !== undefined && key <= last) fail(`block ${block} is out of order`);
      const keys = columnOf(key);
      if (index.findBlock(keys, 0, block) !== block) fail(`the index does not find a key of block ${block}`);
      if (!filter.mayContain(keys.hashes[0]!)) fail(`the filter denies a key of block ${block}`);
      last = key;
      entries++;
      if (value === null) tombstones++;
    }
    block++;
  }
  if (entries !== info.entries || tombstones !== info.tombstones) fail('it holds more or fewer entries than it says');
  if (last !== info.maxKey) fail('its greatest key is not what it says');
}
