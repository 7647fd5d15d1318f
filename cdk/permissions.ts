/**
 * What each function may do, and no more: objects by the prefixes that its part of the protocol writes, queues by name. All
 * may read the job's objects, because they follow log entries, plans and manifests wherever these are; only `maintain`
 * deletes.
 */
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { PartitionPlace } from '../lib/object-store/names.ts';
import type { InputObjects } from './props.ts';
import type { QueueMaker } from './queues.ts';
import { STORE_PREFIX } from './store-prefix.ts';

/** Epochs are numbered from 1, and a reset begins the next. */
const ANY_EPOCH = 'e*';

export interface PermissionContext {
  readonly job: string;
  readonly bucket: IBucket;
  readonly queues: QueueMaker;
  readonly inputs: readonly InputObjects[];
  readonly key: IKey | undefined;
  readonly trace: boolean;
}

export class Permissions {
  readonly #context: PermissionContext;

  constructor(context: PermissionContext) {
    this.#context = context;
  }

  ingest(): PolicyStatement[] {
    const planner = [`${ANY_EPOCH}/planner/sst/*`, `${ANY_EPOCH}/planner/manifest`];
    return [
      ...this.#listInputs(),
      this.#readJob(),
      ...this.#readInputs(),
      this.#write(`${ANY_EPOCH}/seg/*`, `${ANY_EPOCH}/plan/*`, ...planner),
      this.#send('s0p*.fifo', 'plan', 'fold.fifo'),
    ];
  }

  batch({ stage, partition }: PartitionPlace, lastStage: boolean): PolicyStatement[] {
    const path = `${ANY_EPOCH}/s${stage}/p${partition}`;
    return [
      this.#list(),
      this.#readJob(),
      // SSTs and the manifest too: it folds by itself when the commit functions are too far behind.
      this.#write(
        `${path}/log/*`,
        `${path}/sst/*`,
        `${path}/manifest`,
        `${path}/starts`,
        `${ANY_EPOCH}/out/*/p${partition}/*`,
      ),
      this.#send('fold.fifo', ...(lastStage ? [] : [`s${stage + 1}p*.fifo`])),
    ];
  }

  fold(): PolicyStatement[] {
    const written = [`${ANY_EPOCH}/*/sst/*`, `${ANY_EPOCH}/*/manifest`, `${ANY_EPOCH}/out/*`];
    return [this.#list(), this.#readJob(), this.#write(...written), this.#send('compact.fifo')];
  }

  compact(): PolicyStatement[] {
    return [this.#list(), this.#readJob(), this.#write(`${ANY_EPOCH}/*/sst/*`, `${ANY_EPOCH}/*/manifest`)];
  }

  /** @param sinks whether results go to sinks */
  maintain(sinks: boolean): PolicyStatement[] {
    const { bucket, job } = this.#context;
    const planned = [`${ANY_EPOCH}/seg/*`, `${ANY_EPOCH}/plan/*`];
    return [
      ...this.#listInputs(),
      this.#readJob(),
      this.#write(
        ...planned,
        `${ANY_EPOCH}/*/manifest`,
        `${ANY_EPOCH}/*/unnamed`,
        `${ANY_EPOCH}/*/sst/*`,
        `${ANY_EPOCH}/deleted-results`,
        `${ANY_EPOCH}/maintain`,
        ...(sinks ? [`${ANY_EPOCH}/delivered`] : []),
      ),
      new PolicyStatement({
        sid: 'CollectGarbage',
        actions: ['s3:DeleteObject'],
        resources: [bucket.arnForObjects(`${STORE_PREFIX}/${job}/${ANY_EPOCH}/*`)],
      }),
      this.#send('s*.fifo', 'fold.fifo', 'input', ...(sinks ? ['results'] : [])),
    ];
  }

  admit(): PolicyStatement[] {
    return [this.#list(), this.#read('job.json'), this.#write('job.json')];
  }

  preload(): PolicyStatement[] {
    return [this.#list(), this.#readJob(), this.#write(`${ANY_EPOCH}/*/warm/*`)];
  }

  sink(): PolicyStatement[] {
    return [this.#list(), this.#readJob(), this.#write(`${ANY_EPOCH}/taken/*`)];
  }

  /** What an event source mapping does in the name of its function. */
  receive(...queues: IQueue[]): PolicyStatement {
    const actions = [
      'sqs:ReceiveMessage',
      'sqs:DeleteMessage',
      'sqs:ChangeMessageVisibility',
      'sqs:GetQueueAttributes',
    ];
    return new PolicyStatement({ sid: 'Receive', actions, resources: queues.map((queue) => queue.queueArn) });
  }

  /** Use of the customer's key, where there is one. */
  decrypt(): PolicyStatement[] {
    const { key } = this.#context;
    if (key === undefined) return [];
    return [
      new PolicyStatement({ sid: 'UseKey', actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [key.keyArn] }),
    ];
  }

  /**
   * Without it S3 answers 403 and not 404 for an object that is not there, and absence is half of the protocol. The prefix
   * is checked where the request has one: a GET has none.
   */
  #list(...prefixes: string[]): PolicyStatement {
    const { bucket, job } = this.#context;
    return new PolicyStatement({
      sid: 'TellAbsence',
      actions: ['s3:ListBucket'],
      resources: [bucket.bucketArn],
      conditions: { StringLikeIfExists: { 's3:prefix': [`${STORE_PREFIX}/${job}/*`, ...prefixes] } },
    });
  }

  /** The listing of the input places is the truth about what there is to read. */
  #listInputs(): PolicyStatement[] {
    const { job, inputs } = this.#context;
    const others = inputs.map(
      ({ bucket, prefix = '' }, i) =>
        new PolicyStatement({
          sid: `ListOtherInput${i}`,
          actions: ['s3:ListBucket'],
          resources: [bucket.bucketArn],
          conditions: { StringLike: { 's3:prefix': `${prefix}*` } },
        }),
    );
    return [this.#list(`in/${job}/*`), ...others];
  }

  #readJob(): PolicyStatement {
    return this.#read('*');
  }

  #read(name: string): PolicyStatement {
    const { bucket, job } = this.#context;
    const resources = [bucket.arnForObjects(`${STORE_PREFIX}/${job}/${name}`)];
    return new PolicyStatement({ sid: 'ReadJob', actions: ['s3:GetObject'], resources });
  }

  #readInputs(): PolicyStatement[] {
    const { bucket, job, inputs } = this.#context;
    const own = new PolicyStatement({
      sid: 'ReadInput',
      actions: ['s3:GetObject'],
      resources: [bucket.arnForObjects(`in/${job}/*`)],
    });
    if (inputs.length === 0) return [own];
    // Such a bucket may be versioned: then a notification names the version.
    const others = new PolicyStatement({
      sid: 'ReadOtherInput',
      actions: ['s3:GetObject', 's3:GetObjectVersion'],
      resources: inputs.map(({ bucket: other, prefix = '' }) => other.arnForObjects(`${prefix}*`)),
    });
    return [own, others];
  }

  #write(...names: string[]): PolicyStatement {
    const { bucket, job, trace } = this.#context;
    const all = trace ? [...names, `${ANY_EPOCH}/trace/*`] : names;
    const resources = all.map((name) => bucket.arnForObjects(`${STORE_PREFIX}/${job}/${name}`));
    return new PolicyStatement({ sid: 'Write', actions: ['s3:PutObject'], resources });
  }

  #send(...names: string[]): PolicyStatement {
    const { queues, bucket } = this.#context;
    const resources = names.map((name) => queues.arn(bucket, name));
    return new PolicyStatement({ sid: 'Send', actions: ['sqs:SendMessage'], resources });
  }
}
