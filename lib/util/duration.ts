/**
 * Lengths of time as users write them, turned into whole milliseconds in one place, so that a bad one is refused when the
 * job is built and never found by a batch.
 */
import { JobError } from '../errors.ts';

/** Unit of a written duration: `ms`, `s`, `min`, `h`, `d`, `w` and their long forms. Months and years are not durations. */
export type DurationUnit =
  | 'ms'
  | 'millisecond'
  | 'milliseconds'
  | 's'
  | 'sec'
  | 'second'
  | 'seconds'
  | 'min'
  | 'minute'
  | 'minutes'
  | 'h'
  | 'hour'
  | 'hours'
  | 'd'
  | 'day'
  | 'days'
  | 'w'
  | 'week'
  | 'weeks';

/**
 * A length of time: whole milliseconds, or text such as `'10 s'`, `'90s'`, `'3 hours'`.
 * Must be finite and ≥ 0, except where an operator says otherwise.
 */
export type Duration = number | `${number}${'' | ' '}${DurationUnit}`;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

const UNITS: { readonly [U in DurationUnit]: number } = {
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: SECOND,
  sec: SECOND,
  second: SECOND,
  seconds: SECOND,
  min: MINUTE,
  minute: MINUTE,
  minutes: MINUTE,
  h: HOUR,
  hour: HOUR,
  hours: HOUR,
  d: DAY,
  day: DAY,
  days: DAY,
  w: WEEK,
  week: WEEK,
  weeks: WEEK,
};

const WRITTEN = /^([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?) ?([a-z]+)$/i;

/**
 * Parses a duration that comes from configuration, where the compiler cannot check the text.
 * @returns milliseconds
 * @throws {JobError} `BAD_DURATION` for anything else than a number and a unit
 */
export function duration(text: string): number {
  const match = typeof text === 'string' ? WRITTEN.exec(text) : null;
  const unit = match?.[2] ?? '';
  if (match === null || !Object.hasOwn(UNITS, unit)) {
    throw bad('', text, "write a number and a unit (ms, s, min, h, d, w), such as '10 s' or '3 hours'");
  }
  return whole('', text, Number(match[1]) * UNITS[unit as DurationUnit]);
}

/**
 * Milliseconds of a duration that a job gives.
 * @param what names the option in the message
 * @throws {JobError} `BAD_DURATION` unless it is a whole, finite number of ms ≥ 0
 */
export function toMs(value: Duration, what: string): number {
  const ms = signedMs(value, what);
  if (ms < 0) throw bad(what, value, 'must not be negative');
  return ms;
}

/** As {@link toMs}, but that it may be negative. */
export function signedMs(value: Duration, what: string): number {
  if (typeof value === 'number') return whole(what, value, value);
  try {
    return duration(value);
  } catch (error) {
    throw error instanceof JobError ? new JobError(error.code, `${what}: ${error.message}`) : error;
  }
}

function whole(what: string, written: unknown, ms: number): number {
  // A decimal such as 0.1 s may miss its whole number of ms by a rounding error.
  const rounded = Math.round(ms);
  if (!Number.isSafeInteger(rounded) || Math.abs(ms - rounded) > 1e-6) {
    throw bad(what, written, 'must be a whole, finite number of milliseconds');
  }
  return rounded + 0;
}

function bad(what: string, written: unknown, why: string): JobError {
  const shown = typeof written === 'string' ? `'${written}'` : String(written);
  return new JobError('BAD_DURATION', `${what === '' ? '' : `${what}: `}${shown} is no duration: ${why}`);
}

/** As a person would write it: in the greatest unit that it is a whole number of. */
export function durationText(ms: number): string {
  const [unit, of] = (
    [
      ['day', DAY],
      ['hour', HOUR],
      ['minute', MINUTE],
      ['second', SECOND],
    ] as const
  ).find(([, length]) => ms >= length && ms % length === 0) ?? ['ms', 1];
  const count = ms / of;
  return `${count} ${unit}${count === 1 || unit === 'ms' ? '' : 's'}`;
}
