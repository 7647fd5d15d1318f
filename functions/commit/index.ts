/**
 * Functions behind the batches, the only ones that change manifests in the ordinary course: `fold` and `compact` by their
 * queues, `maintain` by the clock. `admit` runs at deployment and refuses a job that does not fit its state.
 */
import job from 'misa-job';
import { admit as admitJob } from '../../lib/aws/admit.ts';
import { CommitFunction } from '../../lib/aws/commit-function.ts';
import { foldRecords } from '../../lib/aws/fold-records.ts';
import { eventLambda, sqsLambda } from '../../lib/aws/lambda.ts';
import { Maintain, type MaintainOptions } from '../../lib/aws/maintain.ts';
import { decodeMessage } from '../../lib/aws/messages.ts';
import { s3InputObjects } from '../../lib/aws/s3-input-objects.ts';
import { eachRecord } from '../../lib/aws/sqs-function.ts';

export const fold = sqsLambda({
  name: 'fold',
  job,
  feed: (settings) => settings.foldQueue,
  open: (env) => new CommitFunction(env),
  work: (state, records) => foldRecords(state, records),
});

export const compact = sqsLambda({
  name: 'compact',
  job,
  feed: (settings) => settings.compactQueue,
  open: (env) => new CommitFunction(env),
  work: (state, records, invocation) =>
    eachRecord(records, (record) => state.compact(decodeMessage(record.body, 'compact'), invocation)),
});

export const maintain = eventLambda({
  name: 'maintain',
  job,
  open: (env) => new Maintain(env, s3InputObjects(env)),
  work: (state, event: MaintainOptions, invocation) => state.run(event, invocation),
});

export const admit = admitJob(job);
