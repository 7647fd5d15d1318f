/**
 * Runs a job over files in one process until they are read (or for ever, with `watch`): what `misa run` does. Opens what the
 * loop needs, and ends all of it in order, whatever happened.
 */
import type { Committer } from '../job/committer.ts';
import { type JobContext, type JobServices, openJob } from '../job/job-context.ts';
import { SpareTime } from '../preload/spare-time.ts';
import type { PhysicalJob } from '../stream/compile/physical.ts';
import { Engine } from './engine.ts';

import { type InputFiles, type InputStreams, Inputs, type InputsOptions } from './inputs.ts';
import type { Moved } from './planned-files.ts';
import { recordFailure } from './record-failure.ts';
import { RunLoop, type RunLoopOptions, type RunTotals } from './run-loop.ts';

export type { InputFiles } from './inputs.ts';

export interface RunJobOptions extends Omit<JobServices, 'warmPacks' | 'triesHalted' | 'keepRows'>, RunLoopOptions {
  /** Makes the commit side, once the job is open. */
  readonly committer: (context: JobContext) => Committer;
  readonly inputs: InputFiles;
  /** Of sources that have no files. */
  readonly streams?: InputStreams | undefined;
  readonly lookAt?: InputsOptions['lookAt'];
  /** What to do with files whose content was read under another name; `undefined`: refuse them, and ask. */
  readonly moved?: Moved | undefined;
  /** Before anything runs. */
  readonly onOpen?: ((engine: Engine, inputs: Inputs) => Promise<void> | void) | undefined;
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
  const { store, clock, random, trace, cache, blocks, retentionMs, stop } = options;
  const times = new SpareTime(clock);
  const spareTime = (): boolean => times.isSpare();
  const services = { store, clock, random, trace, cache, blocks, spareTime, retentionMs, triesHalted: true };
  const context = await openJob(job, services);
  const committer = options.committer(context);
  const over = new AbortController();
  let engine: Engine | undefined;
  let inputs: Inputs | undefined;
  let loop: RunLoop | undefined;
  let failure: unknown;
  try {
    engine = await Engine.open({ ...context, committer });
    const { moved, streams, watch, lookAt } = options;
    inputs = new Inputs(job, engine.planner, {
      files: options.inputs,
      moved,
      streams,
      watch,
      lookAt,
      clock,
      stop,
      signal: over.signal,
    });
    await options.onOpen?.(engine, inputs);
    loop = new RunLoop(engine, inputs, options, over.signal);
    const reason = await loop.run();
    await committer.close({ drain: true });
    return { totals: loop.totals, reason, position: engine.position };
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    // Nothing runs on behind a failure: what was begun beside the batch ends before anyone is told.
    over.abort();
    await loop?.settled();
    await engine?.settled();
    await committer.close({ drain: false });
    await inputs?.close();
    // The failure is told whatever becomes of its record.
    if (failure !== undefined && engine !== undefined) await recordFailure(engine, failure).catch(() => {});
  }
}
