/** ISO 8601 text in UTC out of bytes, in the form that most programs write: `2013-01-31T10:15:00Z`, with or without a fraction. */
import { isDigit } from './skip.ts';

/** Days in months 1 to 12 of a leap year. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Epoch ms of the text that begins at `from` and ends with the quote before `end`; `NaN`: it is of another form, or no time.
 * Digits behind the third of the fraction are below a millisecond.
 */
export function utcMsAt(bytes: Uint8Array, from: number, end: number): number {
  const length = end - 1 - from;
  if (length < 20 || bytes[end - 2] !== 0x5a) return Number.NaN;
  if (bytes[from + 4] !== 0x2d || bytes[from + 7] !== 0x2d || bytes[from + 10] !== 0x54) return Number.NaN;
  if (bytes[from + 13] !== 0x3a || bytes[from + 16] !== 0x3a) return Number.NaN;
  const year = twoDigits(bytes, from) * 100 + twoDigits(bytes, from + 2);
  const month = twoDigits(bytes, from + 5);
  const day = twoDigits(bytes, from + 8);
  const hour = twoDigits(bytes, from + 11);
  const minute = twoDigits(bytes, from + 14);
  const second = twoDigits(bytes, from + 17);
  // Written so that a `NaN` among them ends it.
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= DAYS[month - 1]!)) return Number.NaN;
  if (month === 2 && day === 29 && !isLeapYear(year)) return Number.NaN;
  if (!(hour <= 23 && minute <= 59 && second <= 59)) return Number.NaN;
  const seconds = ((daysTo(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second;
  return seconds * 1000 + (length === 20 ? 0 : fractionMs(bytes, from + 19, end - 2));
}

function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - 0x30;
  const ones = bytes[at + 1]! - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function fractionMs(bytes: Uint8Array, from: number, end: number): number {
  if (bytes[from] !== 0x2e || from + 1 === end) return Number.NaN;
  let ms = 0;
  let unit = 100;
  for (let at = from + 1; at < end; at++) {
    if (!isDigit(bytes[at]!)) return Number.NaN;
    ms += (bytes[at]! - 0x30) * unit;
    unit = unit === 100 ? 10 : unit === 10 ? 1 : 0;
  }
  return ms;
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Days from 1970 to the first of a month: the years begin in March here, so that a leap day is the last of its year. */
function daysTo(year: number, month: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const marchMonth = month > 2 ? month - 3 : month + 9;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + Math.floor((153 * marchMonth + 2) / 5) - 719_468;
}
