/**
 * One loop: gather rows, plan, run the batch, report it; the next rows are gathered while the batch waits for what it reads, or at the latest
 * while its log entries are written, and a batch is reported while the next one runs.
 */

import { addReads, NO_READS, type ReadCounts } from '../log/read-counts.ts';
import { PLANNER } from '../object-store/names.ts';
import { type Gathered, noRows } from '../plan/gathered.ts';
import type { BatchDone, Engine, PlannedBatch } from './engine.ts';
import type { Inputs, OnRows, Watch } from './inputs.ts';
import { KeyTypes } from './key-types.ts';

export interface RunLoopOptions {
  /** Files may grow, and more may come. */
  readonly watch?: Watch | undefined;
  /** Closes windows and fires timers when all is read, or when watching is stopped. */
  readonly flush?: boolean | undefined;
  /** Ends the run after the batch that is under way. */
  readonly stop?: AbortSignal | undefined;
  /** Called for each finished batch, in order. The run waits for the answer, with one batch ahead. */
  readonly onBatch?: ((batch: BatchDone, durationMs: number) => Promise<void> | void) | undefined;
  /** Called when there is no input now but more may come, after all batches are reported. */
  readonly onIdle?: (() => Promise<void> | void) | undefined;
}

/** What one run did. Times in ms. */
export interface RunTotals {
  batches: number;
  rows: number;
  late: number;
  skipped: number;
  quarantined: number;
  /** Result rows, quarantined ones aside. */
  emitted: number;
  reads: ReadCounts;
}

export class RunLoop {
  readonly totals = newTotals();
  readonly #engine: Engine;
  readonly #inputs: Inputs;
  readonly #options: RunLoopOptions;
  readonly #over: AbortSignal;
  readonly #keyTypes: KeyTypes;
  /** Rows that are gathered and planned behind the batch that runs. */
  #ahead: Promise<PlannedBatch | undefined> | undefined;
  #reported: Promise<void> = Promise.resolve();
  readonly #onRows: OnRows | undefined;

  /** @param over aborted when the run has ended: then work beside a batch is not continued */
  constructor(engine: Engine, inputs: Inputs, options: RunLoopOptions, over: AbortSignal) {
    this.#engine = engine;
    this.#inputs = inputs;
    this.#options = options;
    this.#over = over;
    this.#keyTypes = new KeyTypes(engine.context);
    if (engine.context.job.preload !== 'off') this.#onRows = (some, left) => engine.preloadSome(some, left);
  }

  /** @returns `read`: all input is read; `stopped`: the signal came */
  async run(): Promise<'read' | 'stopped'> {
    const { watch, flush = false } = this.#options;
    const { planner } = this.#engine;
    await this.#engine.recover(
      (plan) => this.#inputs.replay(plan),
      (done, durationMs) => this.#report(done, durationMs),
    );
    const reason = await this.#runAll();
    const last = planner.progress?.kind;
    // Before the first row and after a flush there is nothing to close.
    const closes = flush && (reason === 'read' || watch !== undefined) && last !== undefined && last !== 'flush';
    if (closes) await this.#run(await this.#engine.plan(noRows('flush')));
    await this.#reported;
    return reason;
  }

  /** Waits for work that was begun beside the last batch. Never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#ahead, this.#reported]);
  }

  async #runAll(): Promise<'read' | 'stopped'> {
    const { stop, onIdle } = this.#options;
    const { planner, context } = this.#engine;
    for (;;) {
      context.committer.check();
      // A stop still runs what is planned, so that nothing is left half done, and rows that a stream has given.
      if (stop?.aborted && this.#ahead === undefined && !this.#inputs.rowsWait) return 'stopped';
      const planned = await (this.#ahead ?? this.#prepare());
      this.#ahead = undefined;
      if (planned !== undefined) await this.#run(planned);
      else if (planner.wantsEmpty) await this.#run(await this.#engine.plan(noRows('empty')));
      else if (this.#inputs.ended) return 'read';
      else {
        await this.#reported;
        await onIdle?.();
        await this.#inputs.more();
      }
    }
  }

  /**
   * Gathers rows and plans them.
   * @param mayPlan settles when they may be planned; false: the run fails
   */
  async #prepare(mayPlan?: Promise<boolean>): Promise<PlannedBatch | undefined> {
    const gathered = await this.#gather();
    if (gathered === undefined || (await mayPlan) === false) return undefined;
    this.#over.throwIfAborted();
    return this.#engine.plan(gathered);
  }

  /** Gathers rows, and begins to bring near what they will read. */
  async #gather(): Promise<Gathered | undefined> {
    const { clock, trace } = this.#engine.context;
    const startMs = clock.monotonic();
    const gathered = await this.#inputs.gather(this.#onRows);
    if (gathered === undefined) return undefined;
    const { rows } = gathered.counts;
    const n = this.#engine.nextPlan;
    trace.span({ lane: 'ingest', path: PLANNER, n, startMs, endMs: clock.monotonic(), detail: { rows } });
    this.#over.throwIfAborted();
    void this.#engine.preload(gathered);
    return gathered;
  }

  async #run(planned: PlannedBatch): Promise<void> {
    const { clock } = this.#engine.context;
    const startMs = clock.monotonic();
    await this.#keyTypes.learn(planned.inputs);
    const done = await this.#runBesideNext(planned);
    this.#engine.fillMemory();
    await this.#reported;
    this.#reported = done.published.then(() => this.#report(done, clock.monotonic() - startMs));
    this.#reported.catch(() => {}); // reported when it is awaited
  }

  /** While the batch waits for rows that it reads, and at the latest when it is computed, the next one is prepared. */
  async #runBesideNext(planned: PlannedBatch): Promise<BatchDone> {
    let computed!: (isComputed: boolean) => void;
    const isComputed = new Promise<boolean>((resolve) => {
      computed = resolve;
    });
    // A plan by reference whose batch fails is taken back, for which it must be the last.
    const mayPlan = planned.byReference ? isComputed : undefined;
    const prepare = (): void => {
      if (this.#ahead !== undefined || planned.stored.plan.kind !== 'data' || this.#options.stop?.aborted) return;
      this.#ahead = this.#prepare(mayPlan);
      this.#ahead.catch(() => {}); // reported when it is awaited; an end of the run leaves it unread
    };
    // A batch whose rows are all in memory is computed by then.
    const waits = setImmediate(() => {
      if (this.#engine.isReading) prepare();
    });
    try {
      const done = await this.#engine.run(planned, () => {
        computed(true);
        prepare();
      });
      computed(true);
      return done;
    } finally {
      computed(false);
      clearImmediate(waits);
    }
  }

  async #report(done: BatchDone, durationMs: number): Promise<void> {
    addTotals(this.totals, done);
    for (const { own } of done.committed.flat()) await this.#keyTypes.learn(own?.next ?? []);
    await this.#options.onBatch?.(done, durationMs);
  }
}

function newTotals(): RunTotals {
  return { batches: 0, rows: 0, late: 0, skipped: 0, quarantined: 0, emitted: 0, reads: NO_READS };
}

function addTotals(totals: RunTotals, { plan, counts, reads }: BatchDone): void {
  totals.batches++;
  totals.rows += plan.plan.counts.rows;
  totals.late += counts.late;
  totals.skipped += counts.skipped;
  totals.quarantined += counts.quarantined;
  totals.emitted += counts.emitted;
  totals.reads = addReads(totals.reads, reads);
}
