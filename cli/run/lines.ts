/** Progress where there is no terminal: a plain line every few seconds, and the summary. */
import { milliseconds, number, percent, styleOf, time } from '../text.ts';
import type { Places, Presenter } from './presenter.ts';
import type { RunStats } from './run-stats.ts';
import { readShares, summaryText } from './summary.ts';

const EVERY_MS = 3000;

export interface LinesOptions {
  readonly places: Places;
  /** Where progress goes, and where the summary goes. */
  readonly progress: NodeJS.WriteStream;
  readonly summary: NodeJS.WriteStream;
  readonly nowMs: () => number;
}

export function linesPresenter({ places, progress, summary, nowMs }: LinesOptions): Presenter {
  let name = '';
  let shownMs = nowMs();
  let waitingSinceMs: number | undefined;
  return {
    opened({ job, position }) {
      name = job;
      if (position > 0) progress.write(`${name}: goes on after batch ${position}\n`);
    },
    batch(_, stats) {
      if (nowMs() - shownMs < EVERY_MS) return;
      shownMs = nowMs();
      progress.write(`${name}: ${progressText(stats)}\n`);
    },
    idle(_, stats) {
      // One line each time all input is read, so that logs of quiet days stay short.
      if (stats.lastMs === waitingSinceMs) return;
      waitingSinceMs = stats.lastMs;
      shownMs = nowMs();
      progress.write(`${name}: ${progressText(stats)}; waiting for more\n`);
    },
    note(text) {
      progress.write(`${text}\n`);
    },
    ended(end, stats, elapsedMs) {
      summary.write(summaryText(end, stats, elapsedMs, places, styleOf(summary)));
    },
    close() {},
  };
}

function progressText(stats: RunStats): string {
  return [
    `${Math.floor(stats.share * 100)} %`,
    `${number(stats.rows)} rows`,
    `${number(stats.rowsPerSecond)} rows/s`,
    `batch p50 ${milliseconds(stats.quantileMs(0.5))} p99 ${milliseconds(stats.quantileMs(0.99))}`,
    `lag ${stats.commitLag}`,
    stats.allReads === 0 ? `reads ${percent(0, 0)}` : readShares(stats),
    `watermark ${time(stats.watermark)}`,
  ].join(', ');
}
