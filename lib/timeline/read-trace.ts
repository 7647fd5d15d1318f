/**
 * Loads recorded runs. Traces are advisory, so a damaged or missing part costs its spans and nothing more; what is missing
 * is told (`gaps`), so that the picture can say so.
 */
import { MisaError } from '../errors.ts';
import type { Names } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';
import { greatest } from '../util/numbers.ts';
import type { Span } from '../util/trace.ts';
import { decodePart, parsePartName, partId, type RunInfo, type TracePart } from './trace-format.ts';

/** One run of a job. */
export interface RunTrace {
  readonly run: string;
  /** Wall clock, epoch ms. */
  readonly startedAtMs: number;
  readonly info: RunInfo;
  /** By start; times in ms from the run's start. */
  readonly spans: readonly Span[];
  /** Parts that are gone or unreadable. */
  readonly gaps: number;
}

/** Ids of the recorded runs, the latest last. */
export async function listRuns(store: ObjectStore, names: Names): Promise<string[]> {
  return [...(await partsByRun(store, names)).keys()].sort();
}

/** Of a deployed job's functions, the last hour is one picture. */
const FUNCTIONS_WINDOW_MS = 3_600_000;

/**
 * @param run id of the run or the beginning of it; the latest when left out. Where that is of a function, what all functions
 *   of the job recorded around it
 * @throws {MisaError} `NO_TRACE`: no run is recorded; `NO_RUN`: not that one
 */
export async function readTrace(store: ObjectStore, names: Names, run?: string): Promise<RunTrace> {
  const parts = await partsByRun(store, names);
  const id = pickRun([...parts.keys()].sort(), names.job, run);
  const trace = await readRun(store, names, id, parts.get(id)!);
  if (trace === undefined) {
    throw new MisaError(
      'NO_TRACE',
      `the trace of run ${id} of job ${names.job} is damaged. Run the job again, or choose another run with --run.`,
    );
  }
  if (run !== undefined || trace.info.function === undefined) return trace;
  const read = await Promise.all([...parts].map(([other, numbers]) => readRun(store, names, other, numbers)));
  return merge(read.filter((other) => other?.info.function !== undefined) as RunTrace[], id);
}

async function readRun(
  store: ObjectStore,
  names: Names,
  id: string,
  parts: readonly number[],
): Promise<RunTrace | undefined> {
  const read = await Promise.all(parts.map((part) => readPart(store, names.trace(partId(id, part)))));
  const found = read.filter((part) => part !== undefined);
  const [first] = found;
  if (first === undefined) return undefined;
  const spans = found.flatMap((part) => part.spans).sort((a, b) => a.startMs - b.startMs);
  const gaps = greatest(parts) + 1 - found.length;
  return { run: id, startedAtMs: first.startedAtMs, info: first.info, spans, gaps };
}

/** Runs side by side, on the clock of the first of them. */
function merge(runs: readonly RunTrace[], run: string): RunTrace {
  const endMs = (of: RunTrace): number =>
    of.startedAtMs +
    greatest(
      of.spans.map((span) => span.endMs),
      0,
    );
  const fromMs = greatest(runs.map(endMs)) - FUNCTIONS_WINDOW_MS;
  const spans = runs.flatMap(({ startedAtMs, spans: own }) =>
    own.map((span) => ({ ...span, startMs: span.startMs + startedAtMs, endMs: span.endMs + startedAtMs })),
  );
  const shown = spans.filter((span) => span.startMs >= fromMs).sort((a, b) => a.startMs - b.startMs);
  const startedAtMs = shown[0]?.startMs ?? fromMs;
  return {
    run,
    startedAtMs,
    info: { functions: runs.length },
    spans: shown.map((span) => ({ ...span, startMs: span.startMs - startedAtMs, endMs: span.endMs - startedAtMs })),
    gaps: runs.reduce((gaps, of) => gaps + of.gaps, 0),
  };
}

function pickRun(runs: readonly string[], job: string, wanted: string | undefined): string {
  const latest = runs.at(-1);
  if (latest === undefined) {
    throw new MisaError(
      'NO_TRACE',
      `no run of job ${job} is recorded in this store. Run the job, or name its store with --store. A deployed job records its runs if it is deployed with --trace (misa deploy --trace, misa dev --trace; in a stack of your own: trace: true).`,
    );
  }
  if (wanted === undefined) return latest;
  const matches = runs.includes(wanted) ? [wanted] : runs.filter((run) => run.startsWith(wanted));
  if (matches.length === 1) return matches[0]!;
  const which = matches.length === 0 ? `there is no run ${wanted}` : `${matches.length} runs begin with ${wanted}`;
  throw new MisaError(
    'NO_RUN',
    `${which} of job ${job}. Recorded, the latest first: ${runs.slice(-20).reverse().join(', ')}`,
  );
}

async function partsByRun(store: ObjectStore, names: Names): Promise<Map<string, number[]>> {
  const parts = new Map<string, number[]>();
  for await (const { name } of store.list(names.tracePrefix())) {
    const parsed = parsePartName(name);
    if (parsed === undefined) continue;
    const known = parts.get(parsed.run);
    if (known === undefined) parts.set(parsed.run, [parsed.part]);
    else known.push(parsed.part);
  }
  return parts;
}

async function readPart(store: ObjectStore, name: string): Promise<TracePart | undefined> {
  const answer = await store.get(name);
  if (!answer.found) return undefined;
  try {
    return decodePart(answer.body, name);
  } catch (error) {
    if (error instanceof MisaError && error.code === 'CORRUPT') return undefined;
    throw error;
  }
}
