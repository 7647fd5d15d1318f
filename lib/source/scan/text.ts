/** Text out of JSON bytes. */
import type { TextColumn } from '../../columns/text-column.ts';
import { latin1At } from '../../util/bytes.ts';
import type { Mark } from './number.ts';
import { NO_JSON, skipString } from './skip.ts';

const QUOTE = 1;
const BEYOND_ASCII = 2;
const KIND = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0x22 ? QUOTE : byte === 0x5c || byte < 0x20 || byte >= 0x80 ? BEYOND_ASCII : 0,
);

/** The string whose opening quote is before `from`. @param mark told where it ends, or {@link NO_JSON} */
export function textAt(bytes: Buffer, from: number, mark: Mark): string {
  let at = from;
  let kind = KIND[bytes[at]!]!;
  while (kind === 0) kind = KIND[bytes[++at]!]!;
  if (kind === QUOTE) {
    mark.at = at + 1;
    return asciiText(bytes, from, at);
  }
  const end = skipString(bytes, at);
  mark.at = end;
  if (end === NO_JSON) return '';
  const backslash = bytes.indexOf(0x5c, at);
  if (backslash < 0 || backslash >= end) return bytes.toString('utf8', from, end - 1);
  return JSON.parse(bytes.toString('utf8', from - 1, end)) as string;
}

/** Sets text i of a column to the string whose opening quote is before `from`. @returns where it ends, or {@link NO_JSON} */
export function textInto(bytes: Buffer, from: number, to: TextColumn, i: number): number {
  let at = from;
  let kind = KIND[bytes[at]!]!;
  while (kind === 0) kind = KIND[bytes[++at]!]!;
  if (kind === QUOTE) {
    to.setBytes(i, bytes, from, at, true);
    return at + 1;
  }
  const end = skipString(bytes, at);
  if (end === NO_JSON) return NO_JSON;
  const backslash = bytes.indexOf(0x5c, at);
  if (backslash < 0 || backslash >= end) to.setBytes(i, bytes, from, end - 1, false);
  else to.setText(i, JSON.parse(bytes.toString('utf8', from - 1, end)) as string);
  return end;
}

function asciiText(bytes: Buffer, from: number, to: number): string {
  return to - from <= 16 && from + 16 <= bytes.length
    ? latin1At(bytes, from, to - from)
    : bytes.toString('latin1', from, to);
}
