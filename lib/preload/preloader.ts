/**
 * Brings near what the coming micro-batches of one partition will read, beside the batches: into the rows in memory, a slice at a time,
 * with a turn of the event loop between two slices. No batch waits for it to end: when a batch begins, its rows that are on their way still come,
 * in place of reads of its own, and what is not begun is dropped.
 *
 * Rows that are looked up together share requests where they lie side by side, and those that come last have the least time. So those that have come
 * wait until no more are to come than they are: half of a batch is looked up first, then half of what is left, and so on, the last ones alone. And
 * they wait until all before them is on its way: where rows come faster than they can be brought, more of them share requests. In parts they take more
 * requests than together: where the processors are busy, all wait for the last one.
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
/**
 * So many rows may wait for the store at once: all that a batch itself asks for is sent at once, so that what is brought ahead of the next
 * one is the smaller part of what is under way.
 */
const ROWS_AT_ONCE = 2048;
/** Memory of a row, where there is none yet to tell. */
const ROW_BYTES = 128;
/** Share of the memory tier that may be filled ahead: the rest is the present batch's. */
const ROWS_SHARE = 0.5;
/** Blocks of a range are brought as far as this. */
const RANGE_BYTES = 16 << 20;

export interface PreloaderOptions {
  readonly job: PhysicalJob;
  readonly stage: number;
  readonly path: PartitionPath;
  readonly state: PartitionState;
  readonly clock: Clock;
  readonly trace: Trace;
  /** As in `JobServices`. */
  readonly spareTime?: (() => boolean) | undefined;
}

/** What is brought near for one batch. */
interface Coming {
  readonly expected: ExpectedRows;
  /** Whether rows are brought before all have come. */
  readonly inParts: boolean;
  /** Rows of the batch that are looked up, or about to be, by edge. */
  seen: number[];
  /** Slices that are not on their way yet. */
  waiting: number;
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

  constructor(options: PreloaderOptions) {
    this.#options = options;
  }

  /**
   * Rows of batch n have come.
   * @param input all so far
   * @param left rows that are to come, about, for each that has come; 0: these are all
   * @returns settles when what was begun by this call is near, or dropped; never rejects
   */
  expect(n: number, plan: PlanOf, input: PartitionInput, left: number): Promise<void> {
    const { job, state, trace, spareTime } = this.#options;
    if (job.preload === 'off' || state.rows.complete) return Promise.resolve();
    if (this.#coming?.expected.n !== n) {
      this.#coming?.expected.begin();
      const expected = state.expect(n);
      const inParts = spareTime?.() ?? true;
      this.#coming = { expected, inParts, seen: [], waiting: 0, dropped: 0, startMs: undefined, endMs: 0 };
    } else if (!isDue(this.#coming, input, left)) {
      return Promise.resolve();
    }
    return this.#bring(this.#coming, plan, input, left).catch((error) =>
      trace.trouble?.('what a batch will read was not read ahead', error),
    );
  }

  /** A batch begins: what has not come by now, it reads for itself. */
  end(): void {
    this.#coming?.expected.begin();
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

  async #bring(coming: Coming, plan: PlanOf, input: PartitionInput, left: number): Promise<void> {
    const { job, stage, state, clock } = this.#options;
    const { expected } = coming;
    await state.reads.open(expected.cost);
    if (job.preload === 'metadata' || expected.isBegun || !isDue(coming, input, left)) return;
    const startMs = clock.monotonic();
    // What closes is the same for all rows of the batch.
    const isFirst = coming.startMs === undefined;
    const part = rowsSince(input, coming.seen);
    coming.seen = input.edges.map((rows) => rows?.count ?? 0);
    const wanted = wantedBy(job, stage, plan, part);
    const ranges = isFirst ? wanted.ranges : [];
    const keys = stateKeysOf(wanted, (table, time, of, i) => state.keepNear(expected, table, time, of, i));
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
  }

  /** One after the other, as long as not too many rows wait for the store. The first is on its way before the batch can begin. */
  async #bringSlices(coming: Coming, keys: KeyColumn, slices: readonly Slice[]): Promise<void> {
    const { state } = this.#options;
    const { expected } = coming;
    const { cost } = expected;
    const all: Promise<void>[] = [];
    const underWay = new Set<Promise<void>>();
    let rows = 0;
    coming.waiting += slices.length;
    for (const slice of slices) {
      while (rows >= ROWS_AT_ONCE) await Promise.race(underWay);
      coming.waiting--;
      if (expected.isBegun) {
        coming.dropped += slice.to - slice.from;
        continue;
      }
      const before = cost.store;
      const come = state.bringNear(partOf(keys, slice), expected);
      come.catch(() => {}); // thrown below
      all.push(come);
      await turn();
      const asked = cost.store - before;
      rows += asked;
      const ended = come
        .catch(() => {})
        .then(() => {
          rows -= asked;
          underWay.delete(ended);
        });
      underWay.add(ended);
    }
    await Promise.all(all);
  }

  /** Rows that a scan will show are not kept in memory: their blocks are brought into the local tier. */
  async #bringRange({ expected }: Coming, from: string, to: string): Promise<void> {
    const { state } = this.#options;
    const mostBytes = expected.cost.bytes + RANGE_BYTES;
    await state.reads.bringRange(from, to, expected.cost, async () => {
      await turn();
      await state.demand.quiet();
      return !expected.isBegun && expected.cost.bytes < mostBytes;
    });
  }
}

/** Whether what has come is looked up now. */
function isDue({ inParts, seen, waiting }: Coming, { edges }: PartitionInput, left: number): boolean {
  let come = 0;
  let since = 0;
  for (const [edge, rows] of edges.entries()) {
    const count = rows?.count ?? 0;
    come += count;
    since += count - (seen[edge] ?? 0);
  }
  return left === 0 || (inParts && waiting === 0 && since >= come * left);
}

function partOf(keys: KeyColumn, { from, to }: Slice): KeyColumn {
  const slice = new KeyColumn(to - from);
  for (let i = from; i < to; i++) slice.pushFrom(keys, i);
  return slice;
}
