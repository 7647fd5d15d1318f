/**
 * Brings near what the coming micro-batches of one partition will read, beside the batches: into the rows in memory, a slice at a time,
 * with a turn of the event loop between two slices. No batch waits for it. A batch that begins ends what was to be brought for it: what is
 * on its way is shared with the batch's own reads, and what is not begun is dropped.
 *
 * Never needed: with it on, off, late or failing, results are the same.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { KeyColumn } from '../columns/key-column.ts';
import type { PartitionPath } from '../object-store/names.ts';
import type { PartitionInput } from '../plan/rows.ts';
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
  readonly startMs: number;
  readonly cost: ReadCost;
  rows: number;
  done: Promise<void>;
}

export class Preloader {
  readonly #options: PreloaderOptions;
  #coming: Coming | undefined;

  constructor(options: PreloaderOptions) {
    this.#options = options;
  }

  /** Begins to bring near what batch n will read. @returns settles when it is near, or dropped; never rejects */
  begin(n: number, plan: PlanOf, input: PartitionInput): Promise<void> {
    const { job, state, clock, trace } = this.#options;
    if (job.preload === 'off' || state.rows.complete) return Promise.resolve();
    this.#coming?.ends.abort();
    const startMs = clock.monotonic();
    const coming: Coming = {
      n,
      ends: new AbortController(),
      startMs,
      cost: noCost(),
      rows: 0,
      done: Promise.resolve(),
    };
    this.#coming = coming;
    coming.done = this.#bring(coming, plan, input).then(
      () => this.#tell(coming),
      (error) => trace.trouble?.('what a batch will read was not read ahead', error),
    );
    return coming.done;
  }

  /** A batch begins: what has not come by now, it reads for itself. */
  end(): void {
    this.#coming?.ends.abort();
    this.#coming = undefined;
  }

  async #bring(coming: Coming, plan: PlanOf, input: PartitionInput): Promise<void> {
    const { job, stage, state } = this.#options;
    const { signal } = coming.ends;
    await state.reads.openAll(coming.cost);
    if (job.preload === 'metadata' || signal.aborted) return;
    const wanted = wantedBy(job, stage, plan, input);
    const keys = stateKeysOf(wanted, (table, time, of, i) => state.isNearAt(table, time, of, i));
    const { size, bytes, budgetBytes } = state.rows;
    const bytesARow = size === 0 ? ROW_BYTES : bytes / size;
    const slices = planPreload(keys.count, bytesARow, {
      sliceRows: SLICE_ROWS,
      rowBytes: budgetBytes * ROWS_SHARE,
    });
    const take = slices[Symbol.iterator]();
    await Promise.all(
      Array.from({ length: Math.min(SLICES_AT_ONCE, slices.length) }, () => this.#bringSlices(coming, keys, take)),
    );
  }

  async #bringSlices(coming: Coming, keys: KeyColumn, slices: Iterator<Slice>): Promise<void> {
    const { state } = this.#options;
    const { signal } = coming.ends;
    for (;;) {
      await turn();
      await state.demand.quiet();
      if (signal.aborted) return;
      const next = slices.next();
      if (next.done === true) return;
      coming.rows += await state.bringNear(part(keys, next.value), coming.cost, signal);
    }
  }

  #tell({ n, startMs, cost, rows }: Coming): void {
    const { path, clock, trace } = this.#options;
    const { requests, bytes } = cost;
    trace.span({ lane: 'preload', path, n, startMs, endMs: clock.monotonic(), detail: { rows, requests, bytes } });
  }
}

function part(keys: KeyColumn, { from, to }: Slice): KeyColumn {
  const slice = new KeyColumn(to - from);
  for (let i = from; i < to; i++) slice.pushFrom(keys, i);
  return slice;
}
