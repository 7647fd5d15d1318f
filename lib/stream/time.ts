/**
 * Event times as rows carry them, turned into epoch milliseconds. What is not a time makes its row a bad row with a
 * reason, never a `NaN` that would silently fall into no window.
 */

import { cutText } from '../util/text.ts';
import { BadRow } from './operator.ts';

/**
 * A point in event time: epoch ms (or in the source's `eventTimeUnit`), `Date`, or ISO 8601 text (UTC where no zone is written).
 * A row for which it is missing or not a time is bad input: quarantined, or the job fails (`onBadRow`).
 */
export type EventTime = number | Date | string;

/** Unit of event times that are numbers: seconds, milliseconds, microseconds or nanoseconds since 1970. */
export type EventTimeUnit = 's' | 'ms' | 'us' | 'ns';

export const EVENT_TIME_UNITS: readonly EventTimeUnit[] = ['s', 'ms', 'us', 'ns'];

/** Greatest distance from the epoch that `Date` can show, ms. */
const FURTHEST = 8.64e15;

/**
 * Epoch ms of an event time. Fractions of a millisecond are cut off towards the past, so a row stays in the window that
 * its exact time is in (windows begin and end at whole milliseconds).
 * @throws {BadRow} missing, or not a time
 */
export function toEpochMs(value: unknown): number {
  if (typeof value === 'number') {
    if (!(Math.abs(value) <= FURTHEST)) {
      throw new BadRow(`event time ${value} is not a time in epoch milliseconds${unitHint(value, 'ms')}`);
    }
    return Math.floor(value) + 0;
  }
  if (typeof value === 'string') return parseIso(value);
  if (value instanceof Date) {
    const ms = value.getTime();
    if (Number.isNaN(ms)) throw new BadRow('event time is an invalid Date');
    return ms;
  }
  if (value === null || value === undefined) throw new BadRow('event time is missing');
  throw new BadRow(`event time is a ${typeof value}; give epoch ms, a Date or ISO 8601 text`);
}

/** What turns event times of a source into epoch ms, as {@link toEpochMs} does; numbers are in this unit. */
export function epochMsIn(unit: EventTimeUnit | undefined): (value: unknown) => number {
  if (unit === undefined) return toEpochMs;
  return (value) => {
    if (typeof value === 'number') return numberMs(value, unit);
    // Integers beyond 2^53 come out of CSV and Parquet as text.
    if (typeof value === 'string' && /^-?\d{16,24}$/.test(value)) return bigMs(BigInt(value), unit);
    return toEpochMs(value);
  };
}

const YEAR_0 = Date.parse('0000-01-01T00:00:00Z');
const YEAR_10000 = Date.UTC(10_000, 0);

function numberMs(value: number, unit: EventTimeUnit): number {
  return inYears(Math.floor(inMs(value, unit)) + 0, value, unit);
}

/** Exactly, as nanoseconds have more digits than a number. */
function bigMs(value: bigint, unit: EventTimeUnit): number {
  const scale = unit === 'ns' ? 1_000_000n : unit === 'us' ? 1000n : 1n;
  const ms = unit === 's' ? value * 1000n : (value - (((value % scale) + scale) % scale)) / scale;
  return inYears(Number(ms), Number(value), unit);
}

function inMs(value: number, unit: EventTimeUnit): number {
  return unit === 's' ? value * 1000 : unit === 'ms' ? value : unit === 'us' ? value / 1000 : value / 1_000_000;
}

function inYears(ms: number, value: number, unit: EventTimeUnit): number {
  if (ms >= YEAR_0 && ms < YEAR_10000) return ms;
  throw new BadRow(
    `event time ${value} is in no year from 0 to 9999, taken in '${unit}' (eventTimeUnit)${unitHint(value, unit)}`,
  );
}

/** The unit in which a number would be a time of our days. */
function unitHint(value: number, than: EventTimeUnit): string {
  const likely = EVENT_TIME_UNITS.find((unit) => {
    const ms = inMs(value, unit);
    return unit !== than && ms >= Date.UTC(1980, 0) && ms < Date.UTC(2100, 0);
  });
  if (likely === undefined) return '';
  const day = new Date(inMs(value, likely)).toISOString().slice(0, 10);
  return `; in '${likely}' it would be ${day}: give the source eventTimeUnit: '${likely}'`;
}

const ISO =
  /^([+-]\d{6}|\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:([Zz])|([+-])(\d\d):?(\d\d)?)?)?$/;

/** Days in months 1 to 12 of a leap year; the 29th of February is checked by `Date` itself. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function parseIso(text: string): number {
  const match = ISO.exec(text);
  if (match === null) throw notIso(text);
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4] ?? 0), Number(match[5] ?? 0), Number(match[6] ?? 0)];
  const [zoneHour, zoneMinute] = [Number(match[10] ?? 0), Number(match[11] ?? 0)];
  if (month < 1 || month > 12 || day < 1 || day > DAYS[month - 1]!) throw notIso(text);
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) throw notIso(text);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day) throw notIso(text);
  // The first three digits of the fraction; the rest is below a millisecond.
  const fraction = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const offset = (zoneHour * 60 + zoneMinute) * (match[9] === '-' ? -1 : 1);
  const ms = date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction;
  if (!(Math.abs(ms) <= FURTHEST)) throw notIso(text);
  return ms;
}

function notIso(text: string): BadRow {
  const shown = cutText(text, 60, '…');
  return new BadRow(`event time '${shown}' is not ISO 8601, such as 2013-01-01T10:15:00Z`);
}
