/**
 * `misa run`: a job over files on this machine. Turns the command line into options for the embedded runtime, and the
 * first interrupt into an orderly end: the batch under way is finished, and the next run goes on after it.
 */
import { parseStoreUrl } from '../../lib/object-store/store-spec.ts';
import { checkInputs, type Output, runEmbedded } from '../../lib/runtime/embedded.ts';
import type { PhysicalJob } from '../../lib/stream/physical.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { EXIT_FAILURE, failureEvent, UsageError } from '../failure.ts';
import { loadJob } from '../load-job.ts';
import { findFiles, parseInputs } from '../run/inputs.ts';
import { jsonPresenter } from '../run/json.ts';
import { linesPresenter } from '../run/lines.ts';
import type { Places, Presenter } from '../run/presenter.ts';
import { RunStats } from '../run/run-stats.ts';
import { standardOutput } from '../run/standard-output.ts';
import { terminalPresenter } from '../run/terminal.ts';

export interface RunOptions {
  readonly input: readonly string[];
  readonly output?: string;
  readonly store: string;
  readonly endpoint?: string;
  readonly commit?: 'async' | 'sync';
  readonly preload?: 'off' | 'metadata' | 'keys';
  readonly batchRows?: number;
  readonly watch: boolean;
  readonly flush: boolean;
  readonly json: boolean;
}

const POLL_MS = 1000;

export async function runCommand(jobFile: string, options: RunOptions): Promise<void> {
  if (options.output === '') throw new UsageError('--output: name a directory, or - for standard output');
  const patterns = parseInputs(options.input);
  const stop = new AbortController();
  const places: Places = { store: options.store, output: options.output ?? (options.json ? undefined : '-') };
  const presenter = presenterFor(options, places);
  const release = onInterrupt(stop, presenter);
  try {
    const job = withOverrides(await loadJob(jobFile), options);
    checkInputs(job, new Map([...patterns.keys()].map((name) => [name, []])));
    const inputs = await findFiles(patterns, options.watch);
    const startMs = systemClock.monotonic();
    const stats = new RunStats(startMs);
    const end = await runEmbedded(job, {
      store: parseStoreUrl(options.store, options.endpoint),
      inputs,
      output: outputOf(places, job, stop),
      flush: options.flush,
      stop: stop.signal,
      watch: options.watch ? { pollMs: POLL_MS, find: () => findFiles(patterns, true) } : undefined,
      onOpen: (opened) => presenter.opened(opened),
      onBatch: (progress) => {
        stats.add(progress, systemClock.monotonic());
        presenter.batch(progress, stats);
      },
      onWarning: (error) => presenter.note(`warning: ${error.message}`),
    });
    presenter.ended(end, stats, systemClock.monotonic() - startMs);
  } catch (error) {
    presenter.close();
    if (options.json) eventStream(options).write(`${JSON.stringify(failureEvent(error))}\n`);
    throw error;
  } finally {
    release();
    presenter.close();
  }
}

function withOverrides(job: PhysicalJob, options: RunOptions): PhysicalJob {
  const { commit, preload, batchRows } = options;
  return {
    ...job,
    commit: commit === undefined ? job.commit : { ...job.commit, mode: commit },
    preload: preload ?? job.preload,
    trigger: batchRows === undefined ? job.trigger : { ...job.trigger, maxRows: batchRows },
  };
}

/** A directory, or standard output. */
function outputOf({ output }: Places, job: PhysicalJob, stop: AbortController): Output | undefined {
  if (output === undefined) return undefined;
  if (output !== '-') return { kind: 'directory', path: output };
  return { kind: 'stream', write: standardOutput(job.single, () => stop.abort()) };
}

/** Events go to standard output, unless results do. */
function eventStream({ output }: RunOptions): NodeJS.WriteStream {
  return output === '-' ? process.stderr : process.stdout;
}

function presenterFor(options: RunOptions, places: Places): Presenter {
  if (options.json) return jsonPresenter(places, eventStream(options));
  const progress = process.stderr;
  const summary = places.output === '-' ? process.stderr : process.stdout;
  const shared = { places, summary };
  // Rows on the terminal and a display redrawn there would spoil each other.
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
