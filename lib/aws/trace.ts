/** Keeps a function's spans as the trace of a run, for `misa timeline`: one run an environment. Best effort. */
import { TraceWriter } from '../timeline/trace-writer.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { Observed } from './observe.ts';

/** Environments of a job whose traces are kept; `maintain` deletes older ones. */
export const KEPT_ENVIRONMENTS = 200;

/** @returns stores what came since the last call */
export function keepTrace(
  { store, names, clock, random }: FunctionEnvironment,
  report: Observed,
  name: string,
): () => Promise<void> {
  const onTrouble = (what: string, error: unknown): void => report.trouble?.(what, error);
  const writer = new TraceWriter({ store, names, clock, random, runInfo: { function: name }, keptRuns: 0, onTrouble });
  report.keepSpans((span) => writer.span(span));
  return () => writer.flush();
}
