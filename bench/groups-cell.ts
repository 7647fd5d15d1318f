/** What a cell of `groups` is: a job of one input, all rows of which have one key, and its rows. */
import type { Job, Source } from '../lib/index.ts';

export interface GroupRow {
  readonly side: 'left' | 'right';
  readonly t: number;
  readonly i: number;
}

export interface GroupCell {
  readonly what: string;
  /** What `size` counts. */
  readonly of: string;
  /** @param rows with a delay of 0 */
  job(rows: Source<GroupRow>, size: number): Job<unknown>;
  rows(size: number): Iterable<GroupRow>;
  /** Result rows that there must be. */
  results(size: number): number;
}
