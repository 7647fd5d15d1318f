/** What the CDK prints, as progress and reasons. Lines as `aws-cdk` 2.1148 prints them with `--progress events`. */
import { describe, expect, it } from 'vitest';
import { CdkEvents, plainReason, progressText } from '../../cli/aws/cdk-events.ts';

const FAILING = `
Misa-clicks: start: Building Admit/Code
Misa-clicks: success: Published Misa-clicks Template (current_account-current_region-8214f8ca)
Misa-clicks: creating CloudFormation changeset...
Misa-clicks: deploying... [1/1]
Misa-clicks |  0/11 | 4:24:11 AM | CREATE_IN_PROGRESS      | AWS::CloudFormation::Stack          | Misa-clicks
Misa-clicks |  1/11 | 4:24:11 AM | CREATE_COMPLETE         | AWS::SQS::Queue                     | Input (Input49F21B70)
Misa-clicks |  6/11 | 4:24:11 AM | CREATE_FAILED           | Custom::MisaAdmission | Job/Admission/Default (JobAdmission3F) job clicks does not fit its state in this store: partitions: 4 in the store, 2 in the job.
Misa-clicks |  6/11 | 4:24:11 AM | CREATE_FAILED           | AWS::S3::Bucket | Job/Bucket/Resource (JobBucket00) Resource creation cancelled
Misa-clicks |  6/11 | 4:24:11 AM | ROLLBACK_IN_PROGRESS    | AWS::CloudFormation::Stack          | Misa-clicks Rollback requested
Misa-clicks |  9/3  | 4:24:29 AM | UPDATE_COMPLETE         | AWS::IAM::Role | Job/Role (JobRole11)

Failed resources:
Misa-clicks | 4:24:11 AM | CREATE_FAILED           | Custom::MisaAdmission | Job/Admission/Default (JobAdmission3F) job clicks does not fit its state in this store: partitions: 4 in the store, 2 in the job.
❌  Misa-clicks failed to deploy
`
  .trim()
  .split('\n');

function eventsAfter(lines: readonly string[]): CdkEvents {
  const events = new CdkEvents();
  for (const line of lines) events.line(line);
  return events;
}

describe('events of the CDK', () => {
  it('become phases, then resource counts with the latest resource', () => {
    expect(progressText(eventsAfter([]).progress)).toBe('preparing');
    expect(progressText(eventsAfter(FAILING.slice(0, 1)).progress)).toBe('uploading code and templates');
    expect(progressText(eventsAfter(FAILING.slice(0, 3)).progress)).toBe('comparing with what is there');
    expect(progressText(eventsAfter(FAILING.slice(0, 6)).progress)).toBe('1/11 resources · SQS Queue Input');
  });

  it('tell a change of progress once', () => {
    const events = new CdkEvents();
    expect(FAILING.slice(0, 4).map((line) => events.line(line))).toEqual([true, false, true, false]);
  });

  it('never count beyond the total, though an update deletes more than it makes', () => {
    expect(eventsAfter(FAILING).progress).toMatchObject({ done: 3, total: 3 });
  });

  it('keep the resource that failed by itself, once, and not those that were cancelled for it', () => {
    expect(eventsAfter(FAILING).failed).toEqual([
      {
        type: 'Custom::MisaAdmission',
        path: 'Job/Admission/Default',
        reason: 'job clicks does not fit its state in this store: partitions: 4 in the store, 2 in the job.',
      },
    ]);
  });

  it('say that there was nothing to do', () => {
    expect(eventsAfter(['✅  Misa-clicks (no changes)']).unchanged).toBe(true);
    expect(eventsAfter(FAILING).unchanged).toBe(false);
  });

  it('are read whatever the CDK writes between them', () => {
    const events = eventsAfter(['', 'Misa-clicks', '| | |', 'a | 1/2 | b', '‣ DeploymentError: no']);
    expect(events.progress).toEqual({ phase: 'synthesis', done: 0, total: 0, latest: undefined });
  });
});

describe('a reason of CloudFormation', () => {
  it('is shown without what CloudFormation wraps it in', () => {
    const wrapped =
      'Received response status [FAILED] from custom resource. Message returned: job clicks has changed. (RequestId: 1-2-3)';
    expect(plainReason(wrapped)).toBe('job clicks has changed.');
  });
});
