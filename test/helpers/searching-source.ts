/** A source that searches blocks as the thread that reads does, in this thread. */
import { ASKED_BLOCK, type BlocksCame, FAILED, WHOLE } from '../../lib/embedded/block-messages.ts';
import { BlockSender, type BlocksSought } from '../../lib/embedded/block-sender.ts';
import type { RangeReads } from '../../lib/object-store/hedged-reads.ts';
import { type BlockSource, type BlocksRequest, blocksOf } from '../../lib/state/block-source.ts';
import { SearchedBlocks } from '../../lib/state/searched-blocks.ts';
import { wholeRange } from '../../lib/state/sst-files.ts';

export interface SearchingSource extends BlockSource {
  /** Blocks that came themselves, and in place of which rows came. */
  readonly counts: { whole: number; rows: number };
}

/** @param fails asked by request: it is then read as it is without a thread */
export function searchingSource(store: RangeReads, fails: () => boolean): SearchingSource {
  const own = blocksOf(store);
  const waiting = new Map<number, BlocksRequest>();
  const counts = { whole: 0, rows: 0 };
  const sender = new BlockSender((message) => {
    take(message);
    // Nobody may look at it any more.
    new Uint8Array(message.memory).fill(255);
    sender.takeBack(message.memory);
  });
  const take = ({ numbers, memory }: BlocksCame): void => {
    const came = new SearchedBlocks(numbers, memory);
    while (!came.isOver) {
      const request = waiting.get(came.number())!;
      came.number();
      if (came.number() === FAILED) own.read(request);
      else request.searched(came);
    }
  };
  let ids = 0;
  return {
    counts,
    searches: true,
    read(request) {
      const asked = soughtIn(request, ++ids);
      for (let at = 0; at < asked.numbers.length; at += ASKED_BLOCK)
        counts[asked.numbers[at + 2] === WHOLE ? 'whole' : 'rows']++;
      waiting.set(asked.id, request);
      const { object, offset, length } = request;
      store.get(object, { range: { offset, length } }).then((answer) => {
        try {
          if (fails()) throw new Error('as it was told');
          sender.add(asked, wholeRange(object, answer, length));
        } catch {
          sender.addFailed(asked);
        }
      });
    },
  };
}

/** A request as the thread has it. */
export function soughtIn({ object, offset, blocks, first, last }: BlocksRequest, id: number): BlocksSought {
  const { places, sought } = blocks;
  const numbers: number[] = [];
  const starts = [0];
  const keys: Buffer[] = [];
  for (let i = first; i < last; i++) {
    const inBlock = sought?.inBlock[i];
    numbers.push(places[2 * i]!, places[2 * i + 1]!, inBlock?.length ?? WHOLE);
    for (const key of inBlock ?? []) {
      const { bytes, starts: from } = sought!.keys;
      keys.push(bytes.subarray(from[key]!, from[key + 1]!));
      starts.push(starts.at(-1)! + keys.at(-1)!.length);
    }
  }
  return {
    id,
    object,
    offset,
    hedges: 0,
    numbers: Float64Array.from(numbers),
    blocksAt: 0,
    count: last - first,
    keys: { bytes: Buffer.concat(keys), starts: Uint32Array.from(starts) },
    firstKey: 0,
  };
}
