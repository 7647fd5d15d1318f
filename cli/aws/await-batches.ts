/** Waits until the batches of what was sent are run, so that it can be told what became of the rows. */
import { systemClock } from '../../lib/util/clock.ts';
import { Positions } from '../state/positions.ts';
import { totalsOfJob } from '../state/totals.ts';
import { openViews } from '../state/views.ts';
import type { Steps } from '../steps.ts';
import { number } from '../text.ts';
import type { DeployedJob } from './deployed-job.ts';

const LOOK_MS = 1000;
/** The wait ends when nothing has moved for this long: a trigger may be lost, functions cold, a partition busy. */
const PATIENCE_MS = 15_000;

/** Late rows of the job so far. */
export async function lateSoFar(job: DeployedJob): Promise<number> {
  return totalsOfJob(await openViews(job))?.late ?? 0;
}

/** @returns whether all partitions have run all batches that are planned by now; not where one is halted, or nothing moves */
export async function awaitBatches(job: DeployedJob, steps: Steps): Promise<boolean> {
  const positions = new Positions(job);
  let { planned: wanted, committed, halted } = await positions.read();
  for (let idleMs = 0; committed < wanted; ) {
    if (halted.length > 0 || idleMs >= PATIENCE_MS) return false;
    steps.at(`${number(committed)} of ${number(wanted)}`);
    await systemClock.sleep(LOOK_MS);
    const next = await positions.read();
    idleMs = next.committed > committed ? 0 : idleMs + LOOK_MS;
    ({ committed, halted } = next);
  }
  return true;
}
