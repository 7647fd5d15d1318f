/** The metrics that functions write, as alarms and dashboard read them. */

import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
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
