/** The queues of a deployed job, for `misa status`: how many messages wait in each, and in its dead-letter queue. */
import { number, type Style, table } from '../text.ts';
import type { DeployedJob } from './deployed-job.ts';
import { JobQueues, messagesIn, type QueueStatus } from './queues.ts';
import { Stacks } from './stack.ts';

export interface QueueReport {
  readonly name: string;
  readonly waiting: number;
  readonly inFlight: number;
  readonly delayed: number;
  /** In its dead-letter queue. */
  readonly dead: number;
}

export async function queueReports({ stack }: DeployedJob): Promise<QueueReport[]> {
  const stacks = await Stacks.open();
  try {
    const queues = await JobQueues.open(await stacks.resources(stack.name));
    return reportsOf(await queues.depths());
  } finally {
    stacks.close();
  }
}

/** Each queue with its dead-letter queue, whose name is its own and `-dead`. */
export function reportsOf(statuses: readonly QueueStatus[]): QueueReport[] {
  const dead = new Map(statuses.filter((queue) => queue.dead).map((queue) => [queue.name, messagesIn(queue)]));
  return statuses
    .filter((queue) => !queue.dead)
    .map(({ name, visible, inFlight, delayed }) => ({
      name,
      waiting: visible,
      inFlight,
      delayed,
      dead: dead.get(`${name}-dead`) ?? 0,
    }));
}

export function queueTable(reports: readonly QueueReport[], { bad }: Pick<Style, 'bad'>): string {
  const columns = [
    { title: 'queue' },
    ...['waiting', 'in flight', 'delayed', 'given up'].map((title) => ({ title, right: true })),
  ];
  const rows = reports.map(({ name, waiting, inFlight, delayed, dead }) => [
    name,
    number(waiting),
    number(inFlight),
    number(delayed),
    number(dead),
  ]);
  const givenUp = reports.filter(({ dead }) => dead > 0).map(({ name, dead }) => `${number(dead)} of ${name}`);
  const advice =
    givenUp.length === 0
      ? ''
      : bad(
          `  messages were given up: ${givenUp.join(', ')}. docs/aws.md says how to look at them and send them again\n`,
        );
  return table(columns, rows) + advice;
}
