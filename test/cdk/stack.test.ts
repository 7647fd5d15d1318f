import { Template } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Duration, NestedStack, RemovalPolicy, Size, type Stack } from 'aws-cdk-lib/core';
import { describe, expect, test } from 'vitest';
import { MisaJob, Sink } from '../../cdk/index.ts';
import { readPlace, readSettings } from '../../lib/aws/settings.ts';
import { makeStack, type Properties, resourceOf, resourcesOf, TWO_STAGES, textOf } from './make-stack.ts';

const { stack } = makeStack();
const queues = resourcesOf(stack, 'AWS::SQS::Queue');
const functions = resourcesOf(stack, 'AWS::Lambda::Function');
const mappings = resourcesOf(stack, 'AWS::Lambda::EventSourceMapping');

/** A function's environment with references made to text. */
function environmentOf(made: Stack, name: string): Record<string, string> {
  const { Variables } = resourceOf(made, 'AWS::Lambda::Function', name).Properties.Environment;
  return Object.fromEntries(Object.entries(Variables).map(([key, value]) => [key, textOf(value)]));
}

describe('queues', () => {
  test('each hands what fails to a dead-letter queue of its kind that keeps it two weeks', () => {
    const dead = queues.filter(({ Properties }) => Properties.QueueName.includes('-dead'));
    const others = queues.filter((queue) => !dead.includes(queue));
    expect(dead).toHaveLength(9);
    expect(others).toHaveLength(9);
    for (const { Properties } of dead) expect(Properties.MessageRetentionPeriod).toBe(14 * 24 * 3600);
    for (const { Properties } of others) {
      const target = dead.find(({ id }) => id === Properties.RedrivePolicy.deadLetterTargetArn['Fn::GetAtt'][0])!;
      expect(target.Properties.FifoQueue).toBe(Properties.FifoQueue);
      expect(target.Properties.QueueName).toBe(Properties.QueueName.replace(/(?=\.fifo$)|(?<!\.fifo)$/, '-dead'));
      expect(Properties.MessageRetentionPeriod).toBeLessThan(target.Properties.MessageRetentionPeriod);
    }
  });

  test('all are encrypted and refuse what does not come by TLS', () => {
    const policies = resourcesOf(stack, 'AWS::SQS::QueuePolicy');
    for (const { id, Properties } of queues) {
      expect(Properties.SqsManagedSseEnabled).toBe(true);
      const policy = policies.find((p) => p.Properties.Queues[0].Ref === id)!.Properties.PolicyDocument;
      expect(policy.Statement).toContainEqual(
        expect.objectContaining({
          Effect: 'Deny',
          Principal: { AWS: '*' },
          Action: 'sqs:*',
          Condition: { Bool: { 'aws:SecureTransport': 'false' } },
        }),
      );
    }
  });

  test('take messages of S3 for buckets of this stack alone, in this account alone', () => {
    const long = makeStack({ sinks: { hourly: Sink.ndjson() } }, 'A-Name-Of-A-Stack-That-Is-Long').stack;
    for (const [made, begin] of [
      [stack, 'misa-departures'],
      [long, 'a-name-of-a-stack-th'],
    ] as const) {
      const statements = resourcesOf(made, 'AWS::SQS::QueuePolicy').flatMap(
        ({ Properties }) => Properties.PolicyDocument.Statement as Properties[],
      );
      const ofS3 = statements.filter(({ Principal }) => Principal.Service === 's3.amazonaws.com');
      expect(ofS3).toHaveLength(made === stack ? 1 : 2);
      for (const { Condition, Action } of ofS3) {
        expect(Action).toBe('sqs:SendMessage');
        expect(Condition.StringEquals).toEqual({ 'aws:SourceAccount': { Ref: 'AWS::AccountId' } });
        expect(textOf(Condition.ArnLike['aws:SourceArn'])).toBe(`arn:<AWS::Partition>:s3:::${begin}*`);
      }
    }
  });

  test('a message stays hidden for six time-outs of the function that reads it', () => {
    for (const { Properties } of mappings) {
      const queue = queues.find(({ id }) => id === Properties.EventSourceArn['Fn::GetAtt'][0])!;
      const reader = functions.find(({ id }) => id === Properties.FunctionName.Ref)!;
      const window = Properties.MaximumBatchingWindowInSeconds ?? 0;
      expect(queue.Properties.VisibilityTimeout).toBeGreaterThanOrEqual(6 * reader.Properties.Timeout + window);
    }
    expect(mappings).toHaveLength(9);
  });

  test('rows have one that keeps their order, by group, beside the one for notifications', () => {
    const records = queues.find(({ Properties }) => Properties.QueueName.endsWith('-records.fifo'))!;
    expect(records.Properties).toMatchObject({
      FifoQueue: true,
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
      RedrivePolicy: { maxReceiveCount: 20 },
    });
    const readers = mappings.filter(({ Properties }) => textOf(Properties.FunctionName).includes('Ingest'));
    const ofRecords = readers.find(({ Properties }) => Properties.EventSourceArn['Fn::GetAtt'][0] === records.id)!;
    expect(readers).toHaveLength(2);
    expect(ofRecords.Properties).toMatchObject({ BatchSize: 10, FunctionResponseTypes: ['ReportBatchItemFailures'] });
    // Lambda refuses a window on a FIFO queue.
    expect(ofRecords.Properties.MaximumBatchingWindowInSeconds).toBeUndefined();
    const env = resourceOf(stack, 'AWS::Lambda::Function', 'Ingest').Properties.Environment.Variables;
    expect(env.MISA_RECORDS_QUEUE).toEqual({ Ref: records.id });
  });

  test('names have the prefix that functions form them from, and fit into 80 characters', () => {
    const { stack: long } = makeStack();
    const prefix = queues[0]!.Properties.QueueName.replace(/input.*$/, '');
    for (const { Properties } of queues) expect(Properties.QueueName.startsWith(prefix)).toBe(true);
    for (const { Properties } of resourcesOf(long, 'AWS::SQS::Queue'))
      expect(Properties.QueueName.length).toBeLessThan(81);
    expect(`${prefix}s99p1023-dead.fifo`.length).toBeLessThan(81);
  });
});

describe('the bucket', () => {
  const bucket = resourceOf(stack, 'AWS::S3::Bucket', 'Bucket');

  test('is private, encrypted, for TLS only, and stays when the stack is deleted', () => {
    expect(bucket.Properties.PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    });
    expect(bucket.Properties.BucketEncryption).toBeDefined();
    expect(bucket.DeletionPolicy).toBe('Retain');
    const { Statement } = resourceOf(stack, 'AWS::S3::BucketPolicy', 'Bucket').Properties.PolicyDocument;
    expect(Statement).toContainEqual(
      expect.objectContaining({
        Effect: 'Deny',
        Action: 's3:*',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    );
  });

  test('keeps no versions: a manifest is replaced at every commit', () => {
    expect(bucket.Properties.VersioningConfiguration).toBeUndefined();
  });

  test('lets warm packs and traces expire, and nothing that is the truth', () => {
    const rules = bucket.Properties.LifecycleConfiguration.Rules as Properties[];
    expect(rules.map(({ Prefix, ExpirationInDays }) => `${Prefix} ${ExpirationInDays}`)).toEqual([
      'undefined undefined',
      'misa/departures/e1/trace/ 7',
      'misa/departures/e1/s0/p0/warm/ 1',
      'misa/departures/e1/s0/p1/warm/ 1',
      'misa/departures/e1/s0/p2/warm/ 1',
      'misa/departures/e1/s0/p3/warm/ 1',
    ]);
    expect(rules[0].AbortIncompleteMultipartUpload).toEqual({ DaysAfterInitiation: 1 });
    const many = resourceOf(makeStack({ partitions: 120, alarms: false }).stack, 'AWS::S3::Bucket', 'Bucket');
    expect(many.Properties.LifecycleConfiguration.Rules).toHaveLength(102);
  });

  test('tells the input queue of new input, without a function to set that up', () => {
    const [told, ...others] = bucket.Properties.NotificationConfiguration.QueueConfigurations;
    expect(others).toEqual([]);
    expect(told.Filter.S3Key.Rules).toEqual([{ Name: 'prefix', Value: 'in/departures/' }]);
    expect(told.Queue['Fn::GetAtt'][0]).toContain('InputQueue');
    expect(bucket.DependsOn.some((id) => id.includes('InputQueuePolicy'))).toBe(true);
    const { Statement } = resourceOf(stack, 'AWS::SQS::QueuePolicy', 'JobInputQueuePolicy').Properties.PolicyDocument;
    expect(Statement).toContainEqual(
      expect.objectContaining({
        Action: 'sqs:SendMessage',
        Principal: { Service: 's3.amazonaws.com' },
        Condition: expect.objectContaining({ StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } }),
      }),
    );
  });

  test('is emptied and deleted with the stack only where that is asked for, after all that writes to it', () => {
    expect(resourcesOf(stack, 'Custom::MisaEmptyBucket')).toEqual([]);
    const { stack: other } = makeStack({ removalPolicy: RemovalPolicy.DESTROY });
    const own = resourceOf(other, 'AWS::S3::Bucket', 'Bucket');
    expect(own.DeletionPolicy).toBe('Delete');
    expect(own.Properties.Tags).toContainEqual({ Key: 'misa:delete-objects', Value: 'true' });
    const [emptied] = resourcesOf(other, 'Custom::MisaEmptyBucket');
    const [admission] = resourcesOf(other, 'Custom::MisaAdmission');
    expect(admission!.DependsOn).toContain(emptied!.id);
  });
});

describe('functions', () => {
  test('run on the newest long-term node, traced, with logs that end some day', () => {
    for (const { Properties } of functions) {
      expect(Properties.Runtime).toBe('nodejs24.x');
      expect(Properties.TracingConfig).toEqual({ Mode: 'Active' });
      const logs = resourceOf(stack, 'AWS::Logs::LogGroup', Properties.LoggingConfig.LogGroup.Ref);
      expect(logs.Properties.RetentionInDays).toBe(30);
    }
  });

  test('share one asset', () => {
    expect(new Set(functions.map(({ Properties }) => Properties.Code.S3Key))).toHaveProperty('size', 1);
  });

  test('find in their environment what they read there', () => {
    const env = environmentOf(stack, 'JobIngest');
    const settings = readSettings(env);
    expect(env.MISA_STORE).toBe('s3://the-bucket/misa');
    expect(settings.inputs).toEqual([{ bucket: 'the-bucket', prefix: 'in/departures/flights/', source: 'flights' }]);
    expect(settings.batchQueue(0, 3)).toBe('https://sqs/1/base-s0p3.fifo');
    expect(settings.cacheBytes).toBe(256 << 20);
    expect(settings.partitions).toBeUndefined();
    expect(settings.trace).toBe(false);
    expect(env.MISA_INPUT_QUEUE).toContain('InputQueue');
    expect(env.POWERTOOLS_SERVICE_NAME).toBe('departures');
    expect(readPlace(environmentOf(stack, 'Batchs0p2'))).toEqual({ stage: 0, partition: 2 });
  });

  test('are told of partitions and tracing that the stack sets', () => {
    const { stack: other } = makeStack({ partitions: 2, trace: true, cacheSize: Size.gibibytes(1) });
    const settings = readSettings(environmentOf(other, 'Batchs0p1'));
    expect(settings).toMatchObject({ partitions: 2, trace: true, cacheBytes: 2 ** 30 });
    expect(resourceOf(other, 'AWS::Lambda::Function', 'Batchs0p1').Properties.EphemeralStorage).toEqual({ Size: 1536 });
    expect(resourcesOf(other, 'AWS::SQS::Queue')).toHaveLength(14);
  });

  test('are invoked as their handlers expect', () => {
    const settings = (name: string): Properties => {
      const { id } = resourceOf(stack, 'AWS::Lambda::Function', name);
      const { Properties } = mappings.find((mapping) => mapping.Properties.FunctionName.Ref === id)!;
      expect(Properties.FunctionResponseTypes).toEqual(['ReportBatchItemFailures']);
      const { BatchSize, MaximumBatchingWindowInSeconds, ScalingConfig } = Properties;
      return [BatchSize, MaximumBatchingWindowInSeconds, ScalingConfig?.MaximumConcurrency];
    };
    expect(settings('JobIngest')).toEqual([10, 1, 2]);
    expect(settings('Batchs0p0')).toEqual([1, undefined, undefined]);
    expect(settings('JobFold')).toEqual([10, undefined, undefined]);
    expect(settings('JobCompact')).toEqual([10, undefined, undefined]);
    expect(settings('JobPreload')).toEqual([10, undefined, undefined]);
  });

  test('the schedule runs maintain every minute, and only this rule may', () => {
    const [rule] = resourcesOf(stack, 'AWS::Events::Rule');
    expect(rule!.Properties.ScheduleExpression).toBe('rate(1 minute)');
    const [permission] = resourcesOf(stack, 'AWS::Lambda::Permission');
    expect(permission!.Properties.SourceArn).toEqual({ 'Fn::GetAtt': [rule!.id, 'Arn'] });
    const { stack: slow } = makeStack({ sweepEvery: Duration.minutes(5) });
    expect(resourcesOf(slow, 'AWS::Events::Rule')[0]!.Properties.ScheduleExpression).toBe('rate(5 minutes)');
  });
});

describe('props that a function cannot work with are refused when the stack is made', () => {
  test.each([
    [{ timeout: Duration.seconds(3) }, 'timeout must be 10 seconds at least, and is 3'],
    [{ timeout: Duration.seconds(9) }, 'begins nothing in the last 8 of them'],
    [{ timeout: Duration.minutes(16) }, 'timeout may be 15 minutes at most'],
    [{ timeout: Duration.millis(10_500) }, 'timeout must be whole seconds, and is 10.5'],
    [{ memorySize: 127 }, 'memorySize must be whole MiB, 128 to 10240, and is 127'],
    [{ memorySize: 10_241 }, 'memorySize must be whole MiB'],
    [{ memorySize: 1769.5 }, 'memorySize must be whole MiB'],
  ])('%j', (props, message) => {
    expect(() => makeStack(props)).toThrow(message);
  });

  test('and those at the edge are not', () => {
    expect(() => makeStack({ timeout: Duration.seconds(10), memorySize: 128 })).not.toThrow();
    expect(() => makeStack({ timeout: Duration.minutes(15), memorySize: 10_240 })).not.toThrow();
  });
});

describe('admission', () => {
  const [admission] = resourcesOf(stack, 'Custom::MisaAdmission');

  test('is given what the stored state must fit', () => {
    expect(JSON.parse(admission!.Properties.Job)).toMatchObject({
      name: 'departures',
      partitions: 4,
      stages: 1,
      commit: 'async',
      outputs: [
        { name: 'hourly', stage: 0 },
        { name: 'late', stage: 0 },
      ],
    });
    expect(admission!.Properties.ServiceTimeout).toBe('180');
  });

  test('comes before every other function and every mapping', () => {
    for (const { id, DependsOn } of [...functions, ...mappings]) {
      if (id.includes('Admit')) expect(DependsOn).not.toContain(admission!.id);
      else expect(DependsOn).toContain(admission!.id);
    }
  });

  test('input is read only when every partition is there', () => {
    const ingest = mappings.find(({ id }) => id.includes('Ingest'))!;
    for (const { id } of functions.filter((f) => f.id.includes('Batch'))) expect(ingest.DependsOn).toContain(id);
  });
});

describe('what watches', () => {
  const alarms = resourcesOf(stack, 'AWS::CloudWatch::Alarm');
  const ids = alarms.map(({ id }) => id.replace(/^Job(Partitions)?|Alarm.*$/g, ''));

  test('there is an alarm for lag, halted partitions, waiting input, a sweep that stopped, and each queue and function', () => {
    const each = (names: string[], kinds: string[]): string[] =>
      names.flatMap((name) => kinds.map((kind) => name + kind));
    const partitions = ['s0p0', 's0p1', 's0p2', 's0p3'];
    expect(ids.sort()).toEqual(
      [
        ...['CollectionBehind', 'CommitLag', 'Halted', 'InputAge', 'LateRows', 'RecordsAge', 'SweepStopped'],
        ...each(['Input', 'Records', 'Fold', 'Compact', 'Plan', ...partitions], ['DeadLetters']),
        ...each(['Ingest', 'Fold', 'Compact', 'Maintain', 'Preload', ...partitions], ['Errors', 'Throttles']),
      ].sort(),
    );
  });

  test('commits may lag as far as the job lets them', () => {
    const { Properties } = resourceOf(stack, 'AWS::CloudWatch::Alarm', 'CommitLag');
    expect(Properties).toMatchObject({
      Namespace: 'Misa',
      MetricName: 'CommitLag',
      Threshold: 9,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      Dimensions: [
        { Name: 'function', Value: 'maintain' },
        { Name: 'service', Value: 'departures' },
      ],
    });
  });

  test('late rows sound by their share of a quarter of an hour, of a hundred rows at least', () => {
    const alarmOf = (made: Stack): Properties => resourceOf(made, 'AWS::CloudWatch::Alarm', 'LateRows').Properties;
    const { Metrics, ...alarm } = alarmOf(stack);
    expect(alarm).toMatchObject({
      Threshold: 10,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      EvaluationPeriods: 1,
      TreatMissingData: 'notBreaching',
    });
    expect(Metrics.find((m: Properties) => m.Expression !== undefined).Expression).toBe(
      'IF(rows >= 100, 100 * late / rows, 0)',
    );
    const read = Metrics.filter((m: Properties) => m.MetricStat !== undefined).map((m: Properties) => [
      m.Id,
      m.MetricStat.Metric.MetricName,
      m.MetricStat.Metric.Dimensions[0].Value,
      m.MetricStat.Period,
      m.MetricStat.Stat,
    ]);
    expect(read).toEqual([
      ['late', 'Late', 'batch', 900, 'Sum'],
      ['rows', 'Rows', 'batch', 900, 'Sum'],
    ]);
    expect(alarmOf(makeStack({ alarms: { lateShare: 0.255 } }).stack).Threshold).toBe(25.5);
    const without = makeStack({ alarms: { lateShare: false } }).stack;
    expect(
      resourcesOf(without, 'AWS::CloudWatch::Alarm')
        .map(({ id }) => id)
        .join(),
    ).not.toContain('LateRows');
    for (const lateShare of [0, -1, 1.5, 10, Number.NaN]) {
      expect(() => makeStack({ alarms: { lateShare } }), String(lateShare)).toThrow(/lateShare .* 0\.1 is one in ten/);
    }
  });

  test('maintain that fails in each round of garbage collection sounds, however seldom it runs', () => {
    const errorsOf = (made: Stack): Properties =>
      resourceOf(made, 'AWS::CloudWatch::Alarm', 'MaintainErrors').Properties;
    // A round begins each ten minutes, so each of these periods has one.
    expect(errorsOf(stack)).toMatchObject({
      MetricName: 'Errors',
      Statistic: 'Sum',
      Period: 900,
      EvaluationPeriods: 3,
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
    });
    expect(errorsOf(makeStack({ sweepEvery: Duration.minutes(20) }).stack).Period).toBe(3600);
    expect(resourceOf(stack, 'AWS::CloudWatch::Alarm', 'FoldErrors').Properties.Period).toBe(300);
  });

  test('collection that falls behind sounds', () => {
    expect(resourceOf(stack, 'AWS::CloudWatch::Alarm', 'CollectionBehind').Properties).toMatchObject({
      Namespace: 'Misa',
      MetricName: 'CollectionBehind',
      Statistic: 'Maximum',
      Threshold: 120,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    });
  });

  test('each says what to do', () => {
    for (const { Properties } of alarms) expect(Properties.AlarmDescription.length).toBeGreaterThan(60);
  });

  test('a topic is told; without alarms there are none', () => {
    const told = makeStack((own) => ({ alarmTopic: new Topic(own, 'Topic') })).stack;
    for (const { Properties } of resourcesOf(told, 'AWS::CloudWatch::Alarm')) {
      expect(Properties.AlarmActions).toHaveLength(1);
      expect(Properties.OKActions).toEqual(Properties.AlarmActions);
    }
    const quiet = makeStack({ alarms: false, dashboard: false }).stack;
    expect(resourcesOf(quiet, 'AWS::CloudWatch::Alarm')).toEqual([]);
    expect(resourcesOf(quiet, 'AWS::CloudWatch::Dashboard')).toEqual([]);
  });

  test('the dashboard is one page that CloudWatch can read', () => {
    const [dashboard] = resourcesOf(stack, 'AWS::CloudWatch::Dashboard');
    const body = JSON.parse(textOf(dashboard!.Properties.DashboardBody));
    const titles = body.widgets.map((widget: Properties) => widget.properties.title).filter(Boolean);
    expect(titles).toEqual(
      expect.arrayContaining(['Batch duration (ms)', 'Commit lag (batches)', 'State reads by tier']),
    );
    expect(titles).toContain('Late rows, in the time shown');
    for (const { x, width } of body.widgets) expect(x + width).toBeLessThanOrEqual(24);
  });

  test('the stack tells the command line where everything is', () => {
    const outputs = Template.fromStack(stack).toJSON().Outputs;
    expect(Object.keys(outputs)).toEqual([
      'JobName',
      'Store',
      'InputQueueUrl',
      'RecordsQueueUrl',
      'InputPrefix',
      'MaintainFunction',
      'Dashboard',
    ]);
    expect(outputs.JobName.Value).toBe('departures');
    expect(textOf(outputs.Store.Value)).toBe('s3://the-bucket/misa');
  });
});

describe('a customer key', () => {
  test('encrypts bucket and queues, and functions may use it', () => {
    const { stack: own } = makeStack((scope) => ({ encryptionKey: new Key(scope, 'Key') }));
    const [key] = resourcesOf(own, 'AWS::KMS::Key');
    for (const { Properties } of resourcesOf(own, 'AWS::SQS::Queue')) {
      expect(Properties.KmsMasterKeyId).toEqual({ 'Fn::GetAtt': [key!.id, 'Arn'] });
    }
    const [bucket] = resourcesOf(own, 'AWS::S3::Bucket');
    const [rule] = bucket!.Properties.BucketEncryption.ServerSideEncryptionConfiguration;
    expect(rule).toMatchObject({ BucketKeyEnabled: true });
    for (const { Properties } of resourcesOf(own, 'AWS::IAM::Role')) {
      const statements = Properties.Policies[0].PolicyDocument.Statement as Properties[];
      const use = statements.find(({ Sid }) => Sid === 'UseKey');
      expect(use.Resource).toEqual({ 'Fn::GetAtt': [key!.id, 'Arn'] });
    }
    const s3 = key!.Properties.KeyPolicy.Statement.find((s: Properties) => s.Principal.Service === 's3.amazonaws.com');
    expect(s3.Action).toEqual(['kms:GenerateDataKey', 'kms:Decrypt']);
  });
});

describe('many partitions', () => {
  const many = makeStack({ partitions: 100 });
  const nested = many.stack.node.findAll().filter((child): child is NestedStack => child instanceof NestedStack);
  const stacks = [many.stack, ...nested];

  test('stand in nested stacks, each below 500 resources', () => {
    expect(nested).toHaveLength(4);
    for (const one of stacks) {
      expect(Object.keys(Template.fromStack(one).toJSON().Resources).length).toBeLessThan(500);
    }
    const batch = stacks
      .flatMap((one) => resourcesOf(one, 'AWS::Lambda::Function'))
      .filter(({ id }) => id.includes('Batch'));
    expect(batch).toHaveLength(100);
    expect(many.job.batchFunctions).toHaveLength(100);
  });

  test('wait for admission, and input for them', () => {
    const groups = resourcesOf(many.stack, 'AWS::CloudFormation::Stack');
    const [admission] = resourcesOf(many.stack, 'Custom::MisaAdmission');
    const mappings = resourcesOf(many.stack, 'AWS::Lambda::EventSourceMapping').filter(({ id }) =>
      id.includes('Ingest'),
    );
    expect(mappings).toHaveLength(2);
    for (const { id, DependsOn } of groups) {
      expect(DependsOn).toContain(admission!.id);
      for (const { DependsOn: waitsFor } of mappings) expect(waitsFor).toContain(id);
    }
  });

  test('are named as functions expect, wherever they stand', () => {
    const names = stacks.flatMap((one) => resourcesOf(one, 'AWS::SQS::Queue').map((q) => q.Properties.QueueName));
    expect(names.filter((name) => /-s0p\d+\.fifo$/.test(name))).toHaveLength(100);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('a job of two stages', () => {
  const two = makeStack({ entry: TWO_STAGES });

  test('has queues and functions for each partition of each stage', () => {
    const batch = resourcesOf(two.stack, 'AWS::Lambda::Function').filter(({ id }) => id.includes('Batch'));
    const places = batch.map(({ Properties: { Environment } }) => readPlace(Environment.Variables));
    expect(places).toEqual([
      { stage: 0, partition: 0 },
      { stage: 0, partition: 1 },
      { stage: 1, partition: 0 },
      { stage: 1, partition: 1 },
    ]);
  });

  test('may share its stack with another job: names and outputs do not clash', () => {
    const { stack: both } = makeStack();
    new MisaJob(both, 'Second', { entry: TWO_STAGES });
    const names = resourcesOf(both, 'AWS::SQS::Queue').map((queue) => queue.Properties.QueueName);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(Template.fromStack(both).toJSON().Outputs)).toContain('SecondStore');
  });
});
