/**
 * The job's watermark from what the plans have seen of each generator: greatest event time minus delay, the least (or
 * greatest, by policy) over the generators, none until every one has seen a row, and never going back. A generator that
 * has been idle for longer than it may be does not hold the others back.
 */
import type { WatermarkSpec } from '../stream/compile/physical.ts';
import { greatest, smallest } from '../util/numbers.ts';
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
  for (const { id, delayMs, idleAfterMs } of specs) {
    const { maxEventTime = null, seenMs = nowMs } = inputs[id] ?? {};
    const idle = idleAfterMs !== undefined && nowMs - seenMs >= idleAfterMs;
    if (policy === 'min' && idle) continue;
    if (maxEventTime !== null) marks.push(maxEventTime - delayMs);
    else if (policy === 'min') return previous;
  }
  if (marks.length === 0) return previous;
  const mark = policy === 'min' ? smallest(marks) : greatest(marks);
  return previous === null ? mark : Math.max(previous, mark);
}

/**
 * Progress after a plan.
 * @param seen greatest event time in the plan's rows, by generator
 */
export function advance(
  specs: readonly WatermarkSpec[],
  inputs: InputProgress,
  seen: ReadonlyMap<string, number>,
  nowMs: number,
): InputProgress {
  const next: Record<string, InputProgress[string]> = { ...inputs };
  for (const { id, idleAfterMs } of specs) {
    const time = seen.get(id);
    const before = inputs[id];
    if (time !== undefined) {
      next[id] = { maxEventTime: Math.max(time, before?.maxEventTime ?? Number.NEGATIVE_INFINITY), seenMs: nowMs };
    } else if (before === undefined && idleAfterMs !== undefined) {
      next[id] = { maxEventTime: null, seenMs: nowMs };
    }
  }
  return next;
}
