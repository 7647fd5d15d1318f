/**
 * `run`: a job from a program, by the engine that `misa run` uses. See docs/run.md.
 *
 * What runs it is loaded only when it is called, so that a job module that imports `misa` stays light.
 */

import type { Job } from '../stream/api/job.ts';
import type { RunSummary } from './run-events.ts';
import type { RunOptions } from './run-options.ts';

/** A run that is under way. */
export interface Running {
  /**
   * Settles when the run has ended. Rejects with a {@link MisaError} (its `code` is stable); what was committed by then
   * stays, and the next run on the store goes on from there.
   */
  readonly done: Promise<RunSummary>;
  /** Ends the run after the batch that is under way: `done` is then fulfilled, with `reason: 'stopped'`. */
  stop(): void;
}

/**
 * Runs a job in this process: state in `store`, folds and compactions in a thread of their own. Stopped or killed at any
 * moment, the next run goes on where it was.
 *
 *     const running = run(job, { inputs: { flights: 'data/*.ndjson.gz' }, output: 'results', flush: true });
 *     const { rows, late } = await running.done;
 *
 * Nothing is thrown here: whatever fails rejects `done`.
 */
export function run<Out>(job: Job<Out>, options: RunOptions<Out>): Running {
  const stop = new AbortController();
  const signal = options?.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  const done = import('./run-program.ts').then(({ runProgram }) => runProgram(job, options as RunOptions, signal));
  return { done, stop: () => stop.abort() };
}
