/** Shows a run while it is under way, and what came of it: one implementation a kind of reader. */
import type { RunIdle, RunProgress, RunStarted, RunSummary } from '../../lib/embedded/run-events.ts';
import type { RunStats } from './run-stats.ts';

/** What a summary names. */
export interface Places {
  readonly store: string;
  /** `-`: standard output; `undefined`: in the store only. */
  readonly output: string | undefined;
}

export interface Presenter {
  opened(started: RunStarted): void;
  batch(progress: RunProgress, stats: RunStats): void;
  /** All present input is read; the run waits for more. */
  idle?(idle: RunIdle, stats: RunStats, nowMs: number): void;
  /** Something the user should know; the run goes on. */
  note(text: string): void;
  ended(end: RunSummary, stats: RunStats, elapsedMs: number): void;
  /** Ends the display and leaves the terminal as it was; also after a failure. */
  close(): void;
}
