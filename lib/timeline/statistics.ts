/**
 * The figures beside the picture. A batch's time is from the start of its operators to the end of its publishing (to the
 * end of its log PUT where nothing was published), a partition at a time. Commit work (fold, compaction) is *beside* a
 * batch when a later batch of the same partition is computed, logged or published meanwhile: what a batch waits for, as
 * in mode `sync`, is not beside it, and other partitions do not count.
 */
import { PLANNER } from '../object-store/names.ts';
import type { Lane, Span } from '../util/trace.ts';
import { type Interval, overlapMs, union } from './intervals.ts';

export interface BatchTime extends Interval {
  readonly path: string;
  readonly n: number;
}

export interface RunStatistics {
  /** From the first span's start to the last one's end. */
  readonly totalMs: number;
  /** From the first span's start to the end of the last batch. */
  readonly publishedMs: number;
  readonly batches: number;
  /** Of the first stage. */
  readonly rows: number;
  /** Start to published, of every partition's batches. */
  readonly batchMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly computeMs: { readonly p50: number };
  /** Time of fold and compaction, all partitions together, the planner aside. */
  readonly commitMs: number;
  /** Share of it beside later batches, 0 to 1. */
  readonly besideShare: number;
  readonly reads: { readonly memory: number; readonly lmdb: number; readonly warm: number; readonly store: number };
}

const COMMIT: ReadonlySet<Lane> = new Set<Lane>(['fold', 'compact']);
const FRONT: ReadonlySet<Lane> = new Set<Lane>(['batch', 'log', 'publish']);

/** From a batch's start until it is published, by start. Adopted batches, which were not computed in this run, are left out. */
export function batchTimes(spans: readonly Span[]): BatchTime[] {
  const computed = new Map<string, { path: string; n: number; startMs: number; endMs: number }>();
  const key = ({ path, n }: Span): string => `${n} ${path}`;
  for (const span of spans) {
    if (span.lane !== 'batch') continue;
    const { path, n, startMs, endMs } = span;
    const known = computed.get(key(span));
    if (known === undefined) computed.set(key(span), { path, n, startMs, endMs });
    else {
      known.startMs = Math.min(known.startMs, startMs);
      known.endMs = Math.max(known.endMs, endMs);
    }
  }
  for (const span of spans) {
    if (span.lane !== 'log' && span.lane !== 'publish') continue;
    const known = computed.get(key(span));
    if (known !== undefined) known.endMs = Math.max(known.endMs, span.endMs);
  }
  return [...computed.values()].sort((a, b) => a.startMs - b.startMs);
}

/** The value that `share` of all are not above (nearest rank); 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Time of commit work, and how much of it was beside later batches of its partition. */
export function commitOverlap(spans: readonly Span[]): { commitMs: number; besideMs: number } {
  let commitMs = 0;
  let besideMs = 0;
  for (const [path, own] of groupByPath(spans)) {
    if (path === PLANNER) continue;
    const front = own.filter((span) => FRONT.has(span.lane)).sort((a, b) => a.startMs - b.startMs);
    const all = union(front);
    // Longest span in front: how far back one must look for those that reach into a piece of commit work.
    const longestMs = front.reduce((longest, { startMs, endMs }) => Math.max(longest, endMs - startMs), 0);
    for (const work of own) {
      if (!COMMIT.has(work.lane)) continue;
      commitMs += work.endMs - work.startMs;
      besideMs += overlapMs(work, work.n === 0 ? all : union(laterThan(front, work, longestMs)));
    }
  }
  return { commitMs, besideMs };
}

function laterThan(front: readonly Span[], work: Span, longestMs: number): Span[] {
  const later: Span[] = [];
  let low = 0;
  let high = front.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (front[middle]!.startMs < work.startMs - longestMs) low = middle + 1;
    else high = middle;
  }
  for (let i = low; i < front.length && front[i]!.startMs < work.endMs; i++) {
    if (front[i]!.n > work.n && front[i]!.endMs > work.startMs) later.push(front[i]!);
  }
  return later;
}

export function runStatistics(spans: readonly Span[]): RunStatistics {
  const times = batchTimes(spans);
  const batchSpans = spans.filter((span) => span.lane === 'batch');
  const firstMs = min(spans.map((span) => span.startMs));
  const durations = times.map(({ startMs, endMs }) => endMs - startMs);
  const { commitMs, besideMs } = commitOverlap(spans);
  return {
    totalMs: max(spans.map((span) => span.endMs)) - firstMs,
    publishedMs: times.length === 0 ? 0 : max(times.map((time) => time.endMs)) - firstMs,
    batches: new Set(times.map((time) => time.n)).size,
    rows: sumOf(
      batchSpans.filter(({ path }) => /^s0\//.test(path)),
      'rows',
    ),
    batchMs: { p50: quantile(durations, 0.5), p99: quantile(durations, 0.99), max: max(durations) },
    computeMs: {
      p50: quantile(
        batchSpans.map(({ startMs, endMs }) => endMs - startMs),
        0.5,
      ),
    },
    commitMs,
    besideShare: commitMs === 0 ? 0 : besideMs / commitMs,
    reads: {
      memory: sumOf(batchSpans, 'memory'),
      lmdb: sumOf(batchSpans, 'lmdb'),
      warm: sumOf(batchSpans, 'warm'),
      store: sumOf(batchSpans, 'store'),
    },
  };
}

function sumOf(spans: readonly Span[], key: string): number {
  return spans.reduce((sum, { detail }) => sum + (typeof detail?.[key] === 'number' ? detail[key] : 0), 0);
}

export function groupByPath(spans: readonly Span[]): Map<string, Span[]> {
  const groups = new Map<string, Span[]>();
  for (const span of spans) {
    const group = groups.get(span.path);
    if (group === undefined) groups.set(span.path, [span]);
    else group.push(span);
  }
  return groups;
}

// Math.min(...values) fails on long arrays.
const min = (values: readonly number[]): number => (values.length === 0 ? 0 : values.reduce((a, b) => Math.min(a, b)));
const max = (values: readonly number[]): number => (values.length === 0 ? 0 : values.reduce((a, b) => Math.max(a, b)));
