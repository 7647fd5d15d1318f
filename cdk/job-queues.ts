/** The queues that a job has one of each; those of the partitions stand with their functions. */
import type { Construct } from 'constructs';
import { COMPACT_TIMEOUT, SHORT_TIMEOUT } from './job-functions.ts';
import type { JobQueue, QueueMaker } from './queues.ts';
import type { SettledProps } from './settled-props.ts';

export interface JobQueues {
  /** Rows, and notifications of new objects. */
  readonly input: JobQueue;
  readonly fold: JobQueue;
  readonly compact: JobQueue;
  /** Notices of plans, for preloading. */
  readonly plan: JobQueue;
  /** Notifications of new results, where there are sinks. */
  readonly results: JobQueue | undefined;
}

export function makeJobQueues(scope: Construct, queues: QueueMaker, props: SettledProps): JobQueues {
  const { timeout, window, sinks } = props;
  const commit = { fifo: true, manyGroups: true };
  return {
    input: queues.make(scope, 'InputQueue', 'input', { timeout, batchingWindow: window }),
    fold: queues.make(scope, 'FoldQueue', 'fold', { timeout, ...commit }),
    compact: queues.make(scope, 'CompactQueue', 'compact', { timeout: COMPACT_TIMEOUT, ...commit }),
    plan: queues.make(scope, 'PlanQueue', 'plan', { timeout: SHORT_TIMEOUT }),
    results: sinks.length === 0 ? undefined : queues.make(scope, 'ResultsQueue', 'results', { timeout }),
  };
}

/** What functions must know to send to them. */
export function queueEnvironment(maker: QueueMaker, { input, fold, compact, plan }: JobQueues): Record<string, string> {
  return {
    MISA_INPUT_QUEUE: input.queue.queueUrl,
    MISA_BATCH_QUEUES: maker.urlPrefix(fold.queue, 'fold.fifo'),
    MISA_FOLD_QUEUE: fold.queue.queueUrl,
    MISA_COMPACT_QUEUE: compact.queue.queueUrl,
    MISA_PLAN_QUEUE: plan.queue.queueUrl,
  };
}
