/**
 * The public API of Misa: pipelines, windows, aggregates, jobs and errors.
 *
 * @module misa
 */

export type { OutputFormat, OutputLayout, OutputOptions } from './embedded/output/settings.ts';
export type { Output } from './embedded/result-places.ts';
export { type Running, run } from './embedded/run.ts';
export type {
  PreloadedRows,
  RunEvent,
  RunIdle,
  RunProgress,
  RunStarted,
  RunStep,
  RunSummary,
  RunTerminated,
  RunWarning,
  TierReads,
} from './embedded/run-events.ts';
export type {
  BatchResults,
  DirectoryOutput,
  OutputRows,
  QuarantinedResult,
  RowStream,
  RunInput,
  RunOptions,
  StreamInput,
} from './embedded/run-options.ts';
export { InputError, JobError, MisaError, UserFunctionError } from './errors.ts';
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
export { table } from './stream/api/builder.ts';
export { type Job, job } from './stream/api/job.ts';
export type { JobOptions, OutputMode } from './stream/api/job-options.ts';
export type { JoinAt, JoinOptions, JoinType, SelectArgs, Within } from './stream/api/join.ts';
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
} from './stream/api/process.ts';
export { type SourceOptions, source } from './stream/api/source.ts';
export type { KeyedStream, RowOf, Source, Stream, Table, WindowedStream, WindowRow } from './stream/api/streams.ts';
export type { EventTime, EventTimeUnit } from './stream/api/time.ts';
export type { WatermarkOptions } from './stream/api/watermark.ts';
export { type FixedWindow, sameWindow, session, sliding, tumbling, type Window } from './stream/api/window.ts';
export type { StandardSchema } from './stream/graph/standard-schema.ts';
export type { Key, KeyPart, WidenKey } from './stream/operators/key.ts';
export { type Duration, type DurationUnit, duration } from './util/duration.ts';
