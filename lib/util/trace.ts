/** Where time went: spans of a run by lane, for the timeline and for metrics. Costs nothing where nobody listens. */

export type Lane = 'ingest' | 'plan' | 'batch' | 'log' | 'publish' | 'fold' | 'compact' | 'gc' | 'preload' | 'wait';

export interface Span {
  readonly lane: Lane;
  /** `planner` or `s{stage}/p{partition}`. */
  readonly path: string;
  /** Micro-batch, or 0. */
  readonly n: number;
  /** Clock.monotonic, ms. */
  readonly startMs: number;
  readonly endMs: number;
  /** What it says on hover. */
  readonly detail?: Readonly<Record<string, number | string>> | undefined;
}

export interface Trace {
  span(span: Span): void;
  /** Something failed that costs time and no results, and was got over. @param what the same text each time */
  trouble?(what: string, error: unknown): void;
}

export const NO_TRACE: Trace = { span() {} };
