/**
 * The job's watermark from what the plans have seen of each generator: greatest event time minus delay, the least (or
 * greatest, by policy) over the generators, none until every one has seen a row, and never going back. A generator that
 * has been idle for longer than it may be does not hold the others back.
 */
import type { WatermarkSpec } from '../stream/physical.ts';
import type { Plan } from './plan.ts';

export type InputProgress = Plan['inputs'];

/**
 * @param previous the watermark before, `null`: none
 * @param nowMs the planner's clock
 */
export function nextWatermark(
  specs: readonly WatermarkSpec[],
  policy: 'min' | 'max',
  inputs: InputProgress,
  previous: number | null,
  nowMs: number,
): number | null {
  const marks: number[] = [];
  for (const spec of specs) {
    const progress = inputs[spec.id];
    if (progress === undefined) {
      if (policy === 'min') return previous;
      continue;
    }
    const idle = spec.idleAfterMs !== undefined && nowMs - progress.seenMs >= spec.idleAfterMs;
    if (!idle || policy === 'max') marks.push(progress.maxEventTime - spec.delayMs);
  }
  if (marks.length === 0) return previous;
  const mark = policy === 'min' ? Math.min(...marks) : Math.max(...marks);
  return previous === null ? mark : Math.max(previous, mark);
}

/** Progress after a plan that saw `seen` (greatest event time by generator). */
export function advance(inputs: InputProgress, seen: ReadonlyMap<string, number>, nowMs: number): InputProgress {
  const next: Record<string, { maxEventTime: number; seenMs: number }> = { ...inputs };
  for (const [id, time] of seen) {
    next[id] = { maxEventTime: Math.max(time, inputs[id]?.maxEventTime ?? Number.NEGATIVE_INFINITY), seenMs: nowMs };
  }
  return next;
}
