/**
 * A job on AWS: bucket, queues, functions and what watches them, from the module that defines the job. State is only ever in
 * the bucket; all else can be deleted and deployed again.
 */
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { RemovalPolicy, Stack } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { acknowledgeWildcards } from './acknowledged.ts';
import { admission } from './admission.ts';
import { Alarms } from './alarms.ts';
import { jobBucket } from './bucket.ts';
import type { HandlerModule } from './bundle.ts';
import { codeAsset } from './code.ts';
import { dashboardUrl, makeDashboard } from './dashboard.ts';
import type { JobDescription } from './describe-job.ts';
import { emptyOnDelete } from './empty-bucket.ts';
import { FunctionMaker } from './functions.ts';
import { inputPlaces, inputPrefix } from './inputs.ts';
import { type JobFunctions, makeAdmit, makeJobFunctions } from './job-functions.ts';
import { makeJobQueues, queueEnvironment } from './job-queues.ts';
import { writeOutputs } from './outputs.ts';
import { makePartitions, placesOf } from './partitions.ts';
import { Permissions } from './permissions.ts';
import type { MisaJobProps } from './props.ts';
import { QueueMaker } from './queues.ts';
import { type SettledProps, settleProps } from './settled-props.ts';
import { STORE_PREFIX } from './store-prefix.ts';

/** A job on AWS: its bucket, queues, functions, alarms and dashboard. What is created is listed in `docs/aws.md`. */
export class MisaJob extends Construct {
  /** What the job's module says. */
  readonly job: JobDescription;
  /** State, results and input. */
  readonly bucket: IBucket;
  /** Takes notifications of new objects, and rows in no order. */
  readonly inputQueue: IQueue;
  /** Takes rows, and keeps their order: FIFO. Where producers send to. */
  readonly recordsQueue: IQueue;
  /** Where state and results are: `s3://bucket/misa`. */
  readonly store: string;
  /** Objects under this and `{source}/` are input: `s3://bucket/in/job/`. */
  readonly inputPrefix: string;
  /** Functions of which there is one. */
  readonly functions: JobFunctions;
  /** Those of the partitions, stage by stage. */
  readonly batchFunctions: readonly LambdaFunction[];

  /** @throws {JobError} the module cannot be loaded or is no job, or the props do not fit it */
  constructor(scope: Construct, id: string, props: MisaJobProps) {
    super(scope, id);
    const settled = settleProps(props);
    const { job, removalPolicy, logRetention, architecture, trace, sweepEvery } = settled;
    const key = props.encryptionKey;
    const queueMaker = new QueueMaker(this, key);
    const queues = makeJobQueues(this, queueMaker, settled);
    const places = placesOf(job.stages, job.partitions);
    const bucket = jobBucket(this, 'Bucket', { given: props.bucket, settled, places, queues, key });
    const deleteState = props.bucket === undefined && removalPolicy === RemovalPolicy.DESTROY;
    const store = `s3://${bucket.bucketName}/${STORE_PREFIX}`;

    const { inputs } = settled;
    const permissions = new Permissions({ job: job.name, bucket, queues: queueMaker, inputs, key, trace });
    const maker = new FunctionMaker({
      job: job.name,
      code: codeAsset(this, 'Code', { ...settled, handlers: handlersFor(settled.sinks.length > 0, deleteState) }),
      architecture,
      removalPolicy,
      logRetention,
      always: permissions.decrypt(),
      environment: {
        MISA_STORE: store,
        MISA_INPUTS: Stack.of(this).toJsonString(inputPlaces(job, bucket, inputs)),
        ...queueEnvironment(queueMaker, queues),
        ...settingsEnvironment(props, settled),
      },
    });
    const admitted = admission(this, makeAdmit(this, maker, permissions, job.name), job, store);
    if (deleteState) admitted.node.addDependency(emptyOnDelete(this, maker, bucket));
    const groups = makePartitions(this, { places, settled, maker, queues: queueMaker, permissions, admitted });
    const partitions = groups.map((group) => group.scope);
    const parts = { maker, queues, permissions, admitted, bucket, partitions };
    const functions = makeJobFunctions(this, { props: settled, ...parts });

    this.job = job;
    this.bucket = bucket;
    this.inputQueue = queues.input.queue;
    this.recordsQueue = queues.records.queue;
    this.store = store;
    this.inputPrefix = `s3://${bucket.bucketName}/${inputPrefix(job.name)}`;
    this.functions = functions;
    this.batchFunctions = groups.flatMap((group) => group.partitions.map((partition) => partition.function));

    const watched = { job: job.name, groups, functions, queues, sweepEvery, maxLag: job.commit.maxLag };
    const alarms = settled.alarms === undefined ? [] : new Alarms(this, watched, settled.alarms, props.alarmTopic).all;
    const shown = { ...watched, store, inputPrefix: this.inputPrefix, queuePrefix: queueMaker.prefix, alarms };
    const dashboard = props.dashboard === false ? undefined : makeDashboard(this, 'Dashboard', shown);
    writeOutputs(this, {
      JobName: job.name,
      Store: store,
      InputQueueUrl: queues.input.queue.queueUrl,
      RecordsQueueUrl: queues.records.queue.queueUrl,
      InputPrefix: this.inputPrefix,
      MaintainFunction: functions.maintain.functionName,
      Dashboard: dashboard === undefined ? undefined : dashboardUrl(dashboard),
    });
    acknowledgeWildcards(this);
  }
}

/** The job's settings, as the functions read them. */
function settingsEnvironment(
  { partitions, overwritten }: MisaJobProps,
  { job, cacheSize, trace, sourceMaps }: SettledProps,
): Record<string, string> {
  return {
    MISA_CACHE_BYTES: String(cacheSize.toBytes()),
    POWERTOOLS_SERVICE_NAME: job.name,
    POWERTOOLS_METRICS_NAMESPACE: 'Misa',
    ...(partitions === undefined ? {} : { MISA_PARTITIONS: String(partitions) }),
    ...(overwritten === 'read' ? { MISA_OVERWRITTEN: 'read' } : {}),
    ...(trace ? { MISA_TRACE: '1' } : {}),
    ...(sourceMaps ? { NODE_OPTIONS: '--enable-source-maps' } : {}),
  };
}

function handlersFor(sinks: boolean, deleteState: boolean): HandlerModule[] {
  return [
    'batch',
    'commit',
    'preload',
    ...(sinks ? (['sink'] as const) : []),
    ...(deleteState ? (['empty'] as const) : []),
  ];
}
