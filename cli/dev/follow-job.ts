/** What `misa dev` does once its job is deployed: sends the input, follows the results, and sees the job to its end. */
import { loadResultsMark } from '../../lib/commit/results-mark.ts';
import type { OutputOptions } from '../../lib/embedded/output/settings.ts';
import { OutputDirectory } from '../../lib/embedded/output-directory.ts';
import { Warnings } from '../../lib/embedded/warnings.ts';
import { MisaError } from '../../lib/errors.ts';
import type { FileRef } from '../../lib/source/file-blocks.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { type DeployedJob, deployedJob } from '../aws/deployed-job.ts';
import { environmentText } from '../aws/environment.ts';
import { JobQueues } from '../aws/queues.ts';
import { plannedNames, uploadFiles } from '../aws/send-files.ts';
import { type DeployedStack, outputOf, type StackResource, Stacks } from '../aws/stack.ts';
import type { Uploaded } from '../aws/upload.ts';
import { standardOutput } from '../run/standard-output.ts';
import type { Steps } from '../steps.ts';
import { count, number, time } from '../text.ts';
import { Completion, type Look } from './completion.ts';
import { type FollowedTotals, Tally } from './followed-totals.ts';
import { type FollowedBatch, Follower, type FollowOptions } from './follower.ts';
import { FunctionErrors } from './function-errors.ts';
import { invoke } from './local-calls.ts';
import { Troubles } from './troubles.ts';

export interface DevWork {
  readonly job: PhysicalJob;
  readonly stack: DeployedStack;
  readonly endpoint: string;
  readonly inputs: ReadonlyMap<string, readonly FileRef[]>;
  /** A directory, `-`: standard output, or in the local store only. */
  readonly output: string | undefined;
  readonly outputOptions: OutputOptions;
  readonly flush: boolean;
  readonly once: boolean;
  readonly steps: Steps;
  readonly stop: AbortController;
  readonly onBatch: (batch: FollowedBatch) => void;
}

/** Pause between two looks at a job that is followed without an end. */
const LOOK_MS = 1000;

export async function followJob(work: DevWork): Promise<FollowedTotals> {
  const { stack, flush, once, steps, stop } = work;
  const job = await deployedJob(stack);
  const results = await resultsOf(work, job);
  const tally = new Tally(work.job, (text) => steps.note(text));
  const onBatch: FollowOptions['onBatch'] = (batch, watched) => {
    work.onBatch(batch);
    tally.add(batch, watched);
  };
  const follower = new Follower({ job, ...results, onBatch });
  const troubles = await watchTroubles(work, job);
  const uploaded = await sendInputs(work, job);
  steps.step('follow', once ? 'Processing' : 'Following (Ctrl-C ends it)');
  if (!once) steps.note(`From another terminal:\n${environmentText(work.endpoint)}\n${sendTexts(work).join('\n')}`);
  const onLook = async (look: Look): Promise<void> => {
    await follower.to(look.committed);
    await results.directory?.tick();
    // All that is planned is done: no more rows come for now.
    if (!once && look.committed === look.planned) tally.warn(true);
    await troubles.watch();
    steps.at(lookText(look, tally));
    if (once)
      await troubles.check(look, `${look.planned} planned, ${look.committed} done, ${look.published} published`);
  };
  const completion = new Completion({
    job,
    inputs: plannedNames(uploaded),
    inputQueueUrl: outputOf(stack, 'InputQueueUrl'),
    maintain: () => maintain(work),
    onLook,
    signal: stop.signal,
  });
  try {
    if (once || flush) await completion.planned();
    if (flush) await completion.flush();
    if (once) {
      await completion.done();
      tally.totals.finished = true;
      tally.warn(true);
      steps.done(lookText(await completion.look(), tally));
      return tally.totals;
    }
    for (;;) {
      await onLook(await completion.look());
      await systemClock.sleep(LOOK_MS, stop.signal);
    }
  } catch (error) {
    if (stop.signal.aborted && !once) return tally.totals;
    throw error;
  } finally {
    await results.directory?.close();
  }
}

async function watchTroubles({ stack, endpoint, steps }: DevWork, job: DeployedJob): Promise<Troubles> {
  const resources = await resourcesOf(stack);
  return new Troubles({
    job: job.file.name,
    queues: await JobQueues.open(resources),
    errors: new FunctionErrors(endpoint, resources),
    onError: ({ function: name, message }) => steps.note(`${name}: ${message}`),
    nowMs: () => systemClock.monotonic(),
  });
}

async function sendInputs({ inputs, steps, stop }: DevWork, job: DeployedJob): Promise<Uploaded[]> {
  if (inputs.size === 0) return [];
  steps.step('send', 'Sending the input');
  const uploaded = await uploadFiles(job, inputs, steps, stop.signal);
  steps.done(count(uploaded.length, 'file'));
  return uploaded;
}

/** Does at once what the schedule does each minute. */
async function maintain({ stack, endpoint, steps }: DevWork): Promise<void> {
  const failure = await invoke(endpoint, outputOf(stack, 'MaintainFunction'), { force: true });
  if (failure !== undefined) steps.note(`maintain: ${failure}`);
}

async function resourcesOf({ name }: DeployedStack): Promise<StackResource[]> {
  const stacks = await Stacks.open();
  try {
    return await stacks.resources(name);
  } finally {
    stacks.close();
  }
}

async function resultsOf(
  { output, outputOptions, job, stop, steps }: DevWork,
  { store, names, file }: DeployedJob,
): Promise<Pick<ConstructorParameters<typeof Follower>[0], 'directory' | 'write'>> {
  if (output === undefined) return {};
  if (output === '-') {
    const { through } = await loadResultsMark(store, names);
    if (through > 0) steps.note(`results of batches 1 to ${through} were deleted: the job does not keep them for ever`);
    return {
      write: standardOutput(job.single, () =>
        stop.abort(new MisaError('READER_GONE', 'the reader of the results has seen enough')),
      ),
    };
  }
  const { outputs } = job;
  const clock = systemClock;
  const warnings = new Warnings((warning) => steps.note(`warning: ${warning.message}`));
  const onTrouble = (what: string, error: unknown): void => {
    warnings.note(what, error);
    warnings.tell();
  };
  return {
    directory: await OutputDirectory.open({
      directory: output,
      options: outputOptions,
      store,
      names,
      file,
      outputs,
      clock,
      onTrouble,
    }),
  };
}

function sendTexts({ job }: DevWork): string[] {
  const sends = job.sources.map(({ name }) => `  misa send ${name} FILE... --job ${job.name}`);
  return [...sends, `  misa status ${job.name} --stack`];
}

function lookText({ planned, committed, inputs, unplanned }: Look, { totals, watermark }: Tally): string {
  return [
    ...(unplanned > 0 ? [`${number(inputs - unplanned)} of ${number(inputs)} files planned`] : []),
    `batch ${number(committed)} of ${number(planned)}`,
    `${number(totals.rows)} rows`,
    `${number(totals.emitted)} out`,
    `watermark ${time(watermark)}`,
  ].join(' · ');
}
