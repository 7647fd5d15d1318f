/**
 * What to compact next, as data: leveled, with a trigger on the number of L0 SSTs and a size ratio between levels; then what has
 * ended for the greater part, so that state with an end stays small however little comes in. SSTs that hold only what is
 * forgotten are taken along, without being read. A pure function of the manifest, so that whoever runs it, wherever, comes to the same. The numbers and why:
 * `docs/decisions/0010-compaction.md`, and 0057.
 */
import type { Manifest, SstRef } from '../manifest/manifest.ts';
import { forgottenKeys } from '../state/floors.ts';
import { hull, overlap } from './overlap.ts';

export interface CompactionOptions {
  /** L0 SSTs at which they are merged into L1. Default 8. */
  readonly l0Trigger?: number | undefined;
  /** Bytes that L1 may hold. Default 32 MiB. */
  readonly baseBytes?: number | undefined;
  /** Each level may hold this many times the one above. Default 6. */
  readonly ratio?: number | undefined;
  /** Bytes at which an output SST ends. Default 8 MiB. */
  readonly sstBytes?: number | undefined;
  /**
   * Only what makes L0 shallower, and at most about this many bytes of inputs (but never fewer than two SSTs): for a batch
   * that waits for it.
   */
  readonly boundBytes?: number | undefined;
}

export const COMPACTION = { l0Trigger: 8, baseBytes: 32 << 20, ratio: 6, sstBytes: 8 << 20 } as const;

/** Inputs become outputs in `level` (0: L0, then 1: L1, …). */
export interface Compaction {
  /** Newest first, then by level and key: as the manifest has them. */
  readonly inputs: readonly SstRef[];
  readonly level: number;
  /** Nothing overlaps: the inputs go to the level as they are, without being read. */
  readonly move: boolean;
}

/** @returns `undefined`: none is due */
export function pickCompaction(manifest: Manifest, options: CompactionOptions = {}): Compaction | undefined {
  if (options.boundBytes !== undefined) return pickBounded(manifest, options.boundBytes, options);
  const { l0Trigger = COMPACTION.l0Trigger, baseBytes = COMPACTION.baseBytes, ratio = COMPACTION.ratio } = options;
  let due = 0;
  let highest = scoreOfL0(manifest.l0, l0Trigger, baseBytes);
  for (const [i, ssts] of manifest.levels.entries()) {
    const score = bytesOf(ssts) / (baseBytes * ratio ** i);
    // Over its size only: a level that is full is as it should be.
    if (score > 1 && score > highest) [due, highest] = [i + 1, score];
  }
  if (highest < 1) return expired(manifest, options) ?? forgottenAlone(manifest, l0Trigger);
  return due === 0 ? intoL1(manifest, options) : down(manifest, due, options);
}

/** SSTs older than any of the inputs that stay: what the tombstones of this compaction may still have to hide. */
export function olderThan(manifest: Manifest, { inputs, level }: Compaction): SstRef[] {
  const ids = new Set(inputs.map((sst) => sst.id));
  const last = level === 0 ? manifest.l0.findLastIndex((sst) => ids.has(sst.id)) + 1 : manifest.l0.length;
  return [...manifest.l0.slice(last), ...manifest.levels.slice(level).flat()];
}

export function bytesOf(ssts: readonly SstRef[]): number {
  return ssts.reduce((sum, sst) => sum + sst.size, 0);
}

/** 1 and more: L0 is due. Half as many SSTs are enough where they are large, so that no compaction reads several times as much as others. */
function scoreOfL0(l0: readonly SstRef[], l0Trigger: number, baseBytes: number): number {
  return l0.length / (bytesOf(l0) > 2 * baseBytes ? Math.ceil(l0Trigger / 2) : l0Trigger);
}

/** SSTs of a level of which nothing is left, where they have become many: what takes them along comes down too seldom there. */
function forgottenAlone({ levels, forgotten = [] }: Manifest, many: number): Compaction | undefined {
  const gone = forgottenKeys(forgotten);
  for (const [i, ssts] of levels.entries()) {
    const inputs = ssts.filter(({ minKey, maxKey }) => gone.hasAll(minKey, maxKey));
    if (inputs.length >= many) return { inputs, level: i + 1, move: false };
  }
  return undefined;
}

/** These SSTs of a level, and those of it of which nothing is left. */
function withForgotten(
  level: readonly SstRef[],
  ssts: readonly SstRef[],
  { forgotten = [] }: Manifest,
): readonly SstRef[] {
  const gone = forgottenKeys(forgotten);
  const taken = new Set(ssts);
  return level.filter((sst) => taken.has(sst) || gone.hasAll(sst.minKey, sst.maxKey));
}

/** All of L0 and what it overlaps in L1. */
function intoL1(manifest: Manifest, options: CompactionOptions): Compaction {
  const { l0 } = manifest;
  const { sstBytes = COMPACTION.sstBytes } = options;
  const level = manifest.levels[0] ?? [];
  const below = withForgotten(level, overlapping(level, l0, sstBytes), manifest);
  const disjoint = l0.every((a, i) => l0.every((b, k) => i === k || !overlap(a, b)));
  return {
    inputs: [...l0, ...below],
    level: 1,
    move: below.length === 0 && disjoint && !anySmall(l0, sstBytes) && !anyTombstones(l0),
  };
}

/** The SST of a level that is over its size whose way down rewrites the least for what it takes off. */
function down(manifest: Manifest, from: number, options: CompactionOptions): Compaction {
  const { sstBytes = COMPACTION.sstBytes } = options;
  const target = manifest.levels[from] ?? [];
  let best: Compaction | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const sst of manifest.levels[from - 1]!) {
    const below = overlapping(target, [sst], sstBytes);
    const cost = bytesOf(below) / sst.size;
    if (cost >= least) continue;
    least = cost;
    const taken = withForgotten(target, below, manifest);
    best = { inputs: [sst, ...taken], level: from + 1, move: taken.length === 0 && !anyTombstones([sst]) };
  }
  return best!;
}

/** An SST of a level of which half has ended, where it is: what L0 holds comes down soon enough. */
function expired({ levels, timeMs }: Manifest, options: CompactionOptions): Compaction | undefined {
  const { sstBytes = COMPACTION.sstBytes } = options;
  if (timeMs === undefined) return undefined;
  for (const [i, ssts] of levels.entries()) {
    const half = ssts.find(({ halfExpiredMs }) => halfExpiredMs !== undefined && halfExpiredMs <= timeMs);
    if (half !== undefined) return { inputs: overlapping(ssts, [half], sstBytes), level: i + 1, move: false };
  }
  return undefined;
}

/** The newest L0 SSTs alone, merged into one, where all of L0 with what it overlaps is too much for a batch to wait for. */
function pickBounded(manifest: Manifest, boundBytes: number, options: CompactionOptions): Compaction | undefined {
  const { l0 } = manifest;
  if (l0.length < 2) return undefined;
  const whole = intoL1(manifest, options);
  if (whole.move || bytesOf(whole.inputs) <= boundBytes) return whole;
  let count = 0;
  let bytes = 0;
  for (const sst of l0) {
    if (count >= 2 && bytes + sst.size > boundBytes) break;
    bytes += sst.size;
    count++;
  }
  return { inputs: l0.slice(0, count), level: 0, move: false };
}

/**
 * The SSTs of a level between the bounds of the inputs, and the neighbour on either side if it is small: so that small
 * outputs do not pile up, whatever the order of the keys.
 */
function overlapping(level: readonly SstRef[], inputs: readonly SstRef[], sstBytes: number): readonly SstRef[] {
  const range = hull(inputs);
  const after = (i: number): boolean => level[i]!.minKey > range.maxKey;
  let first = level.findIndex((sst) => sst.maxKey >= range.minKey);
  if (first < 0) first = level.length;
  let end = first;
  while (end < level.length && !after(end)) end++;
  if (first > 0 && anySmall([level[first - 1]!], sstBytes)) first--;
  if (end < level.length && anySmall([level[end]!], sstBytes)) end++;
  return level.slice(first, end);
}

function anySmall(ssts: readonly SstRef[], sstBytes: number): boolean {
  return ssts.some((sst) => sst.size < sstBytes / 2);
}

/** Moved as they are, tombstones would stay when nothing is left for them to hide. */
function anyTombstones(ssts: readonly SstRef[]): boolean {
  return ssts.some((sst) => sst.tombstones > 0);
}
