/**
 * Passes over JSON in bytes, and checks that it is JSON: as strict as `JSON.parse`, without making anything of it. The bytes are
 * UTF-8 and end with a line end, which is within no JSON text of a line: so nothing here reads beyond it.
 */

/** What a byte is within a string: 0 part of it, else what ends the quick look. */
const QUOTE = 1;
const BACKSLASH = 2;
const CONTROL = 3;
const IN_STRING = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0x22 ? QUOTE : byte === 0x5c ? BACKSLASH : byte < 0x20 ? CONTROL : 0,
);

/** What it was is not JSON, or nests too deep. */
export const NO_JSON = -1;

/** Behind spaces, tabs and carriage returns: a line feed ends the text. */
export function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let byte = bytes[at]; byte === 0x20 || byte === 0x09 || byte === 0x0d; byte = bytes[++at]);
  return at;
}

/** Behind the string whose opening quote is before `from`. */
export function skipString(bytes: Uint8Array, from: number): number {
  for (let at = from; ; ) {
    let kind = IN_STRING[bytes[at]!]!;
    while (kind === 0) kind = IN_STRING[bytes[++at]!]!;
    if (kind === QUOTE) return at + 1;
    if (kind === CONTROL) return NO_JSON;
    at = skipEscape(bytes, at + 1);
    if (at === NO_JSON) return NO_JSON;
  }
}

/** Behind what follows a backslash. */
function skipEscape(bytes: Uint8Array, from: number): number {
  switch (bytes[from]) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return from + 1;
    case 0x75: // u
      for (let at = from + 1; at < from + 5; at++) if (!isHexDigit(bytes[at]!)) return NO_JSON;
      return from + 5;
    default:
      return NO_JSON;
  }
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Behind the number at `from`, wherever it ends: what follows is for who asks. */
export function skipNumber(bytes: Uint8Array, from: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  if (bytes[at] === 0x30) at++;
  else {
    if (!isDigit(bytes[at]!)) return NO_JSON;
    while (isDigit(bytes[++at]!));
  }
  if (bytes[at] === 0x2e) {
    if (!isDigit(bytes[++at]!)) return NO_JSON;
    while (isDigit(bytes[++at]!));
  }
  return skipExponent(bytes, at);
}

/** Behind the exponent at `from`, if there is one. */
export function skipExponent(bytes: Uint8Array, from: number): number {
  if ((bytes[from]! | 0x20) !== 0x65) return from;
  let at = from + 1;
  if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
  if (!isDigit(bytes[at]!)) return NO_JSON;
  while (isDigit(bytes[++at]!));
  return at;
}

/** Behind `true`, `false` or `null`. */
export function skipWord(bytes: Uint8Array, at: number): number {
  switch (bytes[at]) {
    case 0x74:
      return bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65 ? at + 4 : NO_JSON;
    case 0x66:
      return bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73 && bytes[at + 4] === 0x65
        ? at + 5
        : NO_JSON;
    case 0x6e:
      return bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c ? at + 4 : NO_JSON;
    default:
      return NO_JSON;
  }
}

/** Behind the value at `from`. @param levels arrays and objects that it may hold in one another, itself among them */
export function skipValue(bytes: Uint8Array, from: number, levels: number): number {
  switch (bytes[from]) {
    case 0x22:
      return skipString(bytes, from + 1);
    case 0x7b:
      return levels === 0 ? NO_JSON : skipObject(bytes, from + 1, levels - 1);
    case 0x5b:
      return levels === 0 ? NO_JSON : skipArray(bytes, from + 1, levels - 1);
    case 0x74:
    case 0x66:
    case 0x6e:
      return skipWord(bytes, from);
    default:
      return skipNumber(bytes, from);
  }
}

function skipArray(bytes: Uint8Array, from: number, levels: number): number {
  let at = skipSpace(bytes, from);
  if (bytes[at] === 0x5d) return at + 1;
  for (;;) {
    at = skipValue(bytes, at, levels);
    if (at === NO_JSON) return NO_JSON;
    at = skipSpace(bytes, at);
    if (bytes[at] === 0x5d) return at + 1;
    if (bytes[at] !== 0x2c) return NO_JSON;
    at = skipSpace(bytes, at + 1);
  }
}

function skipObject(bytes: Uint8Array, from: number, levels: number): number {
  let at = skipSpace(bytes, from);
  if (bytes[at] === 0x7d) return at + 1;
  for (;;) {
    if (bytes[at] !== 0x22) return NO_JSON;
    at = skipString(bytes, at + 1);
    if (at === NO_JSON) return NO_JSON;
    at = skipSpace(bytes, at);
    if (bytes[at] !== 0x3a) return NO_JSON;
    at = skipValue(bytes, skipSpace(bytes, at + 1), levels);
    if (at === NO_JSON) return NO_JSON;
    at = skipSpace(bytes, at);
    if (bytes[at] === 0x7d) return at + 1;
    if (bytes[at] !== 0x2c) return NO_JSON;
    at = skipSpace(bytes, at + 1);
  }
}
