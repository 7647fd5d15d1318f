/**
 * The public API of Misa: pipelines, windows, aggregates, jobs and errors.
 *
 * @module misa
 */
export { InputError, JobError, MisaError, UserFunctionError } from './errors.ts';
export {
  type BatchResults,
  type DirectoryOutput,
  type OutputRows,
  type QuarantinedResult,
  type RowStream,
  type RunInput,
  type Running,
  type RunOptions,
  run,
  type StreamInput,
} from './run.ts';
export type { Output } from './runtime/embedded.ts';
export type { OutputFormat, OutputLayout, OutputOptions } from './runtime/output/settings.ts';
export type {
  RunEvent,
  RunIdle,
  RunProgress,
  RunStarted,
  RunStep,
  RunSummary,
  RunTerminated,
  RunWarning,
  TierReads,
} from './runtime/run-events.ts';
export type { CsvLayout } from './source/csv-layout.ts';
export type { FieldDeclaration, Fields, FieldType, RowOfFields } from './source/fields.ts';
export type { Aggregate, AggregateSpec, Sortable } from './stream/aggregates/aggregate.ts';
export { type AggregatorFunctions, aggregator } from './stream/aggregates/aggregator.ts';
export { collect } from './stream/aggregates/collect.ts';
export { countDistinct } from './stream/aggregates/count-distinct.ts';
export { max, maxBy, min, minBy } from './stream/aggregates/extremes.ts';
export { first, last } from './stream/aggregates/first-last.ts';
export { avg, count, sum } from './stream/aggregates/numeric.ts';
export { quantile } from './stream/aggregates/quantile.ts';
export { type TopNOptions, topN } from './stream/aggregates/top-n.ts';
export { table } from './stream/builder.ts';
export { type Job, type JobOptions, job, type OutputMode } from './stream/job.ts';
export type { JoinAt, JoinOptions, JoinType, SelectArgs, Within } from './stream/join.ts';
export type { Key, KeyPart, WidenKey } from './stream/key.ts';
export {
  type Clock,
  type ListState,
  listState,
  type MapState,
  mapState,
  type ProcessContext,
  type ProcessOperator,
  type RowContext,
  type TimerContext,
  type Timers,
} from './stream/process.ts';
export { type SourceOptions, type StandardSchema, source } from './stream/source.ts';
export type { KeyedStream, RowOf, Source, Stream, Table, WindowedStream, WindowRow } from './stream/streams.ts';
export type { EventTime, EventTimeUnit } from './stream/time.ts';
export type { WatermarkOptions } from './stream/watermark.ts';
export { type FixedWindow, sameWindow, session, sliding, tumbling, type Window } from './stream/window.ts';
export { type Duration, type DurationUnit, duration } from './util/duration.ts';
