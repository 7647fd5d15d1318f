/**
 * What a run has done so far, for whoever shows it: rows and their fates, the rate of late, quantiles of the batches' times,
 * commit lag, reads by tier. Fed with each batch; knows nothing of how it is shown.
 */
import { build, type Histogram } from 'hdr-histogram-js';
import type { RunProgress, TierReads } from '../../lib/embedded/run-events.ts';
import { addReads, NO_READS } from '../../lib/log/read-counts.ts';

/** The rate is taken over this time. */
const RATE_WINDOW_MS = 5000;
const MICROSECONDS = 1000;

export type Tier = 'memory' | 'lmdb' | 'warm' | 'store';

/** Names of the tiers for people, nearest first. */
export const TIERS: readonly { readonly tier: Tier; readonly title: string }[] = [
  { tier: 'memory', title: 'memory' },
  { tier: 'lmdb', title: 'local disk' },
  { tier: 'warm', title: 'warm pack' },
  { tier: 'store', title: 'object store' },
];

export class RunStats {
  readonly startedMs: number;
  /** When the last batch was done. */
  lastMs: number | undefined;
  batches = 0;
  rows = 0;
  late = 0;
  skipped = 0;
  quarantined = 0;
  emitted = 0;
  commitLag = 0;
  commitLagMax = 0;
  watermark: number | null = null;
  /** Number of the last batch. */
  position = 0;
  readBytes = 0;
  totalBytes = 0;
  reads: TierReads = NO_READS;
  /** In microseconds. */
  readonly #durations: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3.6e9,
    numberOfSignificantValueDigits: 3,
  });
  #recent: { atMs: number; rows: number }[] = [];

  constructor(nowMs: number) {
    this.startedMs = nowMs;
    this.#recent.push({ atMs: nowMs, rows: 0 });
  }

  add(progress: RunProgress, nowMs: number): void {
    const { durationMs, commitLag, reads } = progress;
    this.batches++;
    this.rows += progress.rows;
    this.late += progress.late;
    this.skipped += progress.skipped;
    this.quarantined += progress.quarantined;
    this.emitted += progress.emitted;
    this.commitLag = commitLag;
    this.commitLagMax = Math.max(this.commitLagMax, commitLag);
    this.watermark = progress.watermark;
    this.position = progress.batch;
    this.readBytes = progress.readBytes;
    this.totalBytes = progress.totalBytes;
    this.reads = addReads(this.reads, reads);
    this.#durations.recordValue(Math.max(1, Math.round(durationMs * MICROSECONDS)));
    this.lastMs = nowMs;
    this.#now(nowMs);
  }

  /** To be called while nothing comes: the rate falls. */
  idle(nowMs: number): void {
    this.#now(nowMs);
  }

  #now(nowMs: number): void {
    this.#recent.push({ atMs: nowMs, rows: this.rows });
    while (this.#recent.length > 2 && nowMs - this.#recent[1]!.atMs > RATE_WINDOW_MS) this.#recent.shift();
  }

  /** Rows that are in the results or the state, or that the job's own functions dropped. */
  get applied(): number {
    return this.rows - this.late - this.skipped - this.quarantined;
  }

  /** Rows/s, over the last seconds. */
  get rowsPerSecond(): number {
    const first = this.#recent[0]!;
    const last = this.#recent[this.#recent.length - 1]!;
    return last.atMs === first.atMs ? 0 : ((last.rows - first.rows) * 1000) / (last.atMs - first.atMs);
  }

  /** Time of a batch, ms: `q` 0 … 1 of them took no longer. */
  quantileMs(q: number): number {
    return this.batches === 0 ? 0 : this.#durations.getValueAtPercentile(q * 100) / MICROSECONDS;
  }

  get maxMs(): number {
    return this.batches === 0 ? 0 : this.#durations.maxValue / MICROSECONDS;
  }

  /** Rows of state that were read. */
  get allReads(): number {
    const { memory, lmdb, warm, store } = this.reads;
    return memory + lmdb + warm + store;
  }

  /** Share of the input that is read, 0 to 1. */
  get share(): number {
    return this.totalBytes === 0 ? 1 : Math.min(1, this.readBytes / this.totalBytes);
  }
}
