/** The metrics that functions write, as alarms and dashboard read them. */

import { MathExpression, Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { Duration } from 'aws-cdk-lib/core';

export const NAMESPACE = 'Misa';
export const MINUTE = Duration.minutes(1);

/** What a function is called in metrics. */
export type FunctionRole = 'ingest' | 'batch' | 'fold' | 'compact' | 'maintain' | 'preload' | 'sink';

export function jobMetric(
  job: string,
  role: FunctionRole,
  metricName: string,
  statistic: string,
  label?: string,
): Metric {
  return new Metric({
    namespace: NAMESPACE,
    metricName,
    dimensionsMap: { service: job, function: role },
    statistic,
    period: MINUTE,
    ...(label === undefined ? {} : { label }),
  });
}

/**
 * Percent of the rows of a period that came too late for their windows; 0 where fewer than `least` came. Both metrics are of
 * the batch functions, so that rows are compared with themselves, whenever they were planned.
 */
export function latePercent(job: string, least: number, period: Duration): MathExpression {
  return new MathExpression({
    expression: `IF(rows >= ${least}, 100 * late / rows, 0)`,
    usingMetrics: { late: jobMetric(job, 'batch', 'Late', 'Sum'), rows: jobMetric(job, 'batch', 'Rows', 'Sum') },
    label: 'late, percent of the rows',
    period,
  });
}
