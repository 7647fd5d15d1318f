/** The inputs that `run` is given, told apart: which are files, and which are streams. */
import { JobError } from '../errors.ts';
import type { Random } from '../util/random.ts';
import type { RowStream, RunInput, StreamInput } from './run-options.ts';
import type { StreamSpec } from './stream-source.ts';

export interface SplitInputs {
  /** Paths and globs by source. */
  readonly patterns: ReadonlyMap<string, readonly string[]>;
  readonly streams: ReadonlyMap<string, StreamSpec>;
}

/** @throws {JobError} `BAD_OPTIONS` */
export function splitInputs(inputs: Readonly<Record<string, RunInput>>, random: Random): SplitInputs {
  const patterns = new Map<string, readonly string[]>();
  const streams = new Map<string, StreamSpec>();
  for (const [source, input] of Object.entries(inputs)) {
    if (typeof input === 'string') patterns.set(source, [input]);
    else if (isPaths(input)) patterns.set(source, input);
    else streams.set(source, streamOf(source, input, random));
  }
  return { patterns, streams };
}

function isPaths(input: RunInput): input is readonly string[] {
  return Array.isArray(input) && input.every((item) => typeof item === 'string');
}

function streamOf(source: string, input: RunInput, random: Random): StreamSpec {
  if (isStream(input)) return streamOf(source, { from: input }, random);
  const { from, id, format = 'ndjson', compression = 'none' } = (input ?? {}) as StreamInput;
  if (!isStream(from) && typeof from !== 'function') {
    throw bad(`inputs.${source} must be paths, an iterable or a stream, or { from: one of these }`);
  }
  if (!['ndjson', 'csv', 'tsv'].includes(format)) throw bad(`inputs.${source}.format: there are ndjson, csv and tsv`);
  if (!['none', 'gzip', 'zstd'].includes(compression)) {
    throw bad(`inputs.${source}.compression: there are none, gzip and zstd`);
  }
  if (id !== undefined && (typeof id !== 'string' || id === '')) throw bad(`inputs.${source}.id must be text`);
  // A byte array is one item, not an iterable of numbers.
  const whole = from instanceof Uint8Array ? [from] : from;
  // Without an id a stream is new in each run, so it gets a name that no earlier run has planned.
  return { name: `stream ${id ?? random.id()}`, from: whole, format, compression };
}

function isStream(input: unknown): input is RowStream {
  return typeof input === 'object' && input !== null && (Symbol.asyncIterator in input || Symbol.iterator in input);
}

function bad(message: string): JobError {
  return new JobError('BAD_OPTIONS', message);
}
