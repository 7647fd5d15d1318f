/**
 * Keys as stored: a binary string (one byte a character, codes 0 to 255) whose order by `<` is the order of the stored
 * bytes. Encodings are prefix-free, so anything may follow a key in an address, and reversible. The format is fixed for
 * ever: stored state and the share of each partition depend on it.
 *
 *   null 01 · false 02 · true 03 · number 05 + 8 bytes · string 06 + text + 00 · array 07 + parts + 00
 *
 * A number is its big-endian double with the sign bit flipped (all bits, if negative), so that order is kept. A string is
 * its UTF-8 bytes (a lone surrogate as the 3 bytes UTF-8 would give it), with 00 written as 01 01 and 01 as 01 02: strings
 * sort by code point. Keys of different types sort by their first byte, arrays part by part, a shorter array first.
 */
import { orderedNumber, parseOrderedNumber } from '../../util/ordered.ts';
import { BadRowError } from '../graph/operator.ts';

/** One part of a key. `NaN` is refused; `-0` is `0`; `1` and `'1'` differ. */
export type KeyPart = string | number | boolean | null;

/**
 * What rows are grouped by: one part, or an array of parts compared part by part. `null` is a key like any other (also in
 * joins, unlike SQL), so `keyBy(() => null)` puts a whole stream under one key, in one partition.
 */
export type Key = KeyPart | readonly KeyPart[] | readonly [];

/** `'a'` → `string`, `1` → `number`, …: keys of two streams need the same types, not the same literals. */
export type WidenKey<K> = K extends string
  ? string
  : K extends number
    ? number
    : K extends boolean
      ? boolean
      : K extends readonly unknown[]
        ? { readonly [I in keyof K]: WidenKey<K[I]> }
        : K;

/**
 * The stored form of a key.
 * @throws {BadRowError} not a key: `undefined`, `NaN`, an infinity, a bigint, an object, an array in an array
 */
export function encodeKey(key: Key): string {
  if (!Array.isArray(key)) return encodePart(key as KeyPart);
  let text = '\x07';
  for (let i = 0; i < key.length; i++) text += encodePart(key[i] as KeyPart);
  return `${text}\0`;
}

function encodePart(part: KeyPart): string {
  if (typeof part === 'string') return `\x06${isPlain(part) ? part : escapeText(part)}\0`;
  if (typeof part === 'number') return encodeNumber(part);
  if (part === null) return '\x01';
  if (part === false) return '\x02';
  if (part === true) return '\x03';
  throw new BadRowError(`a key must be a string, number, boolean, null or an array of these, not ${describe(part)}`);
}

function describe(part: unknown): string {
  if (Array.isArray(part)) return 'an array within an array';
  return part === undefined ? 'undefined' : `a value of type ${typeof part}`;
}

/** What the UTF-8 bytes of a text without 00 and 01 stand between, in its encoding. */
export const TEXT_BEGINS = 6;
export const TEXT_ENDS = 0;

/** Whether the text is its own encoding: ASCII without 00 and 01. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 2 || code > 0x7f) return false;
  }
  return true;
}

function escapeText(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.codePointAt(i)!;
    if (code === 0) out += '\x01\x01';
    else if (code === 1) out += '\x01\x02';
    else if (code < 0x80) out += String.fromCharCode(code);
    else if (code < 0x800) out += String.fromCharCode(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
    else if (code < 0x10000) {
      out += String.fromCharCode(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
    } else {
      i++;
      out += String.fromCharCode(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 0x3f),
        0x80 | ((code >> 6) & 0x3f),
        0x80 | (code & 0x3f),
      );
    }
  }
  return out;
}

function encodeNumber(value: number): string {
  if (!Number.isFinite(value)) throw new BadRowError(`a key must not be ${value}`);
  return `\x05${orderedNumber(value)}`;
}

/**
 * The key of an encoding.
 * @throws {RangeError} the text is not the encoding of one key: stored state is damaged
 */
export function decodeKey(text: string): Key {
  const reader = { text, at: 0 };
  const key = text.charCodeAt(0) === 7 ? decodeArray(reader) : decodePart(reader);
  if (reader.at !== text.length) throw new RangeError(`no encoded key: ${JSON.stringify(text)}`);
  return key;
}

/**
 * Where the encoded key that begins at `at` ends, whatever follows it.
 * @throws {RangeError} none begins there
 */
export function encodedLength(text: string, at: number): number {
  if (text.charCodeAt(at) !== 7) return partEnd(text, at);
  let end = at + 1;
  while (text.charCodeAt(end) !== 0) end = partEnd(text, end);
  return end + 1;
}

function partEnd(text: string, at: number): number {
  const tag = text.charCodeAt(at);
  const end = tag === 6 ? text.indexOf('\0', at) + 1 : tag === 5 ? at + 9 : tag >= 1 && tag <= 3 ? at + 1 : 0;
  if (end === 0 || end > text.length) throw new RangeError(`no encoded key at ${at}: ${JSON.stringify(text)}`);
  return end;
}

/** Parts of a key whose types are looked at. */
const TYPED_PARTS = 12;
const TYPE_WORDS = ['', 'number', 'text', 'boolean'] as const;

/**
 * The types of the encoded key `bytes[start]` up to `bytes[end]` as a number, equal where they are equal; 0: nothing to be told, as
 * parts are null (which is like no value of any type), or it is no key.
 */
export function keyTypeCode(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  if (bytes[start] !== 7) return partType(bytes[start]!);
  let code = 4;
  let parts = 0;
  for (let at = start + 1; bytes[at] !== 0; ) {
    const byte = bytes[at]!;
    const type = partType(byte);
    if (type === 0 || ++parts > TYPED_PARTS) return 0;
    code = code * 4 + type;
    at = byte === 6 ? bytes.indexOf(0, at) + 1 : at + (byte === 5 ? 9 : 1);
  }
  return code;
}

function partType(byte: number): number {
  return byte === 5 ? 1 : byte === 6 ? 2 : byte === 2 || byte === 3 ? 3 : 0;
}

/** `number`, `text`, `[text, number]` @param code of {@link keyTypeCode}, not 0 */
export function keyTypeWords(code: number): string {
  if (code < 4) return TYPE_WORDS[code]!;
  const parts: string[] = [];
  for (let left = code; left > 4; left = Math.floor(left / 4)) parts.unshift(TYPE_WORDS[left % 4]!);
  return `[${parts.join(', ')}]`;
}

interface Reader {
  readonly text: string;
  at: number;
}

function decodeArray(reader: Reader): KeyPart[] {
  const parts: KeyPart[] = [];
  reader.at++;
  while (reader.text.charCodeAt(reader.at) !== 0) parts.push(decodePart(reader));
  reader.at++;
  return parts;
}

function decodePart(reader: Reader): KeyPart {
  switch (reader.text.charCodeAt(reader.at++)) {
    case 1:
      return null;
    case 2:
      return false;
    case 3:
      return true;
    case 5:
      return decodeNumber(reader);
    case 6:
      return decodeText(reader);
    default:
      throw new RangeError(`no encoded key: ${JSON.stringify(reader.text)}`);
  }
}

function decodeNumber(reader: Reader): number {
  const at = reader.at;
  reader.at += 8;
  return parseOrderedNumber(reader.text, at);
}

function decodeText(reader: Reader): string {
  const { text } = reader;
  const end = text.indexOf('\0', reader.at);
  if (end < 0) throw new RangeError(`no encoded key: ${JSON.stringify(text)}`);
  const from = reader.at;
  reader.at = end + 1;
  const body = text.slice(from, end);
  if (isPlain(body)) return body;
  let out = '';
  for (let i = 0; i < body.length; ) {
    const byte = body.charCodeAt(i);
    const tail = (n: number): number => body.charCodeAt(i + n) & 0x3f;
    if (byte === 1) {
      out += body.charCodeAt(i + 1) === 1 ? '\0' : '\x01';
      i += 2;
    } else if (byte < 0x80) {
      out += body[i];
      i += 1;
    } else if (byte < 0xe0) {
      out += String.fromCodePoint(((byte & 0x1f) << 6) | tail(1));
      i += 2;
    } else if (byte < 0xf0) {
      out += String.fromCharCode(((byte & 0x0f) << 12) | (tail(1) << 6) | tail(2));
      i += 3;
    } else {
      out += String.fromCodePoint(((byte & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3));
      i += 4;
    }
  }
  return out;
}
