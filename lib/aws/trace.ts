/** Keeps a function's spans as the trace of a run, for `misa timeline`: one run an environment. Best effort. */
import { TraceWriter } from '../timeline/trace-writer.ts';
import type { FunctionEnvironment } from './function-environment.ts';
import type { Observed } from './observe.ts';

/** @returns stores what came since the last call */
export function keepTrace({ store, names, clock, random }: FunctionEnvironment, report: Observed): () => Promise<void> {
  const writer = new TraceWriter({ store, names, clock, random });
  report.keepSpans((span) => writer.span(span));
  return () => writer.flush();
}
