/**
 * How a run's spans are stored: in parts of some thousand spans, each an advisory object of its own, so that recording a
 * long run rewrites only the newest part. Times are whole microseconds from the run's start, whose wall-clock time is
 * kept once; lanes and paths are numbers into a table of words. A run's id begins with its start, so ids sort by time.
 */
import { decodeEnvelope, encodeEnvelope } from '../util/envelope.ts';
import type { Lane, Span } from '../util/trace.ts';

const VERSION = 1;

/** What is said of a run as a whole; `commit` (`async`, `sync`) names it in the picture. */
export type RunInfo = Readonly<Record<string, string | number>>;

export interface TracePart {
  readonly run: string;
  /** Wall clock, epoch ms. */
  readonly startedAtMs: number;
  readonly info: RunInfo;
  /** 0, 1, …; the first ones are gone when a run was too long to keep. */
  readonly part: number;
  /** Times in ms from the run's start; may be negative. */
  readonly spans: readonly Span[];
}

type StoredSpan = [lane: number, path: number, n: number, startUs: number, durationUs: number, detail?: Span['detail']];

interface StoredPart extends Omit<TracePart, 'spans'> {
  readonly words: readonly string[];
  readonly spans: readonly StoredSpan[];
}

export function runId(startedAtMs: number, random: string): string {
  return `${String(Math.max(0, Math.trunc(startedAtMs))).padStart(13, '0')}-${random.slice(0, 8)}`;
}

/** The id, for `names.trace`, of one part of a run. */
export function partId(run: string, part: number): string {
  return `${run}.${String(part).padStart(6, '0')}`;
}

/** The run and the number of a part from its object's name; `undefined`: it is no trace. */
export function parsePartName(name: string): { run: string; part: number } | undefined {
  const [, run, part] = /\/(\d{13,}-[0-9a-z]+)\.(\d{6,})$/.exec(name) ?? [];
  return run === undefined ? undefined : { run, part: Number(part) };
}

export function encodePart(part: TracePart): Uint8Array {
  const words = new Map<string, number>();
  const word = (text: string): number => {
    const known = words.get(text);
    if (known !== undefined) return known;
    words.set(text, words.size);
    return words.size - 1;
  };
  const spans = part.spans.map(({ lane, path, n, startMs, endMs, detail }): StoredSpan => {
    const startUs = Math.round(startMs * 1000);
    const stored = [word(lane), word(path), n, startUs, Math.max(0, Math.round(endMs * 1000) - startUs)] as const;
    return detail === undefined ? [...stored] : [...stored, detail];
  });
  const body: StoredPart = { ...part, words: [...words.keys()], spans };
  return encodeEnvelope('trace', VERSION, body);
}

/** @throws {CorruptionError} */
export function decodePart(bytes: Uint8Array, object: string): TracePart {
  const { words, spans, ...part } = decodeEnvelope<StoredPart>('trace', VERSION, bytes, object);
  return {
    ...part,
    spans: spans.map(([lane, path, n, startUs, durationUs, detail]) => ({
      lane: words[lane] as Lane,
      path: words[path]!,
      n,
      startMs: startUs / 1000,
      endMs: (startUs + durationUs) / 1000,
      detail,
    })),
  };
}
