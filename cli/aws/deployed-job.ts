/** A deployed job, found by its stack: where its state is, where its input goes. */
import { MisaError } from '../../lib/errors.ts';
import { readJobFile } from '../../lib/job/job-file.ts';
import { names } from '../../lib/object-store/names.ts';
import { openStore, parseStoreUrl } from '../../lib/object-store/store-spec.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { systemRandom } from '../../lib/util/random.ts';
import { UsageError } from '../failure.ts';
import type { StoredJob } from '../state/stored-job.ts';
import { endpointOf } from './environment.ts';
import { type DeployedStack, jobNameOf, outputOf, Stacks, stackName } from './stack.ts';

export interface DeployedJob extends StoredJob {
  readonly stack: DeployedStack;
}

export interface StackChoice {
  /** Name of a job, or its module. */
  readonly job?: string | undefined;
  readonly stack?: string | undefined;
}

/** @throws {MisaError} `NO_STACK`, `NO_JOB`, `STACK_INCOMPLETE`, `OTHER_JOB` */
export async function openDeployedJob(choice: StackChoice): Promise<DeployedJob> {
  const stacks = await Stacks.open();
  try {
    const stack = await chosen(stacks, choice);
    const wanted = choice.job === undefined ? undefined : await jobNameOf(choice.job);
    return await deployedJob(stack, wanted);
  } finally {
    stacks.close();
  }
}

/** @param wanted the job that the stack must be of */
export async function deployedJob(stack: DeployedStack, wanted?: string): Promise<DeployedJob> {
  const name = outputOf(stack, 'JobName');
  if (wanted !== undefined && wanted !== name) {
    throw new MisaError(
      'OTHER_JOB',
      `the stack ${stack.name} holds job ${name}, not ${wanted}. Name another stack, or job`,
    );
  }
  const where = outputOf(stack, 'Store');
  const spec = parseStoreUrl(where, endpointOf('S3'));
  const store = await openStore(spec, { clock: systemClock, random: systemRandom });
  const file = await readJobFile(store, name);
  return { stack, where, store, file, names: names(name, file.epoch) };
}

/** By stack, by job, or the only one there is. */
async function chosen(stacks: Stacks, { job, stack }: StackChoice): Promise<DeployedStack> {
  if (stack !== undefined) return stacks.get(stack);
  if (job !== undefined) return stacks.get(stackName(await jobNameOf(job)));
  const all = await stacks.jobs();
  const [only] = all;
  if (only === undefined) {
    throw new MisaError(
      'NO_STACK',
      'no job is deployed in this account and region. Deploy one (misa deploy JOB.ts), or set AWS_PROFILE and AWS_REGION to where it is.',
    );
  }
  if (all.length > 1) {
    const names = all.map(({ outputs }) => outputs.JobName).join(', ');
    throw new UsageError(`several jobs are deployed: ${names}. Say which: --job NAME`);
  }
  return only;
}

/** Names of the job's sources. */
export function sourcesOf({ file }: StoredJob): string[] {
  return file.layout.filter((line) => line.startsWith('source ')).map((line) => line.slice('source '.length));
}

/** @throws {MisaError} `NO_SOURCE`, with those there are */
export function checkSource(job: StoredJob, source: string): void {
  const sources = sourcesOf(job);
  if (sources.includes(source)) return;
  const there = sources.map((name) => `'${name}'`).join(', ');
  throw new MisaError('NO_SOURCE', `job ${job.file.name} has no source '${source}'; it has ${there}`);
}
