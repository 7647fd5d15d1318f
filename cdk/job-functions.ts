/**
 * The functions that a job has one of each, and what invokes them. None sends to the queue that it reads, nor does a commit
 * function to one that batch functions read: AWS stops such loops. Nothing is invoked before the job is admitted, and no input
 * is planned before there is someone to run the plans.
 */
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { type CustomResource, Duration } from 'aws-cdk-lib/core';
import type { Construct, IDependable } from 'constructs';
import { type FunctionMaker, type FunctionOptions, invokeBy } from './functions.ts';
import type { JobQueues } from './job-queues.ts';
import type { Permissions } from './permissions.ts';
import type { SettledProps } from './settled-props.ts';
import { bindSinks } from './sink-settings.ts';
import { COMPACT_TIMEOUT, SHORT_TIMEOUT } from './timeouts.ts';

const SMALL_MIB = 512;
const MIDDLE_MIB = 1024;
/** Ingest invocations at once. More would only contend for the next plan number. */
const PLANNERS = 2;
const BATCH_SIZE = 10;

/** The functions of a deployed job. */
export interface JobFunctions {
  readonly ingest: LambdaFunction;
  readonly fold: LambdaFunction;
  readonly compact: LambdaFunction;
  readonly maintain: LambdaFunction;
  readonly preload: LambdaFunction;
  readonly sink?: LambdaFunction;
}

export interface JobFunctionOptions {
  readonly props: SettledProps;
  readonly maker: FunctionMaker;
  readonly queues: JobQueues;
  readonly permissions: Permissions;
  readonly admitted: CustomResource;
  readonly bucket: IBucket;
  /** All partitions. */
  readonly partitions: readonly IDependable[];
}

/** The function that admits the job: it comes before all others. */
export function makeAdmit(
  scope: Construct,
  maker: FunctionMaker,
  permissions: Permissions,
  job: string,
): LambdaFunction {
  return maker.make(scope, 'Admit', {
    handler: 'commit.admit',
    description: `Checks at deployment that job ${job} fits its state`,
    timeout: SHORT_TIMEOUT,
    memorySize: SMALL_MIB,
    permissions: permissions.admit(),
  });
}

export function makeJobFunctions(scope: Construct, options: JobFunctionOptions): JobFunctions {
  const { maker, admitted } = options;
  const { job } = options.props;
  const make: Make = (id, made) => {
    const f = maker.make(scope, id, { ...made, description: `${made.description} of job ${job.name}` });
    f.node.addDependency(admitted);
    return f;
  };
  const ingest = makeIngest(make, options);
  const commit = makeCommitFunctions(make, options);
  const sink = makeSink(make, options, commit.maintain);
  return { ingest, ...commit, ...(sink === undefined ? {} : { sink }) };
}

type Make = (id: string, made: FunctionOptions) => LambdaFunction;

function makeIngest(make: Make, { props, queues, permissions, partitions }: JobFunctionOptions): LambdaFunction {
  const { timeout, memorySize, window } = props;
  const ingest = make('Ingest', {
    handler: 'batch.ingest',
    description: 'Decodes and plans the input',
    timeout,
    memorySize,
    permissions: [...permissions.ingest(), permissions.receive(queues.input.queue, queues.records.queue)],
  });
  const planned = { batchSize: BATCH_SIZE, window, maxConcurrency: PLANNERS };
  invokeBy(ingest, 'Queue', queues.input.queue, planned, ...partitions);
  // A FIFO queue has no batching window, and one invocation at a time for each message group.
  const inOrder = { batchSize: BATCH_SIZE, maxConcurrency: PLANNERS };
  invokeBy(ingest, 'QueueRecords', queues.records.queue, inOrder, ...partitions);
  return ingest;
}

/** The functions beside and behind the batches. */
function makeCommitFunctions(
  make: Make,
  { props, queues, permissions }: JobFunctionOptions,
): Pick<JobFunctions, 'fold' | 'compact' | 'preload' | 'maintain'> {
  const { timeout, memorySize } = props;
  const fold = make('Fold', {
    handler: 'commit.fold',
    description: 'Folds log entries into the state',
    timeout,
    memorySize,
    permissions: [...permissions.fold(), permissions.receive(queues.fold.queue)],
  });
  invokeBy(fold, 'Queue', queues.fold.queue, { batchSize: BATCH_SIZE });

  const compact = make('Compact', {
    handler: 'commit.compact',
    description: 'Compacts the state',
    timeout: COMPACT_TIMEOUT,
    memorySize,
    permissions: [...permissions.compact(), permissions.receive(queues.compact.queue)],
  });
  invokeBy(compact, 'Queue', queues.compact.queue, { batchSize: BATCH_SIZE });

  const preload = make('Preload', {
    handler: 'preload.preload',
    description: 'Brings state near before a batch',
    timeout: SHORT_TIMEOUT,
    memorySize: MIDDLE_MIB,
    permissions: [...permissions.preload(), permissions.receive(queues.plan.queue)],
  });
  invokeBy(preload, 'Queue', queues.plan.queue, { batchSize: BATCH_SIZE });

  const maintain = make('Maintain', {
    handler: 'commit.maintain',
    description: 'Finds lost messages and collects the garbage',
    timeout: SHORT_TIMEOUT,
    memorySize: SMALL_MIB,
    permissions: permissions.maintain(queues.results !== undefined),
  });
  schedule(maintain, props.sweepEvery);
  return { fold, compact, preload, maintain };
}

/** @param maintain sends results again whose notification was lost */
function makeSink(
  make: Make,
  { props, queues, permissions, bucket }: JobFunctionOptions,
  maintain: LambdaFunction,
): LambdaFunction | undefined {
  const { results } = queues;
  if (results === undefined) return undefined;
  const { timeout, sinks, job } = props;
  const sink = make('Sink', {
    handler: 'sink.sink',
    description: 'Delivers the results',
    timeout,
    memorySize: MIDDLE_MIB,
    permissions: [...permissions.sink(), permissions.receive(results.queue)],
  });
  for (const f of [sink, maintain]) f.addEnvironment('MISA_RESULTS_QUEUE', results.queue.queueUrl);
  maintain.addEnvironment('MISA_SINK_OUTPUTS', [...new Set(sinks.map(({ output }) => output))].join(','));
  bindSinks(sink, sinks, { job: job.name, bucket });
  invokeBy(sink, 'Queue', results.queue, { batchSize: BATCH_SIZE });
  return sink;
}

/** A failed run is not retried: the next one comes soon. */
function schedule(target: LambdaFunction, every: Duration): void {
  const minutes = every.toMinutes();
  const rule = new CfnRule(target, 'Schedule', {
    description: target.node.path,
    scheduleExpression: `rate(${minutes} minute${minutes === 1 ? '' : 's'})`,
    targets: [
      {
        id: 'maintain',
        arn: target.functionArn,
        retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 },
      },
    ],
  });
  target.addPermission('Scheduled', {
    principal: new ServicePrincipal('events.amazonaws.com'),
    sourceArn: rule.attrArn,
  });
  target.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
}
