/** What the batches of a job that `misa dev` follows add up to, and the warnings that follow from it. */
import { RowWarnings, type WatchedBatch } from '../../lib/embedded/row-warnings.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { systemClock } from '../../lib/util/clock.ts';
import type { FollowedBatch } from './follower.ts';

const COUNTS = ['rows', 'late', 'skipped', 'quarantined', 'emitted'] as const;

export type FollowedTotals = Record<(typeof COUNTS)[number], number> & {
  batches: number;
  /** All that was sent is processed. */
  finished: boolean;
  /** One line for each share of bad or late rows that is higher than anyone expects. */
  warnings: readonly string[];
};

export class Tally {
  readonly totals: FollowedTotals = {
    rows: 0,
    late: 0,
    skipped: 0,
    quarantined: 0,
    emitted: 0,
    batches: 0,
    finished: false,
    warnings: [],
  };
  /** Of the last batch that had one. */
  watermark: number | null = null;
  readonly #rowWarnings: RowWarnings;
  readonly #note: (text: string) => void;

  /** @param note shows a line to the user */
  constructor(job: PhysicalJob, note: (text: string) => void) {
    this.#rowWarnings = new RowWarnings(job, () => systemClock.now());
    this.#note = note;
  }

  /** @param watched the batch as warnings need it; `undefined`: its plan is deleted already */
  add(batch: FollowedBatch, watched: WatchedBatch | undefined): void {
    this.totals.batches++;
    for (const key of COUNTS) this.totals[key] += batch[key];
    this.watermark = batch.watermark ?? this.watermark;
    if (watched !== undefined) this.#rowWarnings.add(watched);
    this.warn(false);
  }

  /** Shows warnings not shown yet. @param all also those that rest on few rows, because no more come for now */
  warn(all: boolean): void {
    for (const { message } of this.#rowWarnings.due(all)) this.#note(`warning: ${message}`);
    this.totals.warnings = this.#rowWarnings.standing;
  }
}
