/**
 * Which blocks of an SST to ask for in one request. Requests run side by side, so that one more costs no latency: some 0.3 ms of processor
 * time, and its price. At 90 MB/s that is 27 kB read for nothing. But many small gaps add up: where half of the blocks of an SST are wanted,
 * bridging all that lies between would read all of it. So all requests together may read half as much again as is wanted, which
 * goes to the smallest gaps: no other choice makes fewer requests of as many bytes; and no gap is bridged that costs more than the request
 * that it saves.
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
  const ranges = blocks.map((block) => index.block(block));
  const gaps = new Bridges(ranges);
  const spans: BlockSpan[] = [];
  let from = 0;
  for (let i = 1; i <= blocks.length; i++) {
    const start = ranges[from]!.offset;
    const before = endOf(ranges[i - 1]!);
    const next = ranges[i];
    if (next !== undefined && endOf(next) - start <= SPAN_BYTES && gaps.take(next.offset - before)) continue;
    spans.push({ first: blocks[from]!, last: blocks[i - 1]! + 1, offset: start, length: before - start });
    from = i;
  }
  return spans;
}

/** Which gaps between blocks are read along: the smallest, as many as there are bytes for. */
class Bridges {
  /** All that are narrower are bridged, and so many that are as wide. */
  #widest = -1;
  #left = 0;

  constructor(ranges: readonly BlockRange[]) {
    let bytes = 0;
    for (const { length } of ranges) bytes += (MOST_READ - 1) * length;
    const gaps = new Float64Array(Math.max(0, ranges.length - 1));
    for (let i = 0; i < gaps.length; i++) gaps[i] = ranges[i + 1]!.offset - endOf(ranges[i]!);
    for (const gap of gaps.sort()) {
      bytes -= gap;
      if (gap > GAP_BYTES || bytes < 0) break;
      this.#left = gap === this.#widest ? this.#left + 1 : 1;
      this.#widest = gap;
    }
  }

  take(gap: number): boolean {
    return gap < this.#widest || (gap === this.#widest && this.#left-- > 0);
  }
}

function endOf({ offset, length }: BlockRange): number {
  return offset + length;
}
