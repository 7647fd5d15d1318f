/**
 * `misa run`: a job over files on this machine. Turns the command line into options for `run`, events into what is shown, and
 * the first interrupt into an orderly end: the batch under way is finished, and the next run goes on after it.
 */

import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import type { Output } from '../../lib/embedded/result-places.ts';
import { run } from '../../lib/embedded/run.ts';
import type { RunEvent } from '../../lib/embedded/run-events.ts';
import { definitionOf, type Job } from '../../lib/stream/api/job.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { EXIT_FAILURE, failureEvent } from '../failure.ts';
import { importJob } from '../load-job.ts';
import { parseInputs, withStandardInput } from '../run/inputs.ts';
import { jsonPresenter } from '../run/json.ts';
import { linesPresenter } from '../run/lines.ts';
import { type OutputArguments, parseOutput } from '../run/outputs.ts';
import type { Places, Presenter } from '../run/presenter.ts';
import { RunStats } from '../run/run-stats.ts';
import { standardOutput } from '../run/standard-output.ts';
import { terminalPresenter } from '../run/terminal.ts';

export interface RunOptions extends OutputArguments {
  readonly input: readonly string[];
  readonly inputFormat?: 'ndjson' | 'csv' | 'tsv';
  readonly store: string;
  readonly endpoint?: string;
  readonly commit?: 'async' | 'sync';
  readonly preload?: 'off' | 'metadata' | 'keys';
  readonly batchRows?: number;
  readonly moved?: 'skip' | 'read';
  readonly watch: boolean;
  readonly flush: boolean;
  readonly json: boolean;
}

export async function runCommand(jobFile: string, options: RunOptions): Promise<void> {
  const output = parseOutput(options);
  const inputs = withStandardInput(parseInputs(options.input), options.inputFormat);
  const stop = new AbortController();
  const places: Places = { store: options.store, output: output.place ?? (options.json ? undefined : '-') };
  const presenter = presenterFor(options, places);
  const release = onInterrupt(stop, presenter);
  try {
    // Before the job: with its TypeScript loader registered, each import is resolved and read in another thread.
    await import('../../lib/embedded/run-program.ts');
    const job = await importJob(jobFile);
    const startMs = systemClock.monotonic();
    const stats = new RunStats(startMs);
    const { store, endpoint, moved, flush, watch, commit, preload, batchRows } = options;
    const running = run(job, {
      inputs,
      store,
      endpoint,
      output: outputOf(places, output.options, job, stop),
      moved,
      flush,
      watch,
      commit,
      preload,
      batchRows,
      signal: stop.signal,
      onEvent: (event) => present(event, presenter, stats),
    });
    const end = await running.done;
    presenter.ended(end, stats, systemClock.monotonic() - startMs);
  } catch (error) {
    presenter.close();
    if (options.json) eventStream(places).write(`${JSON.stringify(failureEvent(error))}\n`);
    throw error;
  } finally {
    release();
    presenter.close();
  }
}

function present(event: RunEvent, presenter: Presenter, stats: RunStats): void {
  switch (event.type) {
    case 'started':
      presenter.opened(event);
      break;
    case 'progress':
      stats.add(event, systemClock.monotonic());
      presenter.batch(event, stats);
      break;
    case 'idle':
      stats.idle(systemClock.monotonic());
      presenter.idle?.(event, stats, systemClock.monotonic());
      break;
    case 'warning':
      presenter.note(`warning: ${event.message}`);
      break;
    case 'terminated': // told by what came of it, below
      break;
  }
}

/** A directory, or standard output. */
function outputOf(
  { output }: Places,
  options: OutputOptions,
  job: Job<unknown>,
  stop: AbortController,
): Output | undefined {
  if (output === undefined) return undefined;
  if (output !== '-') return { kind: 'directory', path: output, ...options };
  return { kind: 'stream', write: standardOutput(definitionOf(job).single, () => stop.abort()) };
}

/** Events go to standard output, unless results do. */
function eventStream({ output }: Places): NodeJS.WriteStream {
  return output === '-' ? process.stderr : process.stdout;
}

function presenterFor(options: RunOptions, places: Places): Presenter {
  if (options.json) return jsonPresenter(places, eventStream(places));
  const progress = process.stderr;
  const summary = places.output === '-' ? process.stderr : process.stdout;
  const shared = { places, summary };
  // Result rows and a redrawn display would overwrite each other on one terminal.
  const display = progress.isTTY && process.env.TERM !== 'dumb' && !(places.output === '-' && process.stdout.isTTY);
  if (display) return terminalPresenter({ ...shared, terminal: progress });
  return linesPresenter({ ...shared, progress, nowMs: () => systemClock.monotonic() });
}

/** The first interrupt ends the run in order, the second at once. */
function onInterrupt(stop: AbortController, presenter: Presenter): () => void {
  const handler = (): void => {
    if (stop.signal.aborted) {
      presenter.close();
      process.stderr.write('misa: killed; nothing that was committed is lost\n');
      process.exit(EXIT_FAILURE);
    }
    stop.abort();
    presenter.note('stopping after this batch (again to kill)');
  };
  process.on('SIGINT', handler).on('SIGTERM', handler);
  return () => {
    process.off('SIGINT', handler).off('SIGTERM', handler);
  };
}
