/**
 * Logs and metrics of deployed functions, by Powertools: one JSON line an event, and metrics in the embedded format, so
 * that neither costs a request. Spans become durations; where the stack asks for it they are kept for the timeline, too.
 */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Context } from 'aws-lambda';
import { errorText, MisaError } from '../errors.ts';
import { systemClock } from '../util/clock.ts';
import type { Lane, Span } from '../util/trace.ts';
import type { Fields, MetricName, Report } from './report.ts';

export type FunctionName = 'ingest' | 'batch' | 'fold' | 'compact' | 'maintain' | 'preload' | 'sink' | 'admit';

const DURATIONS: Partial<Record<Lane, MetricName>> = {
  batch: 'ComputeDuration',
  log: 'LogDuration',
  publish: 'PublishDuration',
};

export interface Observed extends Report {
  /** Begins an invocation: what is logged from here on carries its ids. */
  begin(context: Context): void;
  /** Ends the invocation: writes its metrics. */
  end(): void;
  /** Passes each span to this function as well. */
  keepSpans(to: (span: Span) => void): void;
}

/** @param fixed fields that every line and metric of this function carries */
export function observe(name: FunctionName, fixed: Fields = {}): Observed {
  const logger = new Logger({ persistentKeys: { function: name, ...fixed } });
  const metrics = new Metrics({ defaultDimensions: { function: name } });
  let keep: ((span: Span) => void) | undefined;
  const requests = new Map<string, number>();
  let invocations = 0;
  let startMs = 0;
  const metric = (of: MetricName, value: number): void => {
    metrics.addMetric(of, of.endsWith('Duration') ? MetricUnit.Milliseconds : MetricUnit.Count, value);
  };
  for (const [key, value] of Object.entries(fixed)) metrics.addMetadata(key, String(value));
  return {
    info: (message, fields = {}) => logger.info(message, { ...fields }),
    warn: (message, fields = {}) => logger.warn(message, { ...fields }),
    error(message, error, fields = {}) {
      const shown = error instanceof Error ? error : new Error(String(error));
      const code = error instanceof MisaError ? { code: error.code } : {};
      logger.error(message, { ...fields, ...code, error: shown });
    },
    metric,
    span(span) {
      const duration = DURATIONS[span.lane];
      if (duration !== undefined) metric(duration, span.endMs - span.startMs);
      keep?.(span);
    },
    trouble: (what, error) => logger.warn(what, { error: errorText(error) }),
    begin(context) {
      startMs = systemClock.monotonic();
      logger.addContext(context);
      logger.appendKeys({ environment_invocation: ++invocations });
    },
    onRequest: (operation) => void requests.set(operation, (requests.get(operation) ?? 0) + 1),
    end() {
      const sum = [...requests.values()].reduce((total, n) => total + n, 0);
      if (sum > 0) metric('Requests', sum);
      logger.info('invocation', {
        durationMs: Math.round(systemClock.monotonic() - startMs),
        requests: Object.fromEntries(requests),
      });
      requests.clear();
      if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
      for (const [key, value] of Object.entries(fixed)) metrics.addMetadata(key, String(value));
    },
    keepSpans(to) {
      keep = to;
    },
  };
}
