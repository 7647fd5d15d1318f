/**
 * Progress on a terminal: a bar and three lines below it, redrawn in place, never wider than the terminal; gone when the
 * run ends, so that the summary is what stays.
 */

import { cutText } from '../../lib/util/text.ts';
import { redrawnLines } from '../redrawn-lines.ts';
import { milliseconds, number, type Style, styleOf, time } from '../text.ts';
import type { Places, Presenter } from './presenter.ts';
import type { RunStats } from './run-stats.ts';
import { readShares, summaryText } from './summary.ts';

/** Of a line that is redrawn; only its text changes. */
const STEPS = 1000;

export interface TerminalOptions {
  readonly places: Places;
  readonly terminal: NodeJS.WriteStream;
  readonly summary: NodeJS.WriteStream;
}

export function terminalPresenter({ places, terminal, summary }: TerminalOptions): Presenter {
  const style = styleOf(terminal);
  const bars = redrawnLines(terminal, true);
  let name = '';
  const lines = Array.from({ length: 3 }, () => bars.create(STEPS, 0, { line: '' }));
  const show = (stats: RunStats, idleMs?: number): void => {
    const width = Math.max(40, terminal.columns ?? 80) - 1;
    for (const [i, line] of screen(name, stats, width, style, idleMs).entries()) lines[i]!.update(0, { line });
  };
  let open = true;
  return {
    opened({ job, position }) {
      name = job;
      if (position > 0) bars.log(`${name}: goes on after batch ${position}\n`);
    },
    batch(_, stats) {
      show(stats);
    },
    idle(_, stats, nowMs) {
      show(stats, stats.lastMs === undefined ? undefined : nowMs - stats.lastMs);
    },
    note(text) {
      if (open) bars.log(`${text}\n`);
      else terminal.write(`${text}\n`);
    },
    ended(end, stats, elapsedMs) {
      this.close();
      summary.write(summaryText(end, stats, elapsedMs, places, styleOf(summary)));
    },
    close() {
      if (open) bars.stop();
      open = false;
    },
  };
}

/**
 * The lines of the display; cut to `width` characters before they are coloured.
 * @param idleMs since when nothing has come, where the run waits for more
 */
export function screen(name: string, stats: RunStats, width: number, style: Style, idleMs?: number): string[] {
  const share = stats.share;
  const rows = `${number(stats.rows)} rows`;
  const rate = `${number(stats.rowsPerSecond)} rows/s`;
  const percentage = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const around = name.length + percentage.length + rows.length + rate.length + 11;
  const barWidth = Math.max(8, Math.min(40, width - around));
  const filled = Math.round(share * barWidth);
  const bar = style.good('━'.repeat(filled)) + style.dim('─'.repeat(barWidth - filled));
  const times = `p50 ${milliseconds(stats.quantileMs(0.5))} · p99 ${milliseconds(stats.quantileMs(0.99))}`;
  const batch =
    idleMs === undefined ? `batch ${stats.position}` : `waiting · batch ${stats.position} ${ago(idleMs)} ago`;
  const second = `${batch} · ${times} · ${width < 90 ? 'lag' : 'commit lag'} ${stats.commitLag} · watermark ${time(stats.watermark).replace(' UTC', '')}`;
  const third = `reads ${stats.allReads === 0 ? 'none yet' : readShares(stats, width > 70)}`;
  return [
    `${style.bold(name)}  ${bar} ${percentage}  ${rows}  ${style.bold(rate)}`,
    style.dim(cutText(`  ${second}`, width)),
    style.dim(cutText(`  ${third}`, width)),
  ];
}

/** `12 s`, `5 min`, `3 h`. */
function ago(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}
