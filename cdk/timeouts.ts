/** Of functions and their queues; the others run as long as `timeout` of the job says. */
import { Duration } from 'aws-cdk-lib/core';

export const COMPACT_TIMEOUT = Duration.minutes(5);
export const SHORT_TIMEOUT = Duration.minutes(1);
