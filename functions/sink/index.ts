/** Takes results to where they are wanted: is told by S3 of each new result object, and delivers it to its output's sinks. */
import job from 'misa-job';
import { sqsLambda } from '../../lib/aws/lambda.ts';
import { openSinkFunction } from '../../lib/aws/sink-function.ts';

export const sink = sqsLambda({
  name: 'sink',
  job,
  feed: () => process.env.MISA_RESULTS_QUEUE,
  open: (env) => openSinkFunction(env, process.env.MISA_SINKS),
  work: (state, records, invocation) => state.run(records, invocation),
});
