/**
 * What functions tell those who watch: structured logs, metrics, and spans, which are both metrics and, where wanted, the
 * timeline. One interface, so that the work itself knows nothing of log services; `observe.ts` implements it.
 */
import type { Trace } from '../util/trace.ts';

export type MetricName =
  | 'BatchDuration'
  | 'ComputeDuration'
  | 'LogDuration'
  | 'PublishDuration'
  | 'CommitLag'
  | 'ReadsMemory'
  | 'ReadsLmdb'
  | 'ReadsWarm'
  | 'ReadsStore'
  | 'Requests'
  | 'Rows'
  | 'Late'
  | 'Quarantined'
  | 'Overwritten'
  | 'InputFound'
  | 'Halted'
  | 'Backlog'
  | 'Adopted'
  | 'WarmPacks'
  | 'Swept'
  | 'Folded'
  | 'Collected'
  | 'CollectionBehind'
  | 'ResultsLost';

export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Report extends Trace {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, error: unknown, fields?: Fields): void;
  /** Metrics whose names end in `Duration` are in ms; all others are counts. */
  metric(name: MetricName, value: number): void;
  /** Counts a request to a service, by its name. */
  readonly onRequest?: ((operation: string) => void) | undefined;
}

/** For tests. */
export const NO_REPORT: Report = { info() {}, warn() {}, error() {}, metric() {}, span() {} };
