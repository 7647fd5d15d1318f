/**
 * `misa dev`: a job as it is deployed, on an AWS of its own on this machine. The same CDK app, the same functions and
 * queues; input is uploaded, results are followed. Whatever ends it takes the local AWS down with it.
 */

import { checkInputs } from '../../lib/embedded/embedded.ts';
import { findFiles } from '../../lib/embedded/find-files.ts';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import { MisaError } from '../../lib/errors.ts';
import { LOCAL_CLOUDS, type LocalCloudName } from '../../lib/local-aws/local-clouds.ts';
import type { FileRef } from '../../lib/source/file-blocks.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { cacheFolder, moduleFolderName } from '../aws/cache-folder.ts';
import { findCdk } from '../aws/peers.ts';
import { deployLocally } from '../dev/deploy-locally.ts';
import { followJob } from '../dev/follow-job.ts';
import { inLocalAws } from '../dev/in-local-aws.ts';
import { devShow } from '../dev/show.ts';
import { EXIT_FAILURE, UsageError } from '../failure.ts';
import { failuresAsEvents } from '../json-events.ts';
import { loadJob } from '../load-job.ts';
import { parseInputs } from '../run/inputs.ts';
import { type OutputArguments, parseOutput } from '../run/outputs.ts';
import type { Steps } from '../steps.ts';

export interface DevOptions extends OutputArguments {
  readonly aws: LocalCloudName;
  readonly input: readonly string[];
  readonly flush: boolean;
  readonly once: boolean;
  readonly partitions?: number;
  readonly trace: boolean;
  readonly port?: number;
  readonly keep: boolean;
  readonly json: boolean;
}

export async function devCommand(entry: string, options: DevOptions): Promise<void> {
  const { once, json } = options;
  const { place, options: outputOptions } = parseOutput(options);
  const patterns = parseInputs(options.input);
  if (once && patterns.size === 0) {
    throw new UsageError('--once ends when all input is processed: name it with --input');
  }
  const output = place ?? (json ? undefined : '-');
  const show = devShow(json, output);
  const { steps } = show;
  const stop = new AbortController();
  const release = onInterrupt(stop, steps);
  try {
    await failuresAsEvents(
      json,
      steps,
      () => dev(entry, options, { patterns, output, outputOptions, show, stop }),
      show.events,
    );
  } catch (error) {
    // An interrupt is the ordinary end of a run that follows its input, and so is a reader of the results that has closed its end.
    if (!stop.signal.aborted) throw error;
    const byUser = (stop.signal.reason as { code?: unknown }).code === INTERRUPTED;
    if (once && byUser) throw stop.signal.reason;
  } finally {
    release();
    steps.close();
  }
}

interface Prepared {
  readonly patterns: ReadonlyMap<string, readonly string[]>;
  /** A directory, `-`: standard output, `undefined`: in the local store only. */
  readonly output: string | undefined;
  readonly outputOptions: OutputOptions;
  readonly show: ReturnType<typeof devShow>;
  readonly stop: AbortController;
}

async function dev(entry: string, options: DevOptions, prepared: Prepared): Promise<void> {
  const { patterns, output, outputOptions, show, stop } = prepared;
  const { aws, partitions, trace, flush, once, port, keep } = options;
  const { steps } = show;
  const cdk = findCdk();
  const loaded = await loadJob(entry);
  const job = { ...loaded, partitions: partitions ?? loaded.partitions };
  const inputs = await inputsOf(job, patterns, once, steps);
  const folder = cacheFolder('dev', 'jobs', moduleFolderName(entry));
  const startMs = systemClock.monotonic();
  await inLocalAws(
    { cloud: LOCAL_CLOUDS[aws], job: job.name, steps, port, keep, signal: stop.signal },
    async (endpoint) => {
      const about = { cdk, job, entry, partitions, trace, folder, apart: true };
      const stack = await deployLocally({ ...about, env: process.env, steps, signal: stop.signal });
      const followMs = systemClock.monotonic();
      show.started(job, stack.name, endpoint, followMs - startMs);
      const totals = await followJob({
        job,
        stack,
        endpoint,
        inputs,
        output,
        outputOptions,
        flush,
        once,
        steps,
        stop,
        onBatch: show.batch,
      });
      show.ended(job, totals, { startedInMs: followMs - startMs, elapsedMs: systemClock.monotonic() - followMs });
    },
  );
}

/** With `--once` every source needs input, as in `misa run`; else more may be sent later. */
async function inputsOf(
  job: PhysicalJob,
  patterns: ReadonlyMap<string, readonly string[]>,
  all: boolean,
  steps: Steps,
): Promise<ReadonlyMap<string, readonly FileRef[]>> {
  const named = new Map(all ? [] : job.sources.map(({ name }): [string, []] => [name, []]));
  for (const name of patterns.keys()) named.set(name, []);
  checkInputs(job, named);
  return findFiles(patterns, (error) => steps.note(`warning: ${error.message}`));
}

const INTERRUPTED = 'INTERRUPTED';

/** The first interrupt ends it in order, the second at once; the local AWS ends by itself then. */
function onInterrupt(stop: AbortController, steps: Steps): () => void {
  const handler = (): void => {
    if (stop.signal.aborted) {
      steps.close();
      process.stderr.write('misa: killed; the local AWS ends with it\n');
      process.exit(EXIT_FAILURE);
    }
    steps.note('taking the local AWS down (again to kill)');
    stop.abort(new MisaError(INTERRUPTED, 'interrupted before all input was processed; the local AWS is taken down'));
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handler);
  return () => {
    for (const signal of signals) process.off(signal, handler);
  };
}
