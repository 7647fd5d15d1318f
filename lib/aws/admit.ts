/**
 * Runs in every deployment, before anything reads messages: makes the job's file, or checks that the job to be deployed fits
 * the state that is there. One that does not is refused with the reason, and the deployment rolls back.
 *
 * Speaks the protocol of CloudFormation's custom resources: the answer is an HTTP PUT to the URL in the request.
 */
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { errorText } from '../errors.ts';
import { openJob } from '../job/job-context.ts';
import type { Job } from '../stream/api/job.ts';
import { changeWords } from '../stream/compile/layout-change.ts';
import { systemClock } from '../util/clock.ts';
import { cutText } from '../util/text.ts';
import { asInvocation } from './invocation.ts';
import { observe } from './observe.ts';
import { openServices } from './open-services.ts';
import { readSettings } from './settings.ts';

/** CloudFormation cuts an answer at 4096 bytes. */
const REASON_CHARS = 1500;

export function admit(
  job: Job<unknown>,
): (event: CloudFormationCustomResourceEvent, context: Context) => Promise<void> {
  const report = observe('admit');
  return async (event, context) => {
    report.begin(context);
    const { StackId, RequestId, LogicalResourceId } = event;
    const earlier = 'PhysicalResourceId' in event ? event.PhysicalResourceId : `${LogicalResourceId}-job`;
    const answer = {
      StackId,
      RequestId,
      LogicalResourceId,
      PhysicalResourceId: earlier,
      Status: 'SUCCESS',
      Reason: '',
    };
    try {
      // State outlives the stack: it is deleted with its bucket, or not at all.
      if (event.RequestType !== 'Delete') {
        const remainingMs = context.getRemainingTimeInMillis();
        await asInvocation(systemClock, { remainingMs, marginMs: 3000 }, async () => {
          const services = await openServices(job, readSettings(process.env), report);
          const { changes } = await openJob(services.job, { ...services, trace: report });
          for (const change of changes) report.info(changeWords(change));
        });
      }
    } catch (error) {
      report.error('the job is refused', error);
      answer.Status = 'FAILED';
      answer.Reason = cutText(errorText(error), REASON_CHARS);
    }
    await fetch(event.ResponseURL, { method: 'PUT', body: JSON.stringify(answer), headers: { 'content-type': '' } });
  };
}
