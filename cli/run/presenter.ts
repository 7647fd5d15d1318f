/** Shows a run while it is under way, and what came of it: one implementation a kind of reader. */
import type { EmbeddedEnd, Opened, Progress } from '../../lib/runtime/embedded.ts';
import type { RunStats } from './run-stats.ts';

/** What a summary names. */
export interface Places {
  readonly store: string;
  /** `-`: standard output; `undefined`: in the store only. */
  readonly output: string | undefined;
}

export interface Presenter {
  opened(opened: Opened): void;
  batch(progress: Progress, stats: RunStats): void;
  /** Something the user should know; the run goes on. */
  note(text: string): void;
  ended(end: EmbeddedEnd, stats: RunStats, elapsedMs: number): void;
  /** Nothing more comes; leaves the terminal as it was. Also after a failure. */
  close(): void;
}
