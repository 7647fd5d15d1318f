/** `misa deploy`: a job to AWS, with the CDK: what will be done, progress, where everything is, and what to type next. */
import { MisaError } from '../../lib/errors.ts';
import { isName } from '../../lib/object-store/names.ts';
import type { PhysicalJob } from '../../lib/stream/compile/physical.ts';
import { cacheFolder, moduleFolderName } from '../aws/cache-folder.ts';
import { bootstrap, type Deployment, deploySynthesis, synthesize, TOOLKIT } from '../aws/deploy.ts';
import { endpointOf } from '../aws/environment.ts';
import { findCdk } from '../aws/peers.ts';
import { type DeployedStack, outputOf, Stacks, stackName } from '../aws/stack.ts';
import { confirm } from '../confirm.ts';
import { EXIT_FAILURE } from '../failure.ts';
import { failuresAsEvents } from '../json-events.ts';
import { loadJob } from '../load-job.ts';
import { type Steps, stepsFor } from '../steps.ts';
import { count, styleOf } from '../text.ts';

export interface DeployOptions {
  readonly partitions?: number;
  readonly trace: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

export async function deployCommand(entry: string, options: DeployOptions): Promise<void> {
  const { partitions, trace, yes, json } = options;
  const steps = stepsFor({ json });
  await failuresAsEvents(json, steps, async () => {
    const cdk = findCdk();
    const loaded = await loadJob(entry);
    const job = { ...loaded, partitions: partitions ?? loaded.partitions };
    if (!isName(job.name))
      throw new MisaError('BAD_NAME', `job ${job.name} cannot be deployed: its name becomes part of names`);
    const stacks = await Stacks.open();
    try {
      const name = stackName(job.name);
      const [toolkit, before, region] = await Promise.all([stacks.find(TOOLKIT), stacks.find(name), stacks.region()]);
      steps.note(intention(job, { name, before, toolkit, region }));
      if (!(await confirm('Go on?', { yes, otherwise: 'go on' }))) return;
      const folder = cacheFolder('deploy', moduleFolderName(entry));
      const deployment: Deployment = { cdk, job, entry, partitions, trace, folder, env: process.env, steps };
      steps.step('synth', `Bundling ${job.name} and writing the templates`);
      await synthesize(deployment);
      if (toolkit === undefined) {
        steps.step('bootstrap', `Preparing ${region} for the CDK, once`);
        await bootstrap(deployment);
      }
      steps.step('deploy', `Deploying ${name}`);
      const release = onInterrupt(name, steps);
      steps.done(await deploySynthesis(deployment).finally(release));
      const stack = await stacks.get(name);
      steps.close();
      if (json)
        process.stdout.write(
          `${JSON.stringify({ event: 'end', job: job.name, stack: name, region, outputs: stack.outputs })}\n`,
        );
      else process.stdout.write(deployedText(job, stack, region));
    } finally {
      stacks.close();
    }
  });
}

/** An interrupt ends only the display: CloudFormation finishes what it has begun. */
function onInterrupt(stack: string, steps: Steps): () => void {
  const handler = (): void => {
    steps.close();
    process.stderr.write(
      `misa: no longer watched; CloudFormation goes on with ${stack}. Give the command again to see what came of it\n`,
    );
    process.exit(EXIT_FAILURE);
  };
  process.on('SIGINT', handler);
  return () => void process.off('SIGINT', handler);
}

interface Plan {
  readonly name: string;
  readonly before: DeployedStack | undefined;
  readonly toolkit: DeployedStack | undefined;
  readonly region: string;
}

/** Says what will be done. */
function intention(job: PhysicalJob, { name, before, toolkit, region }: Plan): string {
  const account = /^arn:[^:]*:cloudformation:[^:]*:(\d{12}):/.exec((before ?? toolkit)?.id ?? '')?.[1];
  const endpoint = endpointOf('CLOUDFORMATION');
  const where =
    endpoint === undefined
      ? `${account === undefined ? 'the account signed in to' : `account ${account}`}, ${region}`
      : endpoint;
  const size = `${count(job.stages.length, 'stage')} of ${count(job.partitions, 'partition')}`;
  return [
    `${before === undefined ? 'Deploys' : 'Updates'} job ${job.name} (${size}) as stack ${name} in ${where}: a bucket, and a queue and a function for each partition.`,
    ...(toolkit === undefined
      ? [`The CDK has not been used there: it first makes its stack ${TOOLKIT} (a bucket for code, and roles).`]
      : []),
    'Nothing costs anything while no data comes, but the schedule (a function a minute), alarms, and what is stored.',
  ].join('\n');
}

function deployedText(job: PhysicalJob, stack: DeployedStack, region: string): string {
  const { bold, dim } = styleOf(process.stdout);
  const lines: [string, string | undefined][] = [
    ['state', stack.outputs.Store],
    ['input', `${outputOf(stack, 'InputPrefix')}${job.sources.length === 1 ? job.sources[0]!.name : '{source}'}/`],
    ['rows', stack.outputs.RecordsQueueUrl],
    ['queue', stack.outputs.InputQueueUrl],
    ['dashboard', stack.outputs.Dashboard],
  ];
  const next = [
    ...job.sources.map(({ name }) => `misa send ${name} FILE... --job ${job.name}`),
    `misa status ${job.name} --stack`,
  ];
  return [
    `${bold(job.name)} ${dim(`is deployed as ${stack.name} in ${region}`)}\n`,
    ...lines.flatMap(([name, text]) => (text === undefined ? [] : [`  ${dim(name.padEnd(11))} ${text}\n`])),
    `\nNext:\n${next.map((command) => `  ${command}\n`).join('')}`,
  ].join('');
}
