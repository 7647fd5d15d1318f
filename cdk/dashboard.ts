/**
 * One page that answers, from top to bottom: is it well, is it fast, does it keep up, what does it read, what fails. Series
 * that there is one of for each partition are found by a search, so that the page is the same for four and for a thousand.
 */

import {
  type Alarm,
  AlarmStatusWidget,
  Color,
  Dashboard,
  GraphWidget,
  type GraphWidgetProps,
  type IMetric,
  type IWidget,
  MathExpression,
  PeriodOverride,
  SingleValueWidget,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Aws, Duration, Fn } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { JobFunctions } from './job-functions.ts';
import type { JobQueues } from './job-queues.ts';
import { type FunctionRole, jobMetric, latePercent, MINUTE } from './metrics.ts';

export interface DashboardOptions {
  readonly job: string;
  readonly store: string;
  readonly inputPrefix: string;
  readonly maxLag: number;
  readonly queues: JobQueues;
  /** What queue names begin with. */
  readonly queuePrefix: string;
  readonly functions: JobFunctions;
  readonly alarms: readonly Alarm[];
}

const ALARMS_IN_A_WIDGET = 100;
const WIDTH = 24;

export function makeDashboard(scope: Construct, id: string, options: DashboardOptions): Dashboard {
  const { alarms } = options;
  const dashboard = new Dashboard(scope, id, {
    defaultInterval: Duration.hours(3),
    periodOverride: PeriodOverride.AUTO,
  });
  dashboard.addWidgets(heading(options));
  if (alarms.length > 0 && alarms.length <= ALARMS_IN_A_WIDGET) {
    dashboard.addWidgets(new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width: WIDTH, height: 3 }));
  }
  dashboard.addWidgets(...numbers(options));
  dashboard.addWidgets(...speed(options));
  dashboard.addWidgets(...progress(options));
  dashboard.addWidgets(...reads(options));
  dashboard.addWidgets(...failures(options));
  return dashboard;
}

/** The page's address in the console. */
export function dashboardUrl(dashboard: Dashboard): string {
  const console = `https://${Aws.REGION}.console.aws.amazon.com`;
  return Fn.join('', [console, '/cloudwatch/home?region=', Aws.REGION, '#dashboards:name=', dashboard.dashboardName]);
}

function heading({ job, store, inputPrefix }: DashboardOptions): IWidget {
  const markdown = `# ${job}\nInput: \`${inputPrefix}{source}/\` · State and results: \`${store}/${job}/\``;
  return new TextWidget({ markdown, width: WIDTH, height: 2 });
}

function numbers(options: DashboardOptions): IWidget[] {
  const { job } = options;
  const value = (title: string, metric: IMetric): IWidget =>
    new SingleValueWidget({ title, metrics: [metric], width: 3, height: 3, sparkline: true });
  return [
    value('Rows a minute', jobMetric(job, 'ingest', 'Rows', 'Sum', 'rows')),
    new SingleValueWidget({
      title: 'Late rows, in the time shown',
      metrics: [jobMetric(job, 'batch', 'Late', 'Sum', 'late')],
      width: 3,
      height: 3,
      setPeriodToTimeRange: true,
    }),
    value('Late (%)', latePercent(job, 1, MINUTE)),
    value('Batch p99 (ms)', jobMetric(job, 'batch', 'BatchDuration', 'p99', 'batch')),
    value('Planned, not committed', jobMetric(job, 'maintain', 'Backlog', 'Maximum', 'batches')),
    value('Committed, not folded', jobMetric(job, 'maintain', 'CommitLag', 'Maximum', 'batches')),
    value('Halted partitions', jobMetric(job, 'maintain', 'Halted', 'Maximum', 'partitions')),
    value('Dead letters', deadLetters(options)),
  ];
}

function speed({ job }: DashboardOptions): IWidget[] {
  const batch = (name: string, statistic: string, label: string): IMetric =>
    jobMetric(job, 'batch', name, statistic, label);
  return [
    graph('Rows a minute', {
      left: [jobMetric(job, 'ingest', 'Rows', 'Sum', 'planned')],
      right: [batch('Late', 'Sum', 'late'), jobMetric(job, 'ingest', 'Quarantined', 'Sum', 'quarantined')],
    }),
    graph('Batch duration (ms)', {
      left: [
        batch('BatchDuration', 'p50', 'p50'),
        batch('BatchDuration', 'p99', 'p99'),
        batch('BatchDuration', 'Maximum', 'longest'),
      ],
    }),
    graph('Where a batch spends its time (ms, mean)', {
      stacked: true,
      left: [
        batch('ComputeDuration', 'Average', 'compute'),
        batch('LogDuration', 'Average', 'log entry'),
        batch('PublishDuration', 'Average', 'publish'),
      ],
    }),
  ];
}

function progress({ job, maxLag, queues, queuePrefix }: DashboardOptions): IWidget[] {
  return [
    graph('Commit lag (batches)', {
      left: [
        jobMetric(job, 'maintain', 'CommitLag', 'Maximum', 'most'),
        jobMetric(job, 'maintain', 'CommitLag', 'Average', 'mean'),
      ],
      leftAnnotations: [{ value: maxLag, label: 'batches fold for themselves', color: Color.ORANGE }],
    }),
    graph('Backlog', {
      left: [
        jobMetric(job, 'maintain', 'Backlog', 'Maximum', 'batches planned, not committed'),
        queues.input.queue.metricApproximateNumberOfMessagesVisible({ period: MINUTE, label: 'input messages' }),
        queues.records.queue.metricApproximateNumberOfMessagesVisible({ period: MINUTE, label: 'record messages' }),
        searched(queuePrefix, 'ApproximateNumberOfMessagesVisible', 'fifo', 'record, batch and commit messages'),
      ],
    }),
    graph('Oldest input message (s)', {
      left: (['input', 'records'] as const).map((label) =>
        queues[label].queue.metricApproximateAgeOfOldestMessage({ period: MINUTE, statistic: 'Maximum', label }),
      ),
    }),
  ];
}

function reads({ job }: DashboardOptions): IWidget[] {
  const tier = (name: string, label: string): IMetric => jobMetric(job, 'batch', name, 'Sum', label);
  const requests = (role: FunctionRole): IMetric => jobMetric(job, role, 'Requests', 'Sum', role);
  return [
    graph('State reads by tier', {
      stacked: true,
      left: [
        tier('ReadsMemory', 'memory'),
        tier('ReadsLmdb', 'local blocks'),
        tier('ReadsWarm', 'warm pack'),
        tier('ReadsStore', 'object store'),
      ],
    }),
    graph('Object store requests', {
      stacked: true,
      left: (['ingest', 'batch', 'fold', 'compact', 'maintain', 'preload', 'sink'] as const).map(requests),
    }),
    graph('Requests a batch', {
      left: [
        new MathExpression({
          expression: 'requests / batches',
          usingMetrics: {
            requests: jobMetric(job, 'batch', 'Requests', 'Sum'),
            batches: jobMetric(job, 'batch', 'BatchDuration', 'SampleCount'),
          },
          label: 'of the batch function',
          period: MINUTE,
        }),
      ],
    }),
  ];
}

function failures(options: DashboardOptions): IWidget[] {
  const { job, functions } = options;
  const each = (metric: (f: LambdaFunction, label: string) => IMetric): IMetric[] =>
    (Object.entries(functions) as [string, LambdaFunction][]).map(([label, f]) => metric(f, label));
  return [
    graph('Function errors and throttles', {
      left: each((f, label) => f.metricErrors({ period: MINUTE, label: `${label} errors` })),
      right: each((f, label) => f.metricThrottles({ period: MINUTE, label: `${label} throttles` })),
    }),
    graph('Function duration (ms, p99)', {
      left: each((f, label) => f.metricDuration({ period: MINUTE, statistic: 'p99', label })),
    }),
    graph('Set aside', {
      left: [deadLetters(options), jobMetric(job, 'batch', 'Adopted', 'Sum', 'attempts that found the batch done')],
    }),
  ];
}

function deadLetters({ queuePrefix }: DashboardOptions): IMetric {
  return searched(queuePrefix, 'ApproximateNumberOfMessagesVisible', 'dead', 'dead letters');
}

/** The sum over all queues of the job whose name has the word. */
function searched(queuePrefix: string, metric: string, word: string, label: string): IMetric {
  const terms = `{AWS/SQS,QueueName} MetricName="${metric}" ${queuePrefix.split('-').filter(Boolean).join(' ')} ${word}`;
  return new MathExpression({
    expression: `SUM(SEARCH('${terms}', 'Maximum', 60))`,
    usingMetrics: {},
    label,
    period: MINUTE,
  });
}

function graph(title: string, props: GraphWidgetProps): IWidget {
  return new GraphWidget({
    title,
    width: 8,
    height: 6,
    liveData: true,
    leftYAxis: { min: 0 },
    rightYAxis: { min: 0 },
    ...props,
  });
}
