/**
 * Which blocks of an SST to ask for in one request. Requests run side by side, so that one more costs no latency: some 0.3 ms of processor
 * time, and its price. At 90 MB/s that is 27 kB read for nothing. But many small gaps add up: where half of the blocks of an SST are wanted,
 * bridging all that lies between would read all of it. So a request may read half as much again as is wanted of it, and no
 * gap is bridged that costs more than the request that it saves.
 */
import type { BlockSpan } from '../sst/scan.ts';
import type { BlockRange } from '../sst/sst-index.ts';

/** Bytes read ÷ bytes wanted, at most. */
export const MOST_READ = 1.5;
const GAP_BYTES = 27_000;
/** What comes in the time that a request takes, about: more at once would only come later. */
export const SPAN_BYTES = 2 << 20;

/** Where blocks lie. */
interface Blocks {
  block(i: number): BlockRange;
}

/** @param blocks ascending, each once @returns spans that hold them all, in order */
export function planSpans(index: Blocks, blocks: readonly number[]): BlockSpan[] {
  const spans: BlockSpan[] = [];
  let first = -1;
  let last = -1;
  let start = 0;
  let end = 0;
  let wanted = 0;
  for (const block of blocks) {
    const { offset, length } = index.block(block);
    const whole = offset + length - start;
    if (first >= 0 && offset - end <= GAP_BYTES && whole <= SPAN_BYTES && whole <= MOST_READ * (wanted + length)) {
      wanted += length;
    } else {
      if (first >= 0) spans.push({ first, last, offset: start, length: end - start });
      first = block;
      start = offset;
      wanted = length;
    }
    last = block + 1;
    end = offset + length;
  }
  if (first >= 0) spans.push({ first, last, offset: start, length: end - start });
  return spans;
}
