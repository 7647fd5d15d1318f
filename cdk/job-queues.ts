/** The queues that a job has one of each; those of the partitions stand with their functions. */
import type { Construct } from 'constructs';
import type { JobQueue, QueueMaker } from './queues.ts';
import type { SettledProps } from './settled-props.ts';
import { COMPACT_TIMEOUT, SHORT_TIMEOUT } from './timeouts.ts';

export interface JobQueues {
  /** Notifications of new objects, and rows that need no order. */
  readonly input: JobQueue;
  /** Rows in the order in which they were sent. */
  readonly records: JobQueue;
  readonly fold: JobQueue;
  readonly compact: JobQueue;
  /** Notices of plans, for preloading. */
  readonly plan: JobQueue;
  /** Notifications of new results, where there are sinks. */
  readonly results: JobQueue | undefined;
}

export function makeJobQueues(scope: Construct, queues: QueueMaker, props: SettledProps): JobQueues {
  const { timeout, window, sinks } = props;
  const manyGroups = { fifo: true, manyGroups: true };
  return {
    input: queues.make(scope, 'InputQueue', 'input', { timeout, batchingWindow: window }),
    records: queues.make(scope, 'RecordsQueue', 'records', { timeout, ...manyGroups }),
    fold: queues.make(scope, 'FoldQueue', 'fold', { timeout, ...manyGroups }),
    compact: queues.make(scope, 'CompactQueue', 'compact', { timeout: COMPACT_TIMEOUT, ...manyGroups }),
    plan: queues.make(scope, 'PlanQueue', 'plan', { timeout: SHORT_TIMEOUT }),
    results: sinks.length === 0 ? undefined : queues.make(scope, 'ResultsQueue', 'results', { timeout }),
  };
}

/** What functions must know to send to them. */
export function queueEnvironment(maker: QueueMaker, queues: JobQueues): Record<string, string> {
  const { input, records, fold, compact, plan } = queues;
  return {
    MISA_INPUT_QUEUE: input.queue.queueUrl,
    MISA_RECORDS_QUEUE: records.queue.queueUrl,
    MISA_BATCH_QUEUES: maker.urlPrefix(fold.queue, 'fold.fifo'),
    MISA_FOLD_QUEUE: fold.queue.queueUrl,
    MISA_COMPACT_QUEUE: compact.queue.queueUrl,
    MISA_PLAN_QUEUE: plan.queue.queueUrl,
  };
}
