/**
 * Times as they are written, turned into epoch milliseconds: numbers in a unit, `Date`, ISO 8601 text. What is no time gives the
 * reason, to be said behind the name of what it was.
 */
import { cutText } from './text.ts';

/** Unit of times that are numbers: seconds, milliseconds, microseconds or nanoseconds since 1970. */
export type TimeUnit = 's' | 'ms' | 'us' | 'ns';

export const TIME_UNITS: readonly TimeUnit[] = ['s', 'ms', 'us', 'ns'];

/** Greatest distance from the epoch that `Date` can show, ms. */
const FURTHEST = 8.64e15;

/**
 * Epoch ms, whole: fractions of a millisecond are cut off towards the past, so that a time stays in the window that it is in
 * (windows begin and end at whole milliseconds).
 * @param unit of numbers; with one, a time must be in the years 0 to 9999. `undefined`: any milliseconds
 * @returns a text: why it is no time
 */
export function epochMs(value: unknown, unit: TimeUnit | undefined): number | string {
  if (typeof value === 'number') return unit === undefined ? anyMs(value) : numberMs(value, unit);
  if (typeof value === 'string') {
    // Integers beyond 2^53 come out of CSV and Parquet as text.
    return unit !== undefined && /^-?\d{16,24}$/.test(value) ? bigMs(BigInt(value), unit) : isoMs(value);
  }
  if (value instanceof Date) {
    const ms = value.getTime();
    return Number.isNaN(ms) ? 'is an invalid Date' : ms;
  }
  if (value === null || value === undefined) return 'is missing';
  return `is a ${typeof value}; give epoch ms, a Date or ISO 8601 text`;
}

function anyMs(value: number): number | string {
  if (Math.abs(value) <= FURTHEST) return Math.floor(value) + 0;
  return `${value} is not a time in epoch milliseconds${unitHint(value, 'ms')}`;
}

const YEAR_0 = Date.parse('0000-01-01T00:00:00Z');
const YEAR_10000 = Date.UTC(10_000, 0);

function numberMs(value: number, unit: TimeUnit): number | string {
  return inYears(Math.floor(inMs(value, unit)) + 0, value, unit);
}

/** Exactly, as nanoseconds have more digits than a number. */
function bigMs(value: bigint, unit: TimeUnit): number | string {
  const scale = unit === 'ns' ? 1_000_000n : unit === 'us' ? 1000n : 1n;
  const ms = unit === 's' ? value * 1000n : (value - (((value % scale) + scale) % scale)) / scale;
  return inYears(Number(ms), Number(value), unit);
}

function inMs(value: number, unit: TimeUnit): number {
  return unit === 's' ? value * 1000 : unit === 'ms' ? value : unit === 'us' ? value / 1000 : value / 1_000_000;
}

function inYears(ms: number, value: number, unit: TimeUnit): number | string {
  if (ms >= YEAR_0 && ms < YEAR_10000) return ms;
  return `${value} is in no year from 0 to 9999, taken in '${unit}' (eventTimeUnit)${unitHint(value, unit)}`;
}

/** The unit in which a number would be a time of our days. */
function unitHint(value: number, than: TimeUnit): string {
  const likely = TIME_UNITS.find((unit) => {
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

function isoMs(text: string): number | string {
  const match = ISO.exec(text);
  if (match === null) return notIso(text);
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4] ?? 0), Number(match[5] ?? 0), Number(match[6] ?? 0)];
  const [zoneHour, zoneMinute] = [Number(match[10] ?? 0), Number(match[11] ?? 0)];
  if (month < 1 || month > 12 || day < 1 || day > DAYS[month - 1]!) return notIso(text);
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return notIso(text);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day) return notIso(text);
  // The first three digits of the fraction; the rest is below a millisecond.
  const fraction = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const offset = (zoneHour * 60 + zoneMinute) * (match[9] === '-' ? -1 : 1);
  const ms = date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction;
  return Math.abs(ms) <= FURTHEST ? ms : notIso(text);
}

function notIso(text: string): string {
  return `'${cutText(text, 60, '…')}' is not ISO 8601, such as 2013-01-01T10:15:00Z`;
}
