/**
 * Runs a job over files in one process until they are read (or for ever, with `watch`): what `misa run` does. One loop:
 * gather rows, plan, run the batch, copy results; the next rows are decoded while the batch's log entries are written.
 */
import type { Committer } from '../job/committer.ts';
import { type JobContext, type JobServices, openJob } from '../job/job-context.ts';
import type { ReadCounts } from '../log/entry.ts';
import { PLANNER } from '../object-store/names.ts';
import { noRows } from '../plan/gathered.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { type BatchDone, Engine, type PlannedBatch } from './engine.ts';
import type { Moved } from './file-inputs.ts';
import { type InputFiles, type InputStreams, Inputs, type InputsOptions, type Watch } from './inputs.ts';
import { KeyTypes } from './key-types.ts';
import { recordFailure } from './record-failure.ts';

export type { InputFiles } from './inputs.ts';

export interface RunJobOptions extends Omit<JobServices, 'warmPacks' | 'triesHalted' | 'keepRows'> {
  /** Makes the commit side, once the job is open. */
  readonly committer: (context: JobContext) => Committer;
  readonly inputs: InputFiles;
  /** Of sources that have no files. */
  readonly streams?: InputStreams | undefined;
  readonly watch?: Watch | undefined;
  readonly lookAt?: InputsOptions['lookAt'];
  /** What to do with files whose content was read under another name; `undefined`: refuse them, and ask. */
  readonly moved?: Moved | undefined;
  /** Closes windows and fires timers when all is read, or when watching is stopped. */
  readonly flush?: boolean | undefined;
  /** Ends the run after the batch that is under way. */
  readonly stop?: AbortSignal | undefined;
  /** Before anything runs. */
  readonly onOpen?: ((engine: Engine, inputs: Inputs) => Promise<void> | void) | undefined;
  /** Told each batch that is done, in order; the run waits for the answer before it begins the batch after the next. */
  readonly onBatch?: ((batch: BatchDone, durationMs: number) => Promise<void> | void) | undefined;
  /** Called each time nothing has come and more may, when all batches are reported. */
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

export interface RunEnd {
  readonly totals: RunTotals;
  /** `read`: all input is read. `stopped`: the signal came. */
  readonly reason: 'read' | 'stopped';
  /** The last batch of the job. */
  readonly position: number;
}

/** @throws {MisaError} in all its kinds; what is durable by then stays, and the next run goes on from there */
export async function runJob(job: PhysicalJob, options: RunJobOptions): Promise<RunEnd> {
  const { store, clock, random, trace, cache, retentionMs, stop, watch } = options;
  const context = await openJob(job, { store, clock, random, trace, cache, retentionMs, triesHalted: true });
  const committer = options.committer(context);
  let inputs: Inputs | undefined;
  let opened: Engine | undefined;
  let failure: unknown;
  /** Rows that are gathered and planned behind the batch that runs. */
  let ahead: Promise<PlannedBatch | undefined> | undefined;
  let reported: Promise<void> = Promise.resolve();
  const over = new AbortController();
  let reason: RunEnd['reason'] = 'read';
  const totals = newTotals();
  try {
    const engine = await Engine.open({ ...context, committer });
    opened = engine;
    inputs = new Inputs(job, engine.planner, {
      files: options.inputs,
      moved: options.moved,
      streams: options.streams,
      watch,
      lookAt: options.lookAt,
      clock,
      stop,
      signal: over.signal,
    });
    await options.onOpen?.(engine, inputs);
    const keyTypes = new KeyTypes(context);
    const report = async (done: BatchDone, durationMs: number): Promise<void> => {
      addTotals(totals, done);
      for (const { own } of done.committed.flat()) await keyTypes.learn(own?.next ?? []);
      await options.onBatch?.(done, durationMs);
    };
    const gathering = inputs;
    await engine.recover((plan) => gathering.replay(plan), report);
    /** Gathers rows, brings near what they will read, and plans them: all of it while the batch before is written. */
    const prepare = async (): Promise<PlannedBatch | undefined> => {
      const startMs = clock.monotonic();
      const gathered = await gathering.gather();
      if (gathered === undefined) return undefined;
      const { rows } = gathered.counts;
      const n = engine.planner.position + 1;
      trace.span({ lane: 'ingest', path: PLANNER, n, startMs, endMs: clock.monotonic(), detail: { rows } });
      await engine.preload(gathered);
      over.signal.throwIfAborted();
      return engine.plan(gathered);
    };
    const run = async (planned: PlannedBatch): Promise<void> => {
      const startMs = clock.monotonic();
      await keyTypes.learn(planned.inputs);
      const done = await engine.run(planned, () => {
        if (planned.stored.plan.kind !== 'data' || stop?.aborted) return;
        ahead = prepare();
        ahead.catch(() => {}); // reported when it is awaited; an end of the run leaves it unread
      });
      engine.fillMemory();
      await reported;
      reported = done.published.then(() => report(done, clock.monotonic() - startMs));
      reported.catch(() => {}); // reported when it is awaited
    };
    for (;;) {
      committer.check();
      // What is planned is run, so that a stop leaves nothing half done; and so is what a stream has given.
      if (stop?.aborted && ahead === undefined && !gathering.rowsWait) {
        reason = 'stopped';
        break;
      }
      const planned = await (ahead ?? prepare());
      ahead = undefined;
      if (planned !== undefined) await run(planned);
      else if (engine.planner.wantsEmpty) await run(await engine.plan(noRows('empty')));
      else if (gathering.ended) break;
      else {
        await reported;
        await options.onIdle?.();
        await gathering.more();
      }
    }
    const last = engine.planner.progress?.kind;
    // Before the first row and after a flush there is nothing to close.
    const all = reason === 'read' || watch !== undefined;
    const flush = all && options.flush === true && last !== undefined && last !== 'flush';
    if (flush) await run(await engine.plan(noRows('flush')));
    await reported;
    await committer.close({ drain: true });
    return { totals, reason, position: engine.position };
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    // Nothing runs on behind a failure: what was begun beside the batch ends before anyone is told.
    over.abort();
    await Promise.allSettled([ahead, reported]);
    await opened?.settled();
    await committer.close({ drain: false });
    await inputs?.close();
    // The failure is told whatever becomes of its record.
    if (failure !== undefined && opened !== undefined) await recordFailure(opened, failure).catch(() => {});
  }
}

function newTotals(): RunTotals {
  const reads = { memory: 0, lmdb: 0, warm: 0, store: 0, requests: 0 };
  return { batches: 0, rows: 0, late: 0, skipped: 0, quarantined: 0, emitted: 0, reads };
}

function addTotals(totals: RunTotals, { plan, counts, reads }: BatchDone): void {
  totals.batches++;
  totals.rows += plan.plan.counts.rows;
  totals.late += counts.late;
  totals.skipped += counts.skipped;
  totals.quarantined += counts.quarantined;
  totals.emitted += counts.emitted;
  totals.reads = {
    memory: totals.reads.memory + reads.memory,
    lmdb: totals.reads.lmdb + reads.lmdb,
    warm: totals.reads.warm + reads.warm,
    store: totals.reads.store + reads.store,
    requests: totals.reads.requests + reads.requests,
  };
}
