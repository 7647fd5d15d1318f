/**
 * `misa destroy`: takes a deployed job down, by CloudFormation, so that neither the job's module nor the CDK is needed. Its
 * state stays in its bucket unless that is asked for, too.
 */

import { MisaError } from '../../lib/errors.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { plainReason } from '../aws/cdk-events.ts';
import { emptyBucket } from '../aws/empty-bucket.ts';
import { type DeployedStack, jobNameOf, outputOf, type StackResource, Stacks, stackName } from '../aws/stack.ts';
import { confirm } from '../confirm.ts';
import { failuresAsEvents } from '../json-events.ts';
import { type Steps, stepsFor } from '../steps.ts';
import { count, styleOf } from '../text.ts';

export interface DestroyOptions {
  readonly stack?: string;
  readonly deleteState: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

const LOOK_MS = 2000;

export async function destroyCommand(job: string, options: DestroyOptions): Promise<void> {
  const { deleteState, yes, json } = options;
  const steps = stepsFor({ json });
  await failuresAsEvents(json, steps, async () => {
    const jobName = await jobNameOf(job);
    const stacks = await Stacks.open();
    try {
      const stack = await stacks.get(options.stack ?? stackName(jobName));
      const held = stack.outputs.JobName;
      if (held !== undefined && held !== jobName) {
        throw new MisaError(
          'OTHER_JOB',
          `the stack ${stack.name} holds job ${held}, not ${jobName}. Name another stack, or job`,
        );
      }
      const state = await stateOf(stacks, stack, jobName);
      steps.note(intention(stack, state, deleteState));
      if (
        !(await confirm(`Delete ${stack.name}${deleteState ? ' and all its state' : ''}?`, {
          yes,
          otherwise: 'refuse',
        }))
      )
        return;
      steps.step('stack', `Deleting ${stack.name}`);
      await deleteStack(stacks, stack, steps);
      steps.done();
      let deleted = 0;
      if (deleteState && state !== undefined) {
        steps.step('state', `Deleting the state in ${state.bucket}`);
        deleted = await emptyBucket(state.bucket, state.prefixes, (n) => steps.at(count(n, 'object')));
        steps.done(count(deleted, 'object'));
      }
      steps.close();
      const kept = deleteState ? undefined : state;
      if (json) {
        const end = {
          event: 'end',
          job: jobName,
          stack: stack.name,
          keptState: kept === undefined ? null : `s3://${kept.bucket}`,
          deletedObjects: deleted,
        };
        process.stdout.write(`${JSON.stringify(end)}\n`);
      } else {
        process.stdout.write(doneText(jobName, kept));
      }
    } finally {
      stacks.close();
    }
  });
}

interface State {
  readonly bucket: string;
  /** Of the job; `undefined`: the bucket is the job's own. */
  readonly prefixes: readonly string[] | undefined;
}

/** Where a job's state is; nothing in a stack that was never whole. */
async function stateOf(stacks: Stacks, stack: DeployedStack, job: string): Promise<State | undefined> {
  const resources = await stacks.resources(stack.name);
  const own = resources.filter(({ type }) => type === 'AWS::S3::Bucket');
  if (stack.outputs.Store === undefined) return undefined;
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(outputOf(stack, 'Store')) ?? [];
  const isOwn = own.some(({ id }: StackResource) => id === bucket);
  const root = prefix === '' ? '' : `${prefix}/`;
  return { bucket, prefixes: isOwn ? undefined : [`${root}${job}/`, `in/${job}/`] };
}

function intention(stack: DeployedStack, state: State | undefined, deleteState: boolean): string {
  const what = `Deletes the stack ${stack.name}: functions, queues with what waits in them, alarms.`;
  if (state === undefined) return what;
  if (!deleteState) return `${what} The state, the results and the input in ${state.bucket} stay.`;
  const where =
    state.prefixes === undefined ? `the bucket ${state.bucket}` : `${state.prefixes.join(' and ')} in ${state.bucket}`;
  return `${what} And ${where}: all state, results and input. This cannot be undone.`;
}

async function deleteStack(stacks: Stacks, stack: DeployedStack, steps: Steps): Promise<void> {
  await stacks.delete(stack.name);
  for (;;) {
    // By its id: once the stack is gone, its name is no longer found.
    const now = await stacks.find(stack.id === '' ? stack.name : stack.id);
    if (now === undefined) return;
    if (now.status === 'DELETE_FAILED') {
      const [first] = await stacks.failures(stack.id);
      const why =
        first === undefined ? (now.reason ?? 'no reason given') : `${first.resource}: ${plainReason(first.reason)}`;
      throw new MisaError(
        'DESTROY_FAILED',
        `the stack ${stack.name} cannot be deleted. ${why}. Repair that and give the command again`,
      );
    }
    const left = (await stacks.resources(stack.id).catch(() => [])).length;
    if (left > 0) steps.at(`${count(left, 'resource')} listed`);
    await systemClock.sleep(LOOK_MS);
  }
}

function doneText(job: string, kept: State | undefined): string {
  const { bold, dim } = styleOf(process.stdout);
  const first = `${bold(job)} is taken down.\n`;
  if (kept === undefined) return first;
  const prefix = kept.prefixes?.[0];
  const remove =
    prefix === undefined
      ? `aws s3 rb --force s3://${kept.bucket}`
      : `aws s3 rm --recursive s3://${kept.bucket}/${prefix}`;
  return `${first}  ${dim('state'.padEnd(11))} kept in s3://${kept.bucket}; delete it: ${remove}\n`;
}
