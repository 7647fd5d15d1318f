/** How long each step of a batch took, from the spans of the run: the same that the timeline draws. */
import type { Span } from '../util/trace.ts';
import type { RunStep } from './run-events.ts';

const STEPS: readonly string[] = ['ingest', 'plan', 'preload', 'wait', 'batch', 'log', 'publish'] satisfies RunStep[];

type Times = Partial<Record<RunStep, number>>;

export class StepTimes {
  /** By batch. */
  readonly #times = new Map<number, Times>();
  #taken = 0;

  span({ lane, n, startMs, endMs }: Span): void {
    if (n <= this.#taken || !STEPS.includes(lane)) return;
    const step = lane as RunStep;
    const times = this.#times.get(n) ?? {};
    times[step] = Math.max(times[step] ?? 0, endMs - startMs);
    this.#times.set(n, times);
  }

  /** Returns the times of batch n; forgets those of n and all earlier batches. */
  take(n: number): Times {
    const times = this.#times.get(n) ?? {};
    this.#taken = n;
    for (const known of this.#times.keys()) if (known <= n) this.#times.delete(known);
    return times;
  }
}
