/** How much waits in the queues of a deployed job: asked of the queues that are resources of its stack. */
import type { Queue, QueueDepth, ReceivedMessage } from '../../lib/queue/queue.ts';
import { SqsQueues } from '../../lib/queue/sqs-queue.ts';
import { systemClock } from '../../lib/util/clock.ts';
import { pushAll } from '../../lib/util/numbers.ts';
import { systemRandom } from '../../lib/util/random.ts';
import type { StackResource } from './stack.ts';

export interface JobQueue {
  /** Without what the names of all queues of the job begin with: `input`, `s0p1`, `fold-dead`. */
  readonly name: string;
  readonly url: string;
  /** It is a dead-letter queue. */
  readonly dead: boolean;
}

export interface QueueStatus extends JobQueue, QueueDepth {}

/** Queues that are asked in parallel. */
const AT_ONCE = 16;
const DEAD = /-dead$/;

/** The queues among the resources; dead-letter queues last. */
export function queuesOf(resources: readonly StackResource[]): JobQueue[] {
  const urls = resources.filter(({ type }) => type === 'AWS::SQS::Queue').map(({ id }) => id);
  const names = urls.map((url) => url.slice(url.lastIndexOf('/') + 1).replace(/\.fifo$/, ''));
  const prefix = commonPrefix(names);
  return urls
    .map((url, i) => ({ name: names[i]!.slice(prefix.length), url, dead: DEAD.test(names[i]!) }))
    .sort((a, b) => Number(a.dead) - Number(b.dead) || a.name.localeCompare(b.name, 'en', { numeric: true }));
}

/** Up to and with the last `-` that all have before they differ. */
function commonPrefix(names: readonly string[]): string {
  const [first = '', ...others] = names;
  let length = others.length === 0 ? 0 : first.length;
  for (const name of others) {
    while (!name.startsWith(first.slice(0, length))) length--;
  }
  return first.slice(0, first.slice(0, length).lastIndexOf('-') + 1);
}

export class JobQueues {
  readonly all: readonly JobQueue[];
  readonly #queues: SqsQueues;

  private constructor(all: readonly JobQueue[], queues: SqsQueues) {
    this.all = all;
    this.#queues = queues;
  }

  static async open(resources: readonly StackResource[]): Promise<JobQueues> {
    return new JobQueues(queuesOf(resources), await openQueues());
  }

  async depths(wanted: (queue: JobQueue) => boolean = () => true): Promise<QueueStatus[]> {
    const statuses: QueueStatus[] = [];
    const asked = this.all.filter(wanted);
    for (let at = 0; at < asked.length; at += AT_ONCE) {
      const some = asked.slice(at, at + AT_ONCE);
      const depths = await Promise.all(some.map(({ url }) => this.#queues.queue(url).depth()));
      pushAll(
        statuses,
        some.map((queue, i) => ({ ...queue, ...depths[i]! })),
      );
    }
    return statuses;
  }

  /** A few messages of a queue; they stay in it. */
  peek({ url }: JobQueue, max = 3): Promise<ReceivedMessage[]> {
    return this.#queues.queue(url).receive({ max, waitSeconds: 0, visibilitySeconds: 0 });
  }
}

export function openQueues(): Promise<SqsQueues> {
  return SqsQueues.open({ clock: systemClock, random: systemRandom });
}

export async function openQueue(url: string): Promise<Queue> {
  return (await openQueues()).queue(url);
}

/** Messages that are there, seen or not. */
export function messagesIn({ visible, inFlight, delayed }: QueueDepth): number {
  return visible + inFlight + delayed;
}
