/**
 * Brings near what the coming micro-batches of one partition will read, beside the batches: into the rows in memory, a slice at a time,
 * with a turn of the event loop between two slices. No batch waits for it. A batch that begins ends what was to be brought for it: what is
 * on its way is shared with the batch's own reads, and what is not begun is dropped.
 *
 * Rows of a batch are looked up together as long as there is time, since rows that lie side by side share a request: so those that have come
 * wait for others, until what is left of the time is what bringing them will take; those that come then, until half of that is left.
 * Where the others come sooner than that, they are waited for.
 *
 * Never needed: with it on, off, late or failing, results are the same.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { KeyColumn } from '../columns/key-column.ts';
import type { PreloadCounts } from '../log/read-counts.ts';
import type { PartitionPath } from '../object-store/names.ts';
import { type PartitionInput, rowsSince } from '../plan/rows.ts';
import type { ExpectedRows } from '../state/expected-rows.ts';
import type { PartitionState } from '../state/partition-state.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import type { Clock } from '../util/clock.ts';
import type { Trace } from '../util/trace.ts';
import { planPreload, type Slice } from './plan-preload.ts';
import { type PlanOf, stateKeysOf, wantedBy } from './wanted.ts';

/** Looked up without a pause: a millisecond or two. */
const SLICE_ROWS = 256;
/** So many slices may wait for the store at once. */
const SLICES_AT_ONCE = 8;
/** Memory of a row, where there is none yet to tell. */
const ROW_BYTES = 128;
/** Share of the memory tier that may be filled ahead: the rest is the present batch's. */
const ROWS_SHARE = 0.5;
/** Blocks of a range are brought as far as this. */
const RANGE_BYTES = 16 << 20;
/** How long it takes to bring a batch's rows, ms, until it is known. */
const FIRST_LEAD_MS = 100;
/** What is to be ready in time begins so much earlier than it took before. */
const MARGIN = 1.5;
/** Part of the time left at which what has come meanwhile is brought; and of the time it takes to bring a batch's rows, at which it is too late. */
const AGAIN = 1 / 2;
const LATE = 1 / 4;

export interface PreloaderOptions {
  readonly job: PhysicalJob;
  readonly stage: number;
  readonly path: PartitionPath;
  readonly state: PartitionState;
  readonly clock: Clock;
  readonly trace: Trace;
}

/** What is brought near for one batch. */
interface Coming {
  readonly expected: ExpectedRows;
  readonly ends: AbortController;
  /** Rows of the batch that are looked up, or about to be, by edge. */
  seen: number[];
  /** What has come is brought when no more than this is left of the time, ms. */
  dueMs: number;
  /** Keys that were not looked up: there was no room, or no time. */
  dropped: number;
  /** When the first of it began, and the last of it ended. */
  startMs: number | undefined;
  endMs: number;
}

export class Preloader {
  readonly #options: PreloaderOptions;
  #coming: Coming | undefined;
  /** Of the batch that runs. */
  #running: Coming | undefined;
  #leadMs = FIRST_LEAD_MS;

  constructor(options: PreloaderOptions) {
    this.#options = options;
  }

  /**
   * Rows of batch n have come.
   * @param input all so far
   * @param leftMs until the batch begins, about; 0: these are all
   * @returns settles when what was begun by this call is near, or dropped; never rejects
   */
  expect(n: number, plan: PlanOf, input: PartitionInput, leftMs: number): Promise<void> {
    const { job, state, trace } = this.#options;
    if (job.preload === 'off' || state.rows.complete) return Promise.resolve();
    if (this.#coming?.expected.n !== n) {
      this.#coming?.ends.abort();
      const expected = state.expect(n);
      // Where rows come faster than they are brought, most are asked for in fewer requests when all have come.
      const dueMs = leftMs < this.#leadMs ? 0 : this.#leadMs * MARGIN;
      const ends = new AbortController();
      this.#coming = { expected, ends, seen: [], dueMs, dropped: 0, startMs: undefined, endMs: 0 };
    } else if (!this.#isDue(this.#coming, leftMs)) {
      return Promise.resolve();
    }
    return this.#bring(this.#coming, plan, input, leftMs).catch((error) =>
      trace.trouble?.('what a batch will read was not read ahead', error),
    );
  }

  /** A batch begins: what has not come by now, it reads for itself. */
  end(): void {
    this.#coming?.ends.abort();
    this.#running = this.#coming;
    this.#coming = undefined;
  }

  /** The batch has run. @param preloaded what its log entry says */
  finished(preloaded: PreloadCounts | undefined): void {
    const { path, trace } = this.#options;
    const running = this.#running;
    this.#running = undefined;
    if (running?.startMs === undefined) return;
    const { expected, startMs, endMs, dropped } = running;
    const { rows = 0, used = 0, requests = 0, bytes = 0 } = preloaded ?? {};
    const detail = { rows, used, dropped, requests, bytes };
    trace.span({ lane: 'preload', path, n: expected.n, startMs, endMs, detail });
  }

  #isDue({ dueMs }: Coming, leftMs: number): boolean {
    return leftMs === 0 || (leftMs <= dueMs && leftMs > this.#leadMs * LATE);
  }

  async #bring(coming: Coming, plan: PlanOf, input: PartitionInput, leftMs: number): Promise<void> {
    const { job, stage, state, clock } = this.#options;
    const { expected, ends } = coming;
    await state.reads.open(expected.cost);
    if (job.preload === 'metadata' || ends.signal.aborted || !this.#isDue(coming, leftMs)) return;
    const startMs = clock.monotonic();
    coming.dueMs = leftMs * AGAIN;
    const part = rowsSince(input, coming.seen);
    coming.seen = input.edges.map((rows) => rows?.count ?? 0);
    const wanted = wantedBy(job, stage, plan, part);
    const keys = stateKeysOf(wanted, (table, time, of, i) => state.keepNear(expected, table, time, of, i));
    // What closes is the same for all rows of the batch.
    const ranges = coming.startMs === undefined ? wanted.ranges : [];
    if (keys.count === 0 && ranges.length === 0) return;
    coming.startMs ??= startMs;
    const { size, bytes, budgetBytes } = state.rows;
    const slices = planPreload(keys.count, size === 0 ? ROW_BYTES : bytes / size, {
      sliceRows: SLICE_ROWS,
      rowBytes: budgetBytes * ROWS_SHARE - expected.bytes,
    });
    coming.dropped += keys.count - (slices.at(-1)?.to ?? 0);
    await this.#bringSlices(coming, keys, slices);
    for (const { from, to } of ranges) await this.#bringRange(coming, from, to);
    coming.endMs = clock.monotonic();
    const tookMs = coming.endMs - startMs;
    // What its batch has cut short would have taken as long at least.
    if (!ends.signal.aborted) this.#leadMs += (tookMs - this.#leadMs) / 2;
    else if (tookMs > this.#leadMs) this.#leadMs = tookMs;
  }

  /** Several at once, each next one when another has come. */
  async #bringSlices(coming: Coming, keys: KeyColumn, slices: readonly Slice[]): Promise<void> {
    const { state } = this.#options;
    const { expected, ends } = coming;
    let next = 0;
    const bringNext = async (): Promise<void> => {
      for (;;) {
        await turn();
        await state.demand.quiet();
        const slice = slices[next];
        if (slice === undefined) return;
        next++;
        if (ends.signal.aborted) coming.dropped += slice.to - slice.from;
        else await state.bringNear(partOf(keys, slice), expected, ends.signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(SLICES_AT_ONCE, slices.length) }, bringNext));
  }

  /** Rows that a scan will show are not kept in memory: their blocks are brought into the local tier. */
  async #bringRange({ expected, ends }: Coming, from: string, to: string): Promise<void> {
    const { state } = this.#options;
    const mostBytes = expected.cost.bytes + RANGE_BYTES;
    await state.reads.bringRange(from, to, expected.cost, async () => {
      await turn();
      await state.demand.quiet();
      return !ends.signal.aborted && expected.cost.bytes < mostBytes;
    });
  }
}

function partOf(keys: KeyColumn, { from, to }: Slice): KeyColumn {
  const slice = new KeyColumn(to - from);
  for (let i = from; i < to; i++) slice.pushFrom(keys, i);
  return slice;
}
