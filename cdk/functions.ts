/**
 * Functions of one job: all from one bundle, each with a role of its own that allows what is listed and nothing else, a log
 * group whose logs end some day, and the environment that the handlers read. No managed policies: they allow every log group
 * of the account.
 */

import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  type Architecture,
  type CfnFunction,
  Code,
  EventSourceMapping,
  Function as LambdaFunction,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { Duration, RemovalPolicy, Size } from 'aws-cdk-lib/core';
import type { Construct, IDependable } from 'constructs';

export interface FunctionMakerProps {
  readonly job: string;
  readonly code: Asset;
  readonly environment: Readonly<Record<string, string>>;
  readonly architecture: Architecture;
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
  /** What every function may do. */
  readonly always: readonly PolicyStatement[];
}

export interface FunctionOptions {
  /** `{module}.{export}` in the bundle. */
  readonly handler: string;
  readonly description: string;
  readonly timeout: Duration;
  /** MiB. */
  readonly memorySize: number;
  readonly permissions: readonly PolicyStatement[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Of /tmp. Default 512 MiB, which costs nothing. */
  readonly disk?: Size;
}

export interface MappingOptions {
  readonly batchSize: number;
  readonly window?: Duration;
  readonly maxConcurrency?: number;
}

export class FunctionMaker {
  readonly #props: FunctionMakerProps;

  constructor(props: FunctionMakerProps) {
    this.#props = props;
  }

  make(scope: Construct, id: string, options: FunctionOptions): LambdaFunction {
    const { job, code, environment, architecture, logRetention, removalPolicy, always } = this.#props;
    const statements = [...options.permissions, ...always];
    const logGroup = new LogGroup(scope, `${id}Logs`, { retention: logRetention, removalPolicy });
    const role = new Role(scope, `${id}Role`, {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `${options.handler} of job ${job}`,
      inlinePolicies: {
        Function: new PolicyDocument({ statements: [...statements, writeLogs(logGroup), sendTraces()] }),
      },
    });
    const made = new LambdaFunction(scope, id, {
      description: options.description,
      code: Code.fromBucket(code.bucket, code.s3ObjectKey),
      handler: options.handler,
      runtime: Runtime.NODEJS_24_X,
      architecture,
      role,
      logGroup,
      timeout: options.timeout,
      memorySize: options.memorySize,
      environment: { ...environment, ...options.environment },
      ...(options.disk === undefined ? {} : { ephemeralStorageSize: options.disk }),
    });
    const resource = made.node.defaultChild as CfnFunction;
    // Set on the resource: the property of the construct would add a second policy to the role.
    resource.tracingConfig = { mode: 'Active' };
    code.addResourceMetadata(resource, 'Code');
    return made;
  }
}

/** Lets messages of a queue invoke a function; a message that fails comes again without the others of its batch. */
export function invokeBy(
  target: LambdaFunction,
  id: string,
  queue: IQueue,
  options: MappingOptions,
  ...after: readonly IDependable[]
): void {
  const { batchSize, window, maxConcurrency } = options;
  const mapping = new EventSourceMapping(target, id, {
    target,
    eventSourceArn: queue.queueArn,
    batchSize,
    reportBatchItemFailures: true,
    ...(window === undefined ? {} : { maxBatchingWindow: window }),
    ...(maxConcurrency === undefined ? {} : { maxConcurrency }),
  });
  if (after.length > 0) mapping.node.addDependency(...after);
}

function writeLogs(logGroup: LogGroup): PolicyStatement {
  return new PolicyStatement({
    sid: 'WriteLogs',
    actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [logGroup.logGroupArn],
  });
}

/** X-Ray permissions cannot be limited to resources. */
function sendTraces(): PolicyStatement {
  return new PolicyStatement({
    sid: 'SendTraces',
    actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
    resources: ['*'],
  });
}
