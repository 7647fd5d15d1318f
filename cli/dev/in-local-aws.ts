/** Runs something in a local AWS that is there for it alone, and is gone afterwards, whatever happened. */
import { errorText } from '../../lib/errors.ts';
import type { LocalCloud } from '../../lib/local-aws/local-clouds.ts';
import { environmentText } from '../aws/environment.ts';
import type { Steps } from '../steps.ts';
import { type LocalAws, startLocalAws } from './local-aws.ts';
import { cleanUp, Session } from './session.ts';

export interface InLocalAws {
  readonly cloud: LocalCloud;
  /** Name of the job. */
  readonly job: string;
  readonly steps: Steps;
  readonly port: number | undefined;
  /** Whether the local AWS stays, when the work is done or has failed, until the signal comes. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

export async function inLocalAws(options: InLocalAws, work: (endpoint: string) => Promise<void>): Promise<void> {
  const { cloud, job, steps, port, keep, signal } = options;
  for (const left of await cleanUp()) {
    steps.note(`A local AWS was left over from job ${left.job} (process ${left.awsPid}): it is ended.`);
  }
  const session = Session.begin(job);
  let aws: LocalAws | undefined;
  try {
    aws = await startLocalAws({ cloud, session, steps, port, signal });
    try {
      await work(aws.endpoint);
    } catch (error) {
      if (keep && !signal.aborted) steps.note(`misa: ${errorText(error)}`);
      throw error;
    } finally {
      if (keep && !signal.aborted) await stay(aws.endpoint, steps, signal);
    }
  } finally {
    await aws?.stop();
    session.remove();
  }
}

function stay(endpoint: string, steps: Steps, signal: AbortSignal): Promise<void> {
  steps.step('keep', 'The local AWS is kept until Ctrl-C');
  steps.note(environmentText(endpoint));
  return new Promise((resolve) => {
    // Keeps the process alive until the signal comes.
    const alive = setInterval(() => {}, 60_000);
    const end = (): void => {
      clearInterval(alive);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });
}
