/**
 * Which reads of an object share a request. A request costs about as much time as a quarter of a megabyte takes to come,
 * so reading a smaller gap along is cheaper than asking twice; requests stay small enough to come side by side.
 */

/** Largest gap that is read along, bytes. */
const MAX_GAP_BYTES = 256 * 1024;
/** A request grows no further than this by merging. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024;

export interface WantedRead {
  readonly offset: number;
  readonly length: number;
  /** Only reads of one signal are merged: aborting one must not end another. */
  readonly signal: AbortSignal | undefined;
}

export interface MergedRead<R extends WantedRead> {
  readonly offset: number;
  /** The first byte not wanted. */
  readonly end: number;
  readonly reads: readonly R[];
}

/** Requests that together cover all reads, each read within one of them. */
export function mergeReads<R extends WantedRead>(reads: readonly R[]): MergedRead<R>[] {
  const merged: { offset: number; end: number; reads: R[] }[] = [];
  for (const read of [...reads].sort((a, b) => a.offset - b.offset)) {
    const end = read.offset + read.length;
    const last = merged.at(-1);
    const joins =
      last !== undefined &&
      last.reads[0]!.signal === read.signal &&
      read.offset - last.end <= MAX_GAP_BYTES &&
      (end <= last.end || end - last.offset <= MAX_REQUEST_BYTES);
    if (joins) {
      last.reads.push(read);
      last.end = Math.max(last.end, end);
    } else {
      merged.push({ offset: read.offset, end, reads: [read] });
    }
  }
  return merged;
}
