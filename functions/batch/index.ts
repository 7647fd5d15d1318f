/**
 * Functions on the way of the rows. `ingest` makes plans of what comes to the input queue; `batch` runs the batches of one
 * partition of one stage. All they do is in `lib/aws`.
 */
import job from 'misa-job';
import { BatchFunction } from '../../lib/aws/batch-function.ts';
import { deliveryOf } from '../../lib/aws/deliveries.ts';
import { inSentOrder, passedOver } from '../../lib/aws/in-order.ts';
import { Ingest } from '../../lib/aws/ingest.ts';
import { sqsLambda } from '../../lib/aws/lambda.ts';
import { decodeMessage } from '../../lib/aws/messages.ts';
import { s3InputObjects } from '../../lib/aws/s3-input-objects.ts';
import { readPlace } from '../../lib/aws/settings.ts';
import { eachRecord, isFifo, triesOf } from '../../lib/aws/sqs-function.ts';

export const ingest = sqsLambda({
  name: 'ingest',
  job,
  feed: (_, [record]) =>
    record !== undefined && isFifo(record) ? process.env.MISA_RECORDS_QUEUE : process.env.MISA_INPUT_QUEUE,
  atOnce: passedOver,
  open: (env) => new Ingest(env, s3InputObjects(env)),
  work: (state, records, invocation) => state.run(inSentOrder(records).map(deliveryOf), invocation),
});

export const batch = sqsLambda({
  name: 'batch',
  job,
  cached: true,
  fields: { stage: process.env.MISA_STAGE, partition: process.env.MISA_PARTITION },
  feed: (settings) => {
    const { stage, partition } = readPlace(process.env);
    return settings.batchQueue(stage, partition);
  },
  open: (env) => new BatchFunction(env, readPlace(process.env)),
  work: (state, records, invocation) =>
    eachRecord(records, (record) => state.run(decodeMessage(record.body, 'batch'), invocation, triesOf(record))),
  ended: (state) => state.ended(),
});
