/**
 * The tail of a log: entries in order, several asked for side by side, up to the first that is absent. Whoever follows a log reads
 * it so: batches and the planner from where they are, folds and the sweep from where the manifest is.
 */
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { mayConclude } from './partition-log.ts';

export interface TailOptions<E> {
  /** Number of the first entry of a round: what is taken may move it, and so may others. */
  readonly next: () => number;
  /** How many to ask for side by side, from this one on; 0: enough is read. */
  readonly atOnce: (from: number) => number;
  readonly read: (n: number) => Promise<{ readonly entry: E | undefined; readonly dateMs: number }>;
  /** When the newest manifest was read, by the store's clock. */
  readonly manifestMs: number;
  readonly retentionMs: number;
}

/**
 * @param take is given each entry that is there, in order
 * @returns `end`: the entry after the last one taken is absent; `enough`: so `atOnce` said; `stale`: the answers came too long
 *   after the manifest to mean anything, begin again with a new one
 */
export async function readTail<E>(
  { next, atOnce, read, manifestMs, retentionMs }: TailOptions<E>,
  take: (entry: E) => void,
): Promise<'end' | 'enough' | 'stale'> {
  for (;;) {
    const from = next();
    const count = atOnce(from);
    if (count <= 0) return 'enough';
    const answers = await allOrFirstError(Array.from({ length: count }, (_, i) => read(from + i)));
    // ⚑ fresh-manifest: what is there may have been made again by a sleeper after it was collected, and what is absent may be folded.
    if (!answers.every(({ dateMs }) => mayConclude(dateMs, manifestMs, retentionMs))) return 'stale';
    for (const { entry } of answers) {
      if (entry === undefined) return 'end';
      take(entry);
    }
  }
}
