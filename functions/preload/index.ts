/** Warms the next batch's tiers ahead of it: reads plan notices, writes warm packs for partitions that are likely cold. */
import job from 'misa-job';
import { sqsLambda } from '../../lib/aws/lambda.ts';
import { decodeMessage } from '../../lib/aws/messages.ts';
import { PreloadFunction } from '../../lib/aws/preload-function.ts';
import { eachRecord } from '../../lib/aws/sqs-function.ts';

export const preload = sqsLambda({
  name: 'preload',
  job,
  cached: true,
  feed: (settings) => settings.planQueue,
  open: (env) => new PreloadFunction(env),
  work: (state, records) =>
    eachRecord(records, async (record) => {
      await state.run(decodeMessage(record.body, 'plan'));
    }),
});
