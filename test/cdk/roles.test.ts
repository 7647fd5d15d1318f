import { describe, expect, test } from 'vitest';
import { grantsOf, makeStack, type Properties, resourcesOf, TWO_STAGES } from './make-stack.ts';

const { stack } = makeStack();
const two = makeStack({ entry: TWO_STAGES }).stack;
const ROLES = ['AdmitRole', 'IngestRole', 'FoldRole', 'CompactRole', 'MaintainRole', 'PreloadRole', 'Batchs0p0Role'];

/** What a role may do to objects, without the bucket's name. */
function objectsOf(role: string, action: string, from = stack): string[] {
  const pattern = new RegExp(`^s3:${action} on <Job\\w+\\.Arn>/(.*)$`);
  return grantsOf(from, role).flatMap((grant) => pattern.exec(grant)?.[1] ?? []);
}

function sendsOf(role: string, from = stack): string[] {
  return grantsOf(from, role).flatMap(
    (grant) => /^sqs:SendMessage on .*:Misa-departures-\w+-(.*)$/.exec(grant)?.[1] ?? [],
  );
}

describe('every role', () => {
  test('is a function’s own, without managed policies', () => {
    for (const { Properties } of resourcesOf(stack, 'AWS::IAM::Role')) {
      expect(Properties.ManagedPolicyArns).toBeUndefined();
      expect(Properties.AssumeRolePolicyDocument.Statement[0].Principal).toEqual({ Service: 'lambda.amazonaws.com' });
    }
    const used = resourcesOf(stack, 'AWS::Lambda::Function').map((f) => f.Properties.Role['Fn::GetAtt'][0]);
    expect(new Set(used).size).toBe(used.length);
    expect(resourcesOf(stack, 'AWS::IAM::Policy')).toEqual([]);
  });

  test('names each action, and a resource for all but X-Ray, which has none', () => {
    for (const { Properties } of resourcesOf(stack, 'AWS::IAM::Role')) {
      for (const { Action, Resource, Sid } of Properties.Policies[0].PolicyDocument.Statement as Properties[]) {
        expect([Action].flat().join()).not.toContain('*');
        if (Sid !== 'SendTraces') expect([Resource].flat()).not.toContain('*');
      }
    }
  });

  test('may list the job’s own objects, so that a missing one is told from a forbidden one', () => {
    for (const { Properties } of resourcesOf(stack, 'AWS::IAM::Role')) {
      const list = Properties.Policies[0].PolicyDocument.Statement.find((s: Properties) => s.Sid === 'TellAbsence');
      expect(list.Condition.StringLikeIfExists['s3:prefix']).toContain('misa/departures/*');
    }
  });

  test('only ingest and maintain may list input', () => {
    const listing = resourcesOf(stack, 'AWS::IAM::Role').filter(({ Properties }) =>
      JSON.stringify(Properties.Policies[0].PolicyDocument).includes('in/departures/*"]}'),
    );
    expect(listing.map(({ id }) => id.replace(/^Job|[0-9A-F]{8}$/g, '')).sort()).toEqual([
      'IngestRole',
      'MaintainRole',
    ]);
  });

  test('only maintain may delete', () => {
    const deleting = ROLES.filter((role) => grantsOf(stack, role).some((grant) => grant.startsWith('s3:Delete')));
    expect(deleting).toEqual(['MaintainRole']);
    expect(objectsOf('MaintainRole', 'DeleteObject')).toEqual(['misa/departures/e*/*']);
  });
});

describe('what a function writes', () => {
  test.each([
    ['AdmitRole', ['job.json']],
    ['IngestRole', ['e*/seg/*', 'e*/plan/*', 'e*/planner/sst/*', 'e*/planner/manifest']],
    ['Batchs0p0Role', ['e*/s0/p0/log/*', 'e*/s0/p0/sst/*', 'e*/s0/p0/manifest', 'e*/s0/p0/starts', 'e*/out/*/p0/*']],
    ['FoldRole', ['e*/*/sst/*', 'e*/*/manifest', 'e*/out/*']],
    ['CompactRole', ['e*/*/sst/*', 'e*/*/manifest']],
    ['PreloadRole', ['e*/*/warm/*']],
    [
      'MaintainRole',
      ['e*/seg/*', 'e*/plan/*', 'e*/*/manifest', 'e*/*/unnamed', 'e*/*/sst/*', 'e*/deleted-results', 'e*/maintain'],
    ],
  ])('%s', (role, names) => {
    expect(objectsOf(role, 'PutObject')).toEqual(names.map((name) => `misa/departures/${name}`));
  });

  test('with tracing, spans too', () => {
    const traced = makeStack({ trace: true }).stack;
    expect(objectsOf('FoldRole', 'PutObject', traced)).toContain('misa/departures/e*/trace/*');
    expect(objectsOf('FoldRole', 'PutObject')).not.toContain('misa/departures/e*/trace/*');
  });

  test('input is read by ingest alone', () => {
    const reading = ROLES.filter((role) => objectsOf(role, 'GetObject').includes('in/departures/*'));
    expect(reading).toEqual(['IngestRole']);
  });
});

describe('where a function sends', () => {
  test.each([
    ['IngestRole', ['s0p*.fifo', 'plan', 'fold.fifo']],
    ['Batchs0p0Role', ['fold.fifo']],
    ['FoldRole', ['compact.fifo']],
    ['CompactRole', []],
    ['PreloadRole', []],
    ['AdmitRole', []],
    ['MaintainRole', ['s*.fifo', 'fold.fifo', 'input']],
  ])('%s', (role, names) => {
    expect(sendsOf(role)).toEqual(names);
  });

  test('a stage sends to the next, and the last to none', () => {
    expect(sendsOf('Batchs0p1Role', two)).toEqual(['fold.fifo', 's1p*.fifo']);
    expect(sendsOf('Batchs1p0Role', two)).toEqual(['fold.fifo']);
  });

  test('no function may send to the queue that feeds it', () => {
    for (const from of [stack, two]) {
      const queues = resourcesOf(from, 'AWS::SQS::Queue');
      for (const { Properties, id } of resourcesOf(from, 'AWS::Lambda::EventSourceMapping')) {
        const name = queues.find((q) => q.id === Properties.EventSourceArn['Fn::GetAtt'][0])!.Properties.QueueName;
        const role = id
          .replace(/^Job(Partitions)?/, '')
          .replace(/Queue\w*$/, '')
          .replace(/[0-9A-F]{8}$/, '');
        const sends = sendsOf(`${role}Role`, from).map((pattern) => new RegExp(`-${pattern.replaceAll('*', '.*')}$`));
        expect(sends.filter((pattern) => pattern.test(name))).toEqual([]);
      }
    }
  });
});
