/**
 * What a command with several steps is doing, while it does it: on a terminal one line that is redrawn, which stays with
 * its result when the step is done; elsewhere a plain line at its beginning and end, and one every few seconds, if there is
 * something new to say. For machines one JSON object a line.
 */

import type { MultiBar, SingleBar } from 'cli-progress';
import { systemClock } from '../lib/util/clock.ts';
import { cutText } from '../lib/util/text.ts';
import { redrawnLines } from './redrawn-lines.ts';
import { milliseconds, styleOf } from './text.ts';

const EVERY_MS = 5000;

export interface Steps {
  /** Begins a step, which ends the one before. */
  step(name: string, title: string): void;
  /** How far the step is. */
  at(detail: string): void;
  /** Ends the step. */
  done(result?: string): void;
  /** Something the user should know; the step goes on. */
  note(text: string): void;
  /** Nothing more comes; leaves the terminal as it was. Also after a failure. */
  close(): void;
}

export interface StepsOptions {
  readonly json: boolean;
  /** Default: standard output for machines, standard error for people. */
  readonly stream?: NodeJS.WriteStream;
  /** No line that is redrawn, on a terminal neither. */
  readonly plain?: boolean;
  /** A clock for durations. Default: the machine's. */
  readonly nowMs?: () => number;
}

export function stepsFor({
  json,
  stream = json ? process.stdout : process.stderr,
  plain = false,
  nowMs = () => systemClock.monotonic(),
}: StepsOptions): Steps {
  if (json) return jsonSteps(stream);
  return stream.isTTY && process.env.TERM !== 'dumb' && !plain ? terminalSteps(stream) : lineSteps(stream, nowMs);
}

interface Running {
  readonly name: string;
  readonly title: string;
  readonly startedMs: number;
}

function begin(name: string, title: string): Running {
  return { name, title, startedMs: systemClock.monotonic() };
}

function tookMs({ startedMs }: Running): number {
  return systemClock.monotonic() - startedMs;
}

function lineSteps(stream: NodeJS.WriteStream, nowMs: () => number): Steps {
  let running: Running | undefined;
  let shownMs = 0;
  let shown = '';
  const write = (text: string): void => void stream.write(`${text}\n`);
  return {
    step(name, title) {
      this.done();
      running = begin(name, title);
      shownMs = nowMs();
      shown = '';
      write(title);
    },
    at(detail) {
      if (running === undefined || detail === shown || nowMs() - shownMs < EVERY_MS) return;
      shownMs = nowMs();
      shown = detail;
      write(`  ${detail}`);
    },
    done(result) {
      if (running !== undefined) write(`  ${result ?? 'done'} (${milliseconds(tookMs(running))})`);
      running = undefined;
    },
    note: write,
    close() {
      running = undefined;
    },
  };
}

function terminalSteps(stream: NodeJS.WriteStream): Steps {
  const style = styleOf(stream);
  let running: Running | undefined;
  let shown: { bars: MultiBar; bar: SingleBar } | undefined;
  let detail = '';
  const hide = (): void => {
    shown?.bars.stop();
    shown = undefined;
  };
  const draw = (): void => {
    if (running === undefined || shown === undefined) return;
    const width = Math.max(40, stream.columns ?? 80) - 1;
    const about = detail === '' ? '' : `  ${detail}`;
    const clock = `  ${milliseconds(Math.max(1000, tookMs(running)))}`;
    const room = Math.max(0, width - running.title.length - clock.length);
    shown.bar.update(0, { line: `${running.title}${style.dim(cutText(about, room) + clock)}` });
  };
  const timer = setInterval(draw, 1000);
  timer.unref();
  return {
    step(name, title) {
      this.done();
      running = begin(name, title);
      detail = '';
      // An interrupt may end the process while the line is there.
      const bars = redrawnLines(stream, false);
      shown = { bars, bar: bars.create(1, 0, { line: title }) };
      draw();
    },
    at(text) {
      detail = text;
      draw();
    },
    done(result) {
      hide();
      if (running !== undefined) {
        const took = style.dim(milliseconds(tookMs(running)));
        stream.write(`${style.good('✓')} ${running.title}${result === undefined ? '' : `: ${result}`}  ${took}\n`);
      }
      running = undefined;
    },
    note(text) {
      if (shown === undefined) stream.write(`${text}\n`);
      else shown.bars.log(`${text}\n`);
    },
    close() {
      clearInterval(timer);
      hide();
      running = undefined;
    },
  };
}

function jsonSteps(stream: NodeJS.WriteStream): Steps {
  let running: Running | undefined;
  let shown = '';
  const write = (event: Record<string, unknown>): void => void stream.write(`${JSON.stringify(event)}\n`);
  return {
    step(name, title) {
      this.done();
      running = begin(name, title);
      shown = '';
      write({ event: 'step', step: name, message: title });
    },
    at(detail) {
      if (running === undefined || detail === shown) return;
      shown = detail;
      write({ event: 'progress', step: running.name, message: detail });
    },
    done(result) {
      if (running !== undefined) {
        write({
          event: 'done',
          step: running.name,
          elapsedMs: Math.round(tookMs(running)),
          ...(result === undefined ? {} : { message: result }),
        });
      }
      running = undefined;
    },
    note(text) {
      write({ event: 'note', message: text });
    },
    close() {
      running = undefined;
    },
  };
}
