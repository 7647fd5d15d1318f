/**
 * Alarms on what a person must look at; what heals by itself sounds none. Each description says what is wrong and what to
 * do; `docs/aws.md` has more on each. Every queue and function has its own, so that an alarm names the partition: one alarm
 * over the sum of ten metrics would cost what ten alarms cost.
 */

import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { JobFunctions } from './job-functions.ts';
import type { JobQueues } from './job-queues.ts';
import { jobMetric, latePercent, MINUTE } from './metrics.ts';
import type { PartitionGroup } from './partitions.ts';
import type { AlarmOptions } from './props.ts';
import type { JobQueue } from './queues.ts';

export interface Watched {
  readonly job: string;
  readonly groups: readonly PartitionGroup[];
  readonly functions: JobFunctions;
  readonly queues: JobQueues;
  readonly sweepEvery: Duration;
  /** K of the job. */
  readonly maxLag: number;
}

const FIVE_MINUTES = Duration.minutes(5);
const QUARTER_HOUR = Duration.minutes(15);
const DEFAULT_INPUT_AGE = Duration.minutes(15);
const DEFAULT_LATE_SHARE = 0.1;
/** A share of fewer rows says nothing. */
const LATE_OF_ROWS = 100;
/** Rounds begin each ten minutes, and what they may delete is half an hour old. */
const COLLECTION_BEHIND = Duration.hours(2);

interface Condition {
  readonly metric: IMetric;
  readonly text: string;
  /** It sounds at this value, or at more. */
  readonly from?: number;
  readonly below?: number;
  /** Periods in a row. */
  readonly periods?: number;
  readonly missing?: TreatMissingData;
}

export class Alarms {
  readonly all: Alarm[] = [];
  readonly #topic: ITopic | undefined;

  constructor(scope: Construct, watched: Watched, options: AlarmOptions, topic: ITopic | undefined) {
    this.#topic = topic;
    this.#state(scope, watched, options);
    this.#late(scope, watched, options.lateShare ?? DEFAULT_LATE_SHARE);
    this.#collection(scope, watched);
    for (const [name, queue] of Object.entries(watched.queues) as [string, JobQueue | undefined][]) {
      if (queue !== undefined) this.#deadLetters(scope, capital(name), `the ${name} queue`, queue.deadLetters);
    }
    for (const [name, f] of Object.entries(watched.functions) as [string, LambdaFunction][]) {
      // Long enough to notice a failure at the start of every round of garbage collection, also with a slow schedule.
      const period = name === 'maintain' ? severalRuns(watched.sweepEvery) : FIVE_MINUTES;
      this.#invocations(scope, capital(name), `the ${name} function`, f, period);
    }
    for (const group of watched.groups) {
      for (const { stage, partition, deadLetters, function: f } of group.partitions) {
        const id = `s${stage}p${partition}`;
        this.#deadLetters(group.scope, id, `stage ${stage}, partition ${partition}`, deadLetters);
        this.#invocations(group.scope, id, `the function of stage ${stage}, partition ${partition}`, f);
      }
    }
  }

  #state(scope: Construct, { job, queues, functions, sweepEvery, maxLag }: Watched, options: AlarmOptions): void {
    this.#add(scope, 'CommitLag', {
      metric: jobMetric(job, 'maintain', 'CommitLag', 'Maximum'),
      from: (options.commitLag ?? maxLag) + 1,
      periods: 5,
      text: `Commits of job ${job} fall behind its batches, which must fold for themselves. Look at errors and throttles of the fold function; then give it more memory.`,
    });
    this.#add(scope, 'Halted', {
      metric: jobMetric(job, 'maintain', 'Halted', 'Maximum'),
      from: 1,
      text: `A partition of job ${job} has halted: a batch fails whenever it is tried. \`misa status\` names the partition and the error; repair the job and deploy it, then let the partition go on by \`misa resume\`.`,
    });
    for (const name of ['input', 'records'] as const) {
      const { queue } = queues[name];
      this.#add(scope, `${capital(name)}Age`, {
        metric: queue.metricApproximateAgeOfOldestMessage({ period: MINUTE, statistic: 'Maximum' }),
        from: (options.inputAge ?? DEFAULT_INPUT_AGE).toSeconds(),
        text: `Input of job ${job} waits too long in the ${name} queue to be planned: the ingest function fails, is throttled, or more comes in than it can take.`,
      });
    }
    const period = Duration.minutes(Math.max(FIVE_MINUTES.toMinutes(), 2 * sweepEvery.toMinutes()));
    this.#add(scope, 'SweepStopped', {
      metric: functions.maintain.metricInvocations({ period, statistic: 'Sum' }),
      below: 1,
      periods: 3,
      missing: TreatMissingData.BREACHING,
      text: `Nobody looks for lost messages of job ${job} nor collects its garbage: the schedule of the maintain function is off, or the function cannot start.`,
    });
  }

  #late(scope: Construct, { job }: Watched, share: number | false): void {
    if (share === false) return;
    const percent = Math.round(share * 1000) / 10;
    this.#add(scope, 'LateRows', {
      metric: latePercent(job, LATE_OF_ROWS, QUARTER_HOUR),
      from: percent,
      text: `${percent} % or more of the rows of job ${job} come too late for their windows, and are in no result. Input comes out of order, an event time is far in the future, or the source needs a longer delay. \`misa status\` has the totals.`,
    });
  }

  #collection(scope: Construct, { job, sweepEvery }: Watched): void {
    this.#add(scope, 'CollectionBehind', {
      metric: jobMetric(job, 'maintain', 'CollectionBehind', 'Maximum'),
      from: Math.max(COLLECTION_BEHIND.toMinutes(), 6 * sweepEvery.toMinutes()),
      text: `Garbage of job ${job} is left lying: no round of collection has come to its end for so many minutes. The log of the maintain function says why, or the job leaves more behind than one function deletes: run it more often, or ask for larger batches.`,
    });
  }

  #deadLetters(scope: Construct, id: string, of: string, queue: Queue): void {
    this.#add(scope, `${id}DeadLetters`, {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: MINUTE, statistic: 'Maximum' }),
      from: 1,
      text: `A message for ${of} failed too often and was set aside. The function's log says why; repair that, then redrive the dead-letter queue.`,
    });
  }

  #invocations(scope: Construct, id: string, of: string, f: LambdaFunction, period = FIVE_MINUTES): void {
    this.#add(scope, `${id}Errors`, {
      metric: f.metricErrors({ period, statistic: 'Sum' }),
      from: 1,
      periods: 3,
      text: `Invocations of ${of} fail for ${3 * period.toMinutes()} minutes on end. Its log says why.`,
    });
    this.#add(scope, `${id}Throttles`, {
      metric: f.metricThrottles({ period: FIVE_MINUTES }),
      from: 1,
      periods: 3,
      text: `Invocations of ${of} wait for concurrency: the account needs a higher quota of concurrent executions, or another function takes it.`,
    });
  }

  #add(scope: Construct, id: string, { metric, text, from, below, periods = 1, missing }: Condition): void {
    const alarm = new Alarm(scope, `${id}Alarm`, {
      metric,
      alarmDescription: text,
      threshold: from ?? below ?? 1,
      comparisonOperator:
        below === undefined
          ? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
          : ComparisonOperator.LESS_THAN_THRESHOLD,
      evaluationPeriods: periods,
      treatMissingData: missing ?? TreatMissingData.NOT_BREACHING,
    });
    if (this.#topic !== undefined) {
      const action = { bind: () => ({ alarmActionArn: this.#topic!.topicArn }) };
      alarm.addAlarmAction(action);
      alarm.addOkAction(action);
    }
    this.all.push(alarm);
  }
}

/** A period in which the schedule has run a few times, and a round of garbage collection has begun. */
function severalRuns(sweepEvery: Duration): Duration {
  return Duration.minutes(Math.max(15, 3 * sweepEvery.toMinutes()));
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
