/**
 * `misa send`: gives a deployed job input, as files that are uploaded to its bucket or as rows that are put into its queue.
 * With `--flush` it then waits until all of it is planned, and closes the windows.
 */

import { isFifoUrl } from '../../lib/queue/row-messages.ts';
import { expandInputs, type FileRef } from '../../lib/source/index.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { awaitBatches, lateSoFar } from '../aws/await-batches.ts';
import { checkSource, type DeployedJob, openDeployedJob } from '../aws/deployed-job.ts';
import { openQueue } from '../aws/queues.ts';
import { plannedNames, uploadFiles } from '../aws/send-files.ts';
import { badRows, fileChunks, sendFlush, sendRows, standardInputChunks } from '../aws/send-rows.ts';
import { outputOf, recordsQueueOf } from '../aws/stack.ts';
import { UsageError } from '../failure.ts';
import { failuresAsEvents } from '../json-events.ts';
import { type PlannedName, Unplanned } from '../state/planned-objects.ts';
import { type Steps, stepsFor } from '../steps.ts';
import { bytes, count, milliseconds, number, styleOf } from '../text.ts';

export interface SendOptions {
  readonly job?: string;
  readonly stack?: string;
  readonly records: boolean;
  readonly flush: boolean;
  readonly json: boolean;
}

const STANDARD_INPUT = '-';
const LOOK_MS = 1000;

export async function sendCommand(source: string, patterns: readonly string[], options: SendOptions): Promise<void> {
  const { json, flush } = options;
  const fromInput = patterns.includes(STANDARD_INPUT);
  if (fromInput && patterns.length > 1) {
    throw new UsageError('standard input (-) cannot be sent together with files: give two commands');
  }
  const steps = stepsFor({ json });
  await failuresAsEvents(json, steps, async () => {
    const files = fromInput ? [] : await expandInputs(patterns, undefined, (error) => steps.note(error.message));
    const job = await openDeployedJob({ job: options.job, stack: options.stack });
    checkSource(job, source);
    const startMs = systemClock.monotonic();
    const lateBefore = flush ? await lateSoFar(job) : 0;
    const sent =
      fromInput || options.records
        ? await sendAsRows(job, source, files, fromInput, steps)
        : await sendAsFiles(job, source, files, steps);
    const late = flush ? await closeWindows(job, sent.planned, lateBefore, steps) : undefined;
    steps.close();
    const elapsedMs = systemClock.monotonic() - startMs;
    if (json) {
      const { planned: _, text: __, ...totals } = sent;
      const about = { event: 'end', job: job.file.name, source, flushed: flush, elapsedMs: Math.round(elapsedMs) };
      process.stdout.write(`${JSON.stringify({ ...about, ...(late === undefined ? {} : { late }), ...totals })}\n`);
    } else {
      const { bold, dim, bad } = styleOf(process.stdout);
      const next = `misa status ${job.file.name} --stack${options.stack === undefined ? '' : ` ${options.stack}`}`;
      process.stdout.write(
        `${bold(job.file.name)}: ${sent.text} for ${source} in ${milliseconds(elapsedMs)}${lateText(late, bad)}\n${dim(`  ${next}`)}\n`,
      );
    }
    if (sent.bad > 0) throw badRows(sent.bad);
  });
}

interface Sent {
  readonly files?: number;
  readonly known?: number;
  readonly bytes?: number;
  readonly objects?: readonly string[];
  readonly rows?: number;
  readonly messages?: number;
  readonly bad: number;
  readonly planned: readonly PlannedName[];
  readonly text: string;
}

async function sendAsFiles(job: DeployedJob, source: string, files: readonly FileRef[], steps: Steps): Promise<Sent> {
  steps.step('send', `Sending ${count(files.length, 'file')} to ${job.file.name}`);
  const uploaded = await uploadFiles(job, [[source, files]], steps);
  const sum = uploaded.reduce((total, one) => total + one.bytes, 0);
  const known = uploaded.filter((one) => one.known).length;
  const before = known === 0 ? '' : known === uploaded.length ? ', there already' : `, ${number(known)} there already`;
  const text = `${count(uploaded.length, 'file')} (${bytes(sum)})${before}`;
  steps.done(text);
  return {
    files: uploaded.length,
    known,
    bytes: sum,
    objects: uploaded.map(({ bucket, key }) => `s3://${bucket}/${key}`),
    bad: 0,
    planned: plannedNames(uploaded),
    text,
  };
}

async function sendAsRows(
  job: DeployedJob,
  source: string,
  files: readonly FileRef[],
  fromInput: boolean,
  steps: Steps,
): Promise<Sent> {
  const url = recordsQueueOf(job.stack);
  const queue = await openQueue(url);
  steps.step('send', `Sending rows to ${job.file.name}`);
  const { rows, messages, bad, names } = await sendRows(
    queue,
    source,
    fromInput ? standardInputChunks() : fileChunks(files),
    {
      fifo: isFifoUrl(url),
      onProgress: (sent) => steps.at(`${count(sent.rows, 'row')} in ${count(sent.messages, 'message')}`),
      onBad: (line) => steps.note(`not sent: ${line}`),
    },
  );
  const text = `${count(rows, 'row')} in ${count(messages, 'message')}`;
  steps.done(text);
  return { rows, messages, bad, planned: names.map((name) => ({ source, name })), text };
}

/** The late rows may be those of others who send at the same time: a batch does not say whose they are. */
function lateText(late: number | null | undefined, bad: (text: string) => string): string {
  if (late === undefined) return '';
  if (late === null) return '; how many rows are late is not known before its batches are done';
  return late === 0 ? ', no row late' : `, ${bad(`${count(late, 'row')} late`)}`;
}

/**
 * ⚑ flush-behind: windows are closed behind what was sent, not before it: the queue keeps no order.
 * @returns rows that were late since; `null`: the batches are not done
 */
async function closeWindows(
  job: DeployedJob,
  sent: readonly PlannedName[],
  lateBefore: number,
  steps: Steps,
): Promise<number | null> {
  steps.step('plan', 'Waiting until all of it is planned (Ctrl-C: what is sent stays sent)');
  const unplanned = new Unplanned(job, sent);
  for (;;) {
    const { length } = await unplanned.left();
    if (length === 0) break;
    steps.at(`${number(length)} of ${number(sent.length)} to go`);
    await systemClock.sleep(LOOK_MS);
  }
  steps.step('flush', 'Closing the windows');
  await sendFlush(await openQueue(outputOf(job.stack, 'InputQueueUrl')));
  steps.done('told');
  steps.step('batches', 'Waiting for the batches of it (Ctrl-C: they go on)');
  const done = await awaitBatches(job, steps);
  const late = done ? (await lateSoFar(job)) - lateBefore : null;
  steps.done(late === null ? 'they take longer' : `${count(late, 'row')} late`);
  return late;
}
