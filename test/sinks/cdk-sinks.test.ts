import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { AttributeType, type ITable, Table, TableEncryption, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { EventBus, type IEventBus } from 'aws-cdk-lib/aws-events';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { describe, expect, it } from 'vitest';
import { Sink } from '../../cdk/sinks.ts';

/** A stack whose function is bound to the sink that is made in it. */
function bound(make: (stack: Stack, home: Bucket) => Sink) {
  const stack = new Stack(new App(), 'Test');
  const fn = new LambdaFunction(stack, 'Fn', {
    code: Code.fromInline('exports.sink = async () => {}'),
    handler: 'index.sink',
    runtime: Runtime.NODEJS_22_X,
  });
  const bucket = new Bucket(stack, 'State');
  const settings = stack.resolve(make(stack, bucket).bind(stack, fn, { job: 'flights', bucket: bucket as IBucket }));
  const template = Template.fromStack(stack);
  const policies = Object.values(template.findResources('AWS::IAM::Policy'));
  return { settings, template, statements: policies.flatMap((p) => p.Properties.PolicyDocument.Statement) };
}

const arn = (id: RegExp) => ({ 'Fn::GetAtt': [expect.stringMatching(id), 'Arn'] });
const allow = (Action: unknown, Resource: unknown) => ({ Action, Effect: 'Allow', Resource });
const useKey = allow(['kms:Decrypt', 'kms:GenerateDataKey'], arn(/^Key/));

describe('sinks in a stack', () => {
  it('may send to their queue, and nothing else', () => {
    const { settings, statements } = bound((stack) => Sink.sqs(new Queue(stack, 'Queue'), { groupBy: 'key' }));
    expect(settings).toEqual({ kind: 'sqs', queueUrl: { Ref: expect.stringMatching(/^Queue/) }, groupBy: 'key' });
    expect(statements).toEqual([allow('sqs:SendMessage', arn(/^Queue/))]);
  });

  it('may use the key of an encrypted queue', () => {
    const { statements } = bound((stack) =>
      Sink.sqs(new Queue(stack, 'Queue', { encryptionMasterKey: new Key(stack, 'Key') })),
    );
    expect(statements).toEqual([allow('sqs:SendMessage', arn(/^Queue/)), useKey]);
  });

  it('may put events on their bus, and nothing else', () => {
    const { settings, statements } = bound((stack) =>
      Sink.eventBridge(new EventBus(stack, 'Bus') as IEventBus, { source: 'shop' }),
    );
    expect(settings).toEqual({ kind: 'eventbridge', bus: arn(/^Bus/), source: 'shop' });
    expect(statements).toHaveLength(1);
    expect(statements[0]).toMatchObject(allow('events:PutEvents', arn(/^Bus/)));
  });

  it('may put items and read the schema of their table, and use its key', () => {
    const { settings, statements } = bound((stack) => {
      const table = new Table(stack, 'Table', {
        partitionKey: { name: 'key', type: AttributeType.STRING },
        encryption: TableEncryption.CUSTOMER_MANAGED,
        encryptionKey: new Key(stack, 'Key'),
      });
      return Sink.dynamoDb(table as ITable, { partitionKey: 'carrier' });
    });
    expect(settings).toEqual({
      kind: 'dynamodb',
      table: { Ref: expect.stringMatching(/^Table/) },
      partitionKey: 'carrier',
    });
    expect(statements).toHaveLength(2);
    expect(statements[0].Action).toEqual(['dynamodb:PutItem', 'dynamodb:DescribeTable']);
    expect(JSON.stringify(statements[0].Resource)).toMatch(/Table/);
    expect(JSON.stringify(statements[0].Resource)).not.toMatch(/\*/);
    expect(statements[1]).toEqual(useKey);
  });

  it('takes global tables too', () => {
    const { statements } = bound((stack) =>
      Sink.dynamoDb(
        new TableV2(stack, 'Table', { partitionKey: { name: 'key', type: AttributeType.STRING } }) as ITable,
      ),
    );
    expect(statements).toHaveLength(1);
    expect(statements[0].Action).toEqual(['dynamodb:PutItem', 'dynamodb:DescribeTable']);
  });

  it('may put files under their prefix of the job’s bucket, and nothing else', () => {
    const { settings, statements } = bound(() => Sink.parquet({ columns: { v: 'json' } }));
    expect(settings).toEqual({
      kind: 'parquet',
      bucket: { Ref: expect.stringMatching(/^State/) },
      prefix: 'results/flights/',
      columns: { v: 'json' },
    });
    expect(statements).toEqual([allow('s3:PutObject', { 'Fn::Join': ['', [arn(/^State/), '/results/flights/*']] })]);
  });

  it('may put files into another bucket, and use its key', () => {
    const { settings, statements } = bound((stack) =>
      Sink.ndjson({
        bucket: new Bucket(stack, 'Other', { encryptionKey: new Key(stack, 'Key') }) as IBucket,
        prefix: 'x/',
      }),
    );
    expect(settings).toEqual({ kind: 'ndjson', bucket: { Ref: expect.stringMatching(/^Other/) }, prefix: 'x/' });
    expect(statements).toEqual([allow('s3:PutObject', { 'Fn::Join': ['', [arn(/^Other/), '/x/*']] }), useKey]);
  });

  it('leave resources of others alone', () => {
    const { template } = bound((stack) =>
      Sink.sqs(Queue.fromQueueArn(stack, 'Q', 'arn:aws:sqs:eu-west-1:123456789012:q')),
    );
    template.resourceCountIs('AWS::SQS::QueuePolicy', 0);
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: { Statement: [{ Action: 'sqs:SendMessage', Resource: 'arn:aws:sqs:eu-west-1:123456789012:q' }] },
      PolicyName: Match.anyValue(),
    });
  });

  it('are checked when the stack is synthesized', () => {
    const failing = (make: Parameters<typeof bound>[0]) => () => bound(make);
    expect(failing(() => Sink.parquet({ prefix: 'no-slash' }))).toThrow(/end with '\/'/);
    expect(failing(() => Sink.ndjson({ prefix: 'in/flights/hourly/' }))).toThrow(/taken for state or input/);
    expect(failing(() => Sink.ndjson({ prefix: 'misa/x/' }))).toThrow(/taken for state or input/);
    expect(failing((stack) => Sink.eventBridge(new EventBus(stack, 'B') as IEventBus, { source: 'aws.x' }))).toThrow(
      /aws\./,
    );
  });
});
