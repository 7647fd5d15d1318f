/**
 * What a flush has closed. A flush is a statement that nothing up to what it closed will come, so the watermark moves there:
 * else later rows would open windows again that were final, and they would come out twice, each time partial. How far that
 * is, only the partitions know, when they have run the batch: each says so in its log entry, folding carries the greatest
 * into the manifest, and whoever plans the batch after a flush reads it from them all first.
 */

import type { JobContext } from '../job/job-context.ts';
import { saidIn } from './said.ts';

/**
 * @param n number of the flush batch
 * @returns the greatest time that flushes up to n have closed, in all partitions of all stages; `null`: none has closed
 *   anything; `undefined`: not every partition has committed batch n yet
 * @throws {CorruptionError} @throws {StoreError}
 */
export async function flushedTo(context: JobContext, n: number): Promise<number | null | undefined> {
  const closed = await saidIn(context, n, (manifest, header) =>
    later(manifest.closedTo ?? null, header?.closedTo ?? null),
  );
  return closed?.reduce(later, null);
}

/** The greater of two times; `null`: none. */
export function later(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}
