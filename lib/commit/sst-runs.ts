/**
 * SSTs read from end to end, in large pieces: what a compaction merges. A small one is one GET; a larger one is its index,
 * then its blocks with one request ahead of the merge.
 */

import { CorruptionError } from '../errors.ts';
import type { SstRef } from '../manifest/manifest.ts';
import type { RequestOptions } from '../object-store/object-store.ts';
import { type BlockSpan, fetchBlocks, type PlainBlock, splitSpan } from '../sst/scan.ts';
import { SstIndex } from '../sst/sst-index.ts';
import { sstBlocks } from '../sst/verify.ts';
import { MissingSstError } from '../state/sst-files.ts';
import type { CommitPartition } from './partition.ts';

/** Bytes of one request, about. */
const PIECE_BYTES = 4 << 20;

/**
 * The blocks of SSTs that do not overlap, in the order of their keys.
 * @throws {MissingSstError} one is not there @throws {CorruptionError} one is damaged
 */
export async function* readRun(
  partition: CommitPartition,
  ssts: readonly SstRef[],
  options: RequestOptions = {},
): AsyncGenerator<PlainBlock, void, undefined> {
  for (const sst of ssts) {
    const name = partition.names.sst(partition.path, sst.id);
    try {
      yield* readSst(partition, name, sst, options);
    } catch (error) {
      // An SST knows its id; a person needs its place.
      if (!(error instanceof CorruptionError) || error.object.includes('/')) throw error;
      throw new CorruptionError(name, `in ${error.object}, ${error.what}`, { cause: error });
    }
  }
}

async function* readSst(
  partition: CommitPartition,
  name: string,
  sst: SstRef,
  options: RequestOptions,
): AsyncGenerator<PlainBlock, void, undefined> {
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const answer = await partition.store.get(name, { ...options, range: { offset, length } });
    if (!answer.found) throw new MissingSstError(name);
    return answer.body;
  };
  if (sst.size <= PIECE_BYTES) {
    yield* sstBlocks(sst, await read(0, sst.size));
    return;
  }
  const index = SstIndex.decode(sst, await read(sst.indexOffset, sst.size - sst.indexOffset));
  const fetch = async (span: BlockSpan): Promise<Uint8Array[]> =>
    splitSpan(index, span, await read(span.offset, span.length));
  yield* fetchBlocks(index, fetch, { spanBytes: PIECE_BYTES });
}
