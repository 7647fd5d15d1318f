/**
 * Numbers out of JSON bytes. Up to 15 digits are a whole number that a double holds exactly, and so is a power of ten up to 10^22:
 * their quotient is rounded once, as the number itself would be (Clinger, "How to read floating point numbers accurately",
 * 1990). All others are for `Number`.
 */
import { isDigit, NO_JSON, skipExponent } from './skip.ts';

/** Where a value ends. */
export interface Mark {
  at: number;
}

const MAX_DIGITS = 15;
const POWERS = Float64Array.from({ length: MAX_DIGITS + 1 }, (_, i) => Number(`1e${i}`));

/** The number at `from`. @param mark told where it ends, or {@link NO_JSON} */
export function numberAt(bytes: Buffer, from: number, mark: Mark): number {
  const negative = bytes[from] === 0x2d;
  const first = negative ? from + 1 : from;
  let at = first;
  let byte = bytes[at]!;
  let value = 0;
  if (byte === 0x30) byte = bytes[++at]!;
  else {
    if (!isDigit(byte)) return noNumber(mark);
    // Nine digits are a whole number of 32 bits, which is added up faster.
    const most = at + 9;
    let small = 0;
    do {
      small = (small * 10 + byte - 0x30) | 0;
      byte = bytes[++at]!;
    } while (isDigit(byte) && at < most);
    value = small;
    while (isDigit(byte)) {
      value = value * 10 + (byte - 0x30);
      byte = bytes[++at]!;
    }
  }
  let digits = at - first;
  let scale = 0;
  if (byte === 0x2e) {
    const point = at;
    byte = bytes[++at]!;
    if (!isDigit(byte)) return noNumber(mark);
    do {
      value = value * 10 + (byte - 0x30);
      byte = bytes[++at]!;
    } while (isDigit(byte));
    scale = at - point - 1;
    digits += scale;
  }
  if (digits > MAX_DIGITS || (byte | 0x20) === 0x65) {
    mark.at = skipExponent(bytes, at);
    return mark.at === NO_JSON ? 0 : Number(bytes.toString('latin1', from, mark.at));
  }
  mark.at = at;
  if (scale > 0) value /= POWERS[scale]!;
  return negative ? -value : value;
}

function noNumber(mark: Mark): number {
  mark.at = NO_JSON;
  return 0;
}
