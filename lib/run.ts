/**
 * `run`: a job from a program, by the engine that `misa run` uses. See docs/run.md.
 *
 * What runs it is loaded only when it is called, so that a job module that imports `misa` stays light.
 */
import type { Output } from './runtime/embedded.ts';
import type { RunEvent, RunSummary } from './runtime/run-events.ts';
import type { Job } from './stream/job.ts';

/** Files of a source: a path or a glob, or several. Formats by extension: docs/inputs.md. */
export type RunInput = string | readonly string[];

export interface RunOptions {
  /** What each source of the job reads, by its name. Every source needs one. */
  readonly inputs: { readonly [source: string]: RunInput };
  /** Where the state is: a directory, or `s3://bucket/prefix`. Default: `.misa`. */
  readonly store?: string | undefined;
  /** Of an S3-compatible service other than AWS. */
  readonly endpoint?: string | undefined;
  /** Where results go, beside the store: a directory, or a form of it in full. Default: in the store only. */
  readonly output?: string | Output | undefined;
  /** When all is read, close the windows that are open and fire all timers. Default false. */
  readonly flush?: boolean | undefined;
  /** Wait for new files when all are read, until stopped. Default false. */
  readonly watch?: boolean | undefined;
  /** Overrides the job's `commit.mode`; fixed once the job has run on a store. */
  readonly commit?: 'async' | 'sync' | undefined;
  /** Overrides the job's `preload`. */
  readonly preload?: 'off' | 'metadata' | 'keys' | undefined;
  /** Rows of a micro-batch at most: overrides the job's `trigger.maxRows`. */
  readonly batchRows?: number | undefined;
  /** As {@link Running.stop}, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told what happens, in order: `started`, then `progress` after each batch, `idle` and `warning`, and in the end
   * `terminated`. Called synchronously; what it throws ends the run.
   */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

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
export function run(job: Job<unknown>, options: RunOptions): Running {
  const stop = new AbortController();
  const signal = options?.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  const done = import('./runtime/run-program.ts').then(({ runProgram }) => runProgram(job, options, signal));
  return { done, stop: () => stop.abort() };
}
