/**
 * Numbers as eight bytes whose order is the numbers' order: the double's bits, big-endian, all flipped for negative
 * numbers and only the sign bit for others. Covers ±Infinity; `-0` becomes `0`; not for NaN.
 */

const floats = new Float64Array(1);
const words = new Uint32Array(floats.buffer);
// Which word holds the sign depends on the machine's byte order.
floats[0] = -1;
const HIGH = words[1] === 0 ? 0 : 1;
const LOW = 1 - HIGH;

/** @returns a binary string of eight characters */
export function orderedNumber(value: number): string {
  floats[0] = value === 0 ? 0 : value;
  let high = words[HIGH]!;
  let low = words[LOW]!;
  if (high >>> 31 === 1) {
    high = ~high;
    low = ~low;
  } else {
    high ^= 0x80000000;
  }
  return String.fromCharCode(
    (high >>> 24) & 255,
    (high >>> 16) & 255,
    (high >>> 8) & 255,
    high & 255,
    (low >>> 24) & 255,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
  );
}

/** Writes the 8 bytes of {@link orderedNumber}. */
export function putOrderedNumber(to: Uint8Array, at: number, value: number): void {
  const text = orderedNumber(value);
  for (let i = 0; i < 8; i++) to[at + i] = text.charCodeAt(i);
}

/** As {@link parseOrderedNumber}, from bytes. */
export function readOrderedNumber(bytes: Uint8Array, from: number): number {
  let high = 0;
  let low = 0;
  for (let i = 0; i < 4; i++) {
    high = (high << 8) | bytes[from + i]!;
    low = (low << 8) | bytes[from + 4 + i]!;
  }
  return numberOf(high, low);
}

/** Reads what {@link orderedNumber} wrote, at `from`. */
export function parseOrderedNumber(text: string, from = 0): number {
  let high = 0;
  let low = 0;
  for (let i = 0; i < 4; i++) {
    high = (high << 8) | text.charCodeAt(from + i);
    low = (low << 8) | text.charCodeAt(from + 4 + i);
  }
  return numberOf(high, low);
}

/** The number of these eight bytes, four and four. */
function numberOf(high: number, low: number): number {
  const isNegative = high >>> 31 === 0;
  words[HIGH] = isNegative ? ~high : high ^ 0x80000000;
  words[LOW] = isNegative ? ~low : low;
  return floats[0]!;
}
