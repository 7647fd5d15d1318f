import { Bucket, EventType, type IBucket } from 'aws-cdk-lib/aws-s3';
import { SqsDestination } from 'aws-cdk-lib/aws-s3-notifications';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { describe, expect, test } from 'vitest';
import { Sink } from '../../cdk/index.ts';
import { grantsOf, makeStack, type Properties, resourceOf, resourcesOf, textOf } from './make-stack.ts';

describe('sinks', () => {
  const { stack } = makeStack((own) => ({
    sinks: {
      hourly: [Sink.ndjson(), Sink.sqs(new Queue(own, 'Target'))],
      _quarantine: Sink.ndjson({ prefix: 'bad/' }),
    },
  }));

  test('are told of results by the bucket, through a queue and a function of their own', () => {
    const { QueueConfigurations } = resourceOf(stack, 'AWS::S3::Bucket', 'Bucket').Properties.NotificationConfiguration;
    const told = QueueConfigurations.map((one: Properties) => [
      one.Filter.S3Key.Rules[0].Value,
      one.Queue['Fn::GetAtt'][0].replace(/[0-9A-F]{8}$/, ''),
    ]);
    expect(told).toEqual([
      ['in/departures/', 'JobInputQueue'],
      ['misa/departures/e1/out/', 'JobResultsQueue'],
    ]);
    const mapping = resourceOf(stack, 'AWS::Lambda::EventSourceMapping', 'Sink');
    expect(mapping.Properties.EventSourceArn['Fn::GetAtt'][0]).toContain('ResultsQueue');
  });

  test('are listed for the function, each with its output', () => {
    const { Variables } = resourceOf(stack, 'AWS::Lambda::Function', 'JobSink').Properties.Environment;
    const sinks = JSON.parse(textOf(Variables.MISA_SINKS)) as { output: string; kind: string }[];
    expect(sinks.map(({ output, kind }) => `${output} ${kind}`)).toEqual([
      'hourly ndjson',
      'hourly sqs',
      '_quarantine ndjson',
    ]);
    expect(Variables.MISA_RESULTS_QUEUE.Ref).toContain('ResultsQueue');
  });

  test('give their function what they need, and nothing of the job to write but notes of what it has taken', () => {
    const writes = grantsOf(stack, 'SinkRole').filter((grant) =>
      /Put|Send|Delete/.test(grant.replace(/^sqs:Delete.*|^xray.*|^logs.*/, '')),
    );
    expect(writes).toEqual([expect.stringMatching(/^s3:PutObject on .*\/misa\/departures\/e\*\/taken\/\*$/)]);
    const granted = JSON.stringify(resourceOf(stack, 'AWS::IAM::Policy', 'SinkRole').Properties.PolicyDocument);
    expect(granted).toContain('sqs:SendMessage');
    expect(granted).toContain('bad/*');
  });

  test('let maintain announce again what did not come to them', () => {
    const { Variables } = resourceOf(stack, 'AWS::Lambda::Function', 'JobMaintain').Properties.Environment;
    expect(Variables.MISA_SINK_OUTPUTS).toBe('hourly,_quarantine');
    expect(Variables.MISA_RESULTS_QUEUE.Ref).toContain('ResultsQueue');
    const grants = grantsOf(stack, 'MaintainRole');
    expect(grants.filter((grant) => /^sqs:SendMessage on .*-results$/.test(grant))).toHaveLength(1);
    expect(grants.filter((grant) => /^s3:PutObject on .*e\*\/delivered$/.test(grant))).toHaveLength(1);
  });

  test('without them there is neither queue nor function', () => {
    const { stack: plain } = makeStack();
    expect(JSON.stringify(resourcesOf(plain, 'AWS::SQS::Queue'))).not.toContain('results');
  });

  test('of an output that the job does not have are refused, with those that it has', () => {
    expect(() => makeStack({ sinks: { hurly: Sink.ndjson() } })).toThrow(
      "sinks name the output 'hurly': job departures has hourly, late, _quarantine",
    );
  });
});

describe('further inputs', () => {
  const { stack, job } = makeStack((own) => ({
    inputs: { flights: { bucket: Bucket.fromBucketName(own, 'Data', 'the-data'), prefix: 'raw/flights/' } },
  }));

  test('are read by ingest alone, versions too', () => {
    const arn = 'arn:<AWS::Partition>:s3:::the-data/raw/flights/*';
    expect(grantsOf(stack, 'IngestRole')).toEqual(
      expect.arrayContaining([`s3:GetObject on ${arn}`, `s3:GetObjectVersion on ${arn}`]),
    );
    expect(grantsOf(stack, 'FoldRole').join()).not.toContain('the-data');
  });

  test('tell the input queue of new objects', () => {
    const [notifications] = resourcesOf(stack, 'Custom::S3BucketNotifications');
    const [told] = notifications!.Properties.NotificationConfiguration.QueueConfigurations;
    expect(told.Filter.Key.FilterRules).toEqual([{ Name: 'prefix', Value: 'raw/flights/' }]);
    expect(notifications!.Properties.Managed).toBe(false);
  });

  test('are told to the functions beside the job’s own prefix', () => {
    const { Variables } = resourceOf(stack, 'AWS::Lambda::Function', 'JobIngest').Properties.Environment;
    expect(JSON.parse(textOf(Variables.MISA_INPUTS))).toEqual([
      { bucket: 'the-bucket', prefix: 'in/departures/flights/', source: 'flights' },
      { bucket: 'the-data', prefix: 'raw/flights/', source: 'flights' },
    ]);
    expect(textOf(stack.resolve(job.inputPrefix))).toBe('s3://the-bucket/in/departures/');
  });

  test('of a source that the job does not have are refused', () => {
    expect(() =>
      makeStack((own) => ({ inputs: { trains: { bucket: Bucket.fromBucketName(own, 'Data', 'the-data') } } })),
    ).toThrow("inputs name the source 'trains': job departures reads flights");
  });

  test('whose prefix is no folder, or holds the state, are refused', () => {
    const given = (prefix: string) => () =>
      makeStack((own) => {
        const bucket = new Bucket(own, 'Own') as IBucket;
        return { bucket, inputs: { flights: { bucket, prefix } } };
      });
    expect(given('raw')).toThrow("must end with '/'");
    expect(given('')).toThrow('would hold what the job writes under misa/');
    expect(given('misa/other/')).toThrow('would hold what the job writes under misa/');
    expect(given('raw/')).not.toThrow();
  });
});

test('a bucket of the user’s own is used as it is, with our notifications added to it', () => {
  const { stack } = makeStack((own) => ({ bucket: new Bucket(own, 'Given') as IBucket }));
  expect(resourcesOf(stack, 'AWS::S3::Bucket')).toHaveLength(1);
  const [notifications] = resourcesOf(stack, 'Custom::S3BucketNotifications');
  const [told] = notifications!.Properties.NotificationConfiguration.QueueConfigurations;
  expect(told.Filter.Key.FilterRules).toEqual([{ Name: 'prefix', Value: 'in/departures/' }]);
});

test('notifications that users add to the job’s bucket stand beside ours', () => {
  const { stack, job } = makeStack();
  const destination = new SqsDestination(new Queue(stack, 'Elsewhere'));
  job.bucket.addEventNotification(EventType.OBJECT_CREATED, destination, { prefix: 'elsewhere/' });
  const [added] = resourcesOf(stack, 'Custom::S3BucketNotifications');
  expect(added!.Properties.Managed).toBe(false);
});
