/**
 * Finds what `misa deploy` made: the stack of a job, its outputs, the resources in it and in the stacks below it. Only
 * CloudFormation knows these, so every command for deployed jobs begins here; the client is loaded when one does.
 */
import type { CloudFormationClient, Stack, StackResourceSummary } from '@aws-sdk/client-cloudformation';
import { stackName } from '../../cdk/stack-name.ts';
import { errorText, MisaError } from '../../lib/errors.ts';
import { isName } from '../../lib/object-store/names.ts';
import { pushAll } from '../../lib/util/numbers.ts';
import { UsageError } from '../failure.ts';
import { isJobFile, loadJob } from '../load-job.ts';
import { awsError } from './aws-error.ts';
import { clientConfig, endpointOf } from './environment.ts';

export { stackName };

/** Keys of the outputs of a job's stack; the stack may have more. */
export type OutputKey =
  | 'JobName'
  | 'Store'
  | 'InputQueueUrl'
  | 'RecordsQueueUrl'
  | 'InputPrefix'
  | 'Dashboard'
  | 'MaintainFunction';

export interface DeployedStack {
  readonly name: string;
  /** ARN. */
  readonly id: string;
  /** CloudFormation's: `CREATE_COMPLETE`, … */
  readonly status: string;
  readonly reason: string | undefined;
  readonly outputs: Readonly<Record<string, string>>;
}

export interface StackResource {
  /** `AWS::SQS::Queue` */
  readonly type: string;
  readonly logicalId: string;
  /** Name, URL or ARN, as the type has it. */
  readonly id: string;
}

/** The name of a job that is given by name or by module. */
export async function jobNameOf(job: string): Promise<string> {
  const name = isJobFile(job) ? (await loadJob(job)).name : job;
  if (!isName(name)) throw new UsageError(`'${job}' is neither a job's name nor its module`);
  return name;
}

export class Stacks {
  readonly #sdk: typeof import('@aws-sdk/client-cloudformation');
  readonly #client: CloudFormationClient;

  private constructor(sdk: typeof import('@aws-sdk/client-cloudformation')) {
    this.#sdk = sdk;
    this.#client = new sdk.CloudFormationClient(clientConfig('CLOUDFORMATION'));
  }

  static async open(): Promise<Stacks> {
    return new Stacks(await import('@aws-sdk/client-cloudformation'));
  }

  /** `undefined`: there is none of this name, or it was deleted. @throws {MisaError} */
  async find(name: string): Promise<DeployedStack | undefined> {
    try {
      const { Stacks: found = [] } = await this.#client.send(new this.#sdk.DescribeStacksCommand({ StackName: name }));
      const [stack] = found;
      return stack === undefined || stack.StackStatus === 'DELETE_COMPLETE' ? undefined : deployed(stack);
    } catch (error) {
      if (/does not exist/.test(errorText(error))) return undefined;
      throw awsError(error, `looking for the stack ${name}`, endpointOf('CLOUDFORMATION'));
    }
  }

  /** @throws {MisaError} `NO_STACK`, which names the stacks that are there */
  async get(name: string): Promise<DeployedStack> {
    const found = await this.find(name);
    if (found !== undefined) return found;
    const others = (await this.jobs()).map((stack) => stack.name);
    const there = others.length === 0 ? 'No job of Misa is deployed there' : `There: ${others.join(', ')}`;
    throw new MisaError(
      'NO_STACK',
      `there is no stack ${name} in this account and region. ${there}. Deploy the job (misa deploy JOB.ts), name another stack (--stack NAME), or set AWS_PROFILE and AWS_REGION to where it is.`,
    );
  }

  /** Stacks that hold a job of Misa. */
  async jobs(): Promise<DeployedStack[]> {
    try {
      const stacks: Stack[] = [];
      for await (const page of this.#sdk.paginateDescribeStacks({ client: this.#client }, {})) {
        pushAll(stacks, page.Stacks ?? []);
      }
      return stacks
        .filter((stack) => stack.StackStatus !== 'DELETE_COMPLETE')
        .map(deployed)
        .filter(({ outputs }) => outputs.JobName !== undefined && outputs.Store !== undefined);
    } catch (error) {
      throw awsError(error, 'looking for deployed jobs', endpointOf('CLOUDFORMATION'));
    }
  }

  /** All resources, those of nested stacks too. */
  async resources(name: string): Promise<StackResource[]> {
    const found: StackResourceSummary[] = [];
    try {
      for await (const page of this.#sdk.paginateListStackResources({ client: this.#client }, { StackName: name })) {
        pushAll(found, page.StackResourceSummaries ?? []);
      }
    } catch (error) {
      throw awsError(error, `listing what is in the stack ${name}`, endpointOf('CLOUDFORMATION'));
    }
    const own = found.flatMap(({ ResourceType: type, LogicalResourceId: logicalId, PhysicalResourceId: id }) =>
      type === undefined || logicalId === undefined || id === undefined ? [] : [{ type, logicalId, id }],
    );
    const nested = own.filter((resource) => resource.type === 'AWS::CloudFormation::Stack' && resource.id !== name);
    return [...own, ...(await Promise.all(nested.map(({ id }) => this.resources(id)))).flat()];
  }

  /** @throws {MisaError} `AWS_REGION`: none is set */
  async region(): Promise<string> {
    try {
      return await this.#client.config.region();
    } catch (error) {
      throw awsError(error, 'looking for the region', undefined);
    }
  }

  /** Begins to delete a stack. */
  async delete(name: string): Promise<void> {
    try {
      await this.#client.send(new this.#sdk.DeleteStackCommand({ StackName: name }));
    } catch (error) {
      throw awsError(error, `deleting the stack ${name}`, endpointOf('CLOUDFORMATION'));
    }
  }

  /** Why resources of a stack failed last, newest first. */
  async failures(name: string): Promise<{ readonly resource: string; readonly reason: string }[]> {
    try {
      const { StackEvents: events = [] } = await this.#client.send(
        new this.#sdk.DescribeStackEventsCommand({ StackName: name }),
      );
      return events
        .filter(
          (event) => event.ResourceStatus?.endsWith('_FAILED') && event.ResourceType !== 'AWS::CloudFormation::Stack',
        )
        .map((event) => ({
          resource: event.LogicalResourceId ?? '',
          reason: event.ResourceStatusReason ?? 'no reason given',
        }));
    } catch (error) {
      throw awsError(error, `reading the events of the stack ${name}`, endpointOf('CLOUDFORMATION'));
    }
  }

  close(): void {
    this.#client.destroy();
  }
}

function deployed({ StackName, StackId, StackStatus, StackStatusReason, Outputs = [] }: Stack): DeployedStack {
  const outputs: Record<string, string> = {};
  for (const { OutputKey: key, OutputValue: value } of Outputs) {
    if (key !== undefined && value !== undefined) outputs[key] = value;
  }
  return { name: StackName ?? '', id: StackId ?? '', status: StackStatus ?? '', reason: StackStatusReason, outputs };
}

/** Where rows are sent to: the queue that keeps their order. A stack that was deployed by version 0.1 has none. */
export function recordsQueueOf(stack: DeployedStack): string {
  return stack.outputs.RecordsQueueUrl ?? outputOf(stack, 'InputQueueUrl');
}

/** An output that every job's stack has. @throws {MisaError} `STACK_INCOMPLETE` */
export function outputOf(stack: DeployedStack, key: OutputKey): string {
  const value = stack.outputs[key];
  if (value !== undefined) return value;
  const state = /ROLLBACK_COMPLETE|FAILED|IN_PROGRESS/.test(stack.status) ? ` (it is ${stack.status})` : '';
  throw new MisaError(
    'STACK_INCOMPLETE',
    `the stack ${stack.name}${state} has no output ${key}. Deploy the job again with this version of Misa: misa deploy JOB.ts`,
  );
}
