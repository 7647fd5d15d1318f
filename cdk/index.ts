/**
 * Misa's construct for the CDK: `new MisaJob(this, 'Departures', { entry: 'job.ts' })`.
 *
 * @module misa/cdk
 */
export type { JobDescription } from './describe-job.ts';
export type { JobFunctions } from './job-functions.ts';
export { MisaJob } from './misa-job.ts';
export type { AlarmOptions, InputObjects, MisaJobProps } from './props.ts';
export {
  type DynamoDbSinkOptions,
  type EventBridgeSinkOptions,
  type FileSinkOptions,
  type ParquetSinkOptions,
  Sink,
  type SinkHome,
  type SqsSinkOptions,
} from './sinks.ts';
