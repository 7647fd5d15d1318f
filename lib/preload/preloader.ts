/**
 * Brings near what the coming micro-batches of one partition will read, beside the batches: into the rows in memory, a slice at a time,
 * with a turn of the event loop between two slices. No batch waits for it. A batch that begins ends what was to be brought for it: what is
 * on its way is shared with the batch's own reads, and what is not begun is dropped.
 *
 * Rows of a batch are looked up together as long as there is time, since rows that lie side by side share a request: so those that have come
 * wait for others, until what is left of the time is what bringing them will take.
 *
 * Never needed: with it on, off, late or failing, results are the same.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { KeyColumn } from '../columns/key-column.ts';
import type { PartitionPath } from '../object-store/names.ts';
import { type PartitionInput, rowsSince } from '../plan/rows.ts';
import type { PartitionState } from '../state/partition-state.ts';
import { noCost, type ReadCost } from '../state/sst-reads.ts';
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
/** How long it takes to bring a batch's rows, ms, until it is known. */
const FIRST_LEAD_MS = 100;
/** What is to be ready in time begins so much earlier than it took before. */
const MARGIN = 1.5;

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
  readonly n: number;
  readonly ends: AbortController;
  readonly cost: ReadCost;
  /** Rows of the batch that are looked up, or about to be, by edge. */
  seen: number[];
  rows: number;
  dropped: number;
}

export class Preloader {
  readonly #options: PreloaderOptions;
  #coming: Coming | undefined;
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
    if (this.#coming?.n !== n) {
      this.end();
      this.#coming = { n, ends: new AbortController(), cost: noCost(), seen: [], rows: 0, dropped: 0 };
    } else if (leftMs > this.#leadMs * MARGIN) {
      return Promise.resolve();
    }
    const coming = this.#coming;
    return this.#bring(coming, plan, input, leftMs).catch((error) =>
      trace.trouble?.('what a batch will read was not read ahead', error),
    );
  }

  /** A batch begins: what has not come by now, it reads for itself. */
  end(): void {
    this.#coming?.ends.abort();
    this.#coming = undefined;
  }

  async #bring(coming: Coming, plan: PlanOf, input: PartitionInput, leftMs: number): Promise<void> {
    const { job, stage, state, clock } = this.#options;
    const startMs = clock.monotonic();
    await state.reads.openAll(coming.cost);
    if (job.preload === 'metadata' || coming.ends.signal.aborted || leftMs > this.#leadMs * MARGIN) return;
    const part = rowsSince(input, coming.seen);
    coming.seen = input.edges.map((rows) => rows?.count ?? 0);
    const keys = stateKeysOf(wantedBy(job, stage, plan, part), (table, time, of, i) =>
      state.isNearAt(table, time, of, i),
    );
    if (keys.count === 0) return;
    const { size, bytes, budgetBytes } = state.rows;
    const bytesARow = size === 0 ? ROW_BYTES : bytes / size;
    const slices = planPreload(keys.count, bytesARow, {
      sliceRows: SLICE_ROWS,
      rowBytes: budgetBytes * ROWS_SHARE - coming.rows * bytesARow,
    });
    await this.#bringSlices(coming, keys, slices);
    const endMs = clock.monotonic();
    if (!coming.ends.signal.aborted) this.#leadMs += (endMs - startMs - this.#leadMs) / 2;
    this.#tell(coming, startMs, endMs);
  }

  /** Several at once, each next one when another has come. */
  async #bringSlices(coming: Coming, keys: KeyColumn, slices: readonly Slice[]): Promise<void> {
    const { state } = this.#options;
    const { signal } = coming.ends;
    let next = 0;
    const bringNext = async (): Promise<void> => {
      for (;;) {
        await turn();
        await state.demand.quiet();
        const slice = slices[next];
        if (slice === undefined) return;
        next++;
        if (signal.aborted) coming.dropped += slice.to - slice.from;
        else coming.rows += await state.bringNear(part(keys, slice), coming.cost, signal);
      }
    };
    await Promise.all(Array.from({ length: Math.min(SLICES_AT_ONCE, slices.length) }, bringNext));
  }

  #tell({ n, cost, rows, dropped }: Coming, startMs: number, endMs: number): void {
    const { path, trace } = this.#options;
    const { requests, bytes } = cost;
    trace.span({ lane: 'preload', path, n, startMs, endMs, detail: { rows, requests, bytes, dropped } });
  }
}

function part(keys: KeyColumn, { from, to }: Slice): KeyColumn {
  const slice = new KeyColumn(to - from);
  for (let i = from; i < to; i++) slice.pushFrom(keys, i);
  return slice;
}
