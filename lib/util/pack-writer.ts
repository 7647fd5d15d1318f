/**
 * Writes MessagePack, byte for byte as msgpackr does where a reader gives the value back equal, and in forms of our own where
 * it would not: text with half a surrogate pair, `-0`, objects with a property named `__proto__`. Whatever is no plain data
 * is refused while it is written, so that finding it costs nothing.
 *
 * Own forms are extensions: 1 text as UTF-16LE; 2 an object, as an array of name, value, name, value, …; 3 the number −0.
 */
import { types } from 'node:util';
import { packNumber } from './pack-numbers.ts';
import { isPlainArray, isPlainObject, MAX_WRITTEN_DEPTH, notPlain } from './plain-data.ts';

/** Extension numbers, as the reader registers them. */
export const EXT_TEXT = 1;
export const EXT_OBJECT = 2;

const BOM = 0xfeff;
const BLOCK_BYTES = 8192;
/** From here on a native call writes text faster than a loop. */
const LONG_TEXT = 64;
/** Records have numbers 0x40 to 0x7f; the 65th shape takes the number of the first again, as with msgpackr. */
const RECORDS = 64;
const FIRST_RECORD = 0x40;
/** A reader compiles a function for each shape: objects that are wider are written name by name. */
const MAX_RECORD_FIELDS = 256;

/** Thrown within: who asked finds the place in the value, which a writer does not keep. */
const UNWRITABLE = Symbol('unwritable');

/** The property names of an object, in their order. */
interface Shape {
  readonly names: readonly string[];
  /** All can be read back. */
  readonly exact: boolean;
  /** Its number once it was written in this run of records; 0: not yet. */
  record: number;
  next: Map<string, Shape> | undefined;
}

const noShape = (): Shape => ({ names: [], exact: true, record: 0, next: undefined });

/** One after the other, values or runs of records; what was given out is never written to again. */
export class PackWriter {
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #at = 0;
  #from = 0;
  #depth = 0;
  /** Writing records: shapes of this run. */
  #root: Shape | undefined;
  #last: Shape = noShape();
  #numbered: Shape[] = [];
  #nextRecord = 0;

  /** Bytes of one value, which stands alone. A view. @throws {NotPlainError} */
  value(value: unknown): Uint8Array {
    this.#root = undefined;
    return this.#whole(value);
  }

  /** As {@link value}; the names of properties are written once a shape. @throws {NotPlainError} */
  records(value: unknown): Uint8Array {
    this.#root = noShape();
    this.#last = this.#root;
    this.#numbered = [];
    this.#nextRecord = 0;
    const bytes = this.#whole(value);
    this.#root = undefined;
    return bytes;
  }

  #whole(value: unknown): Uint8Array {
    if (this.#bytes.length - this.#at < 2048) this.#block(BLOCK_BYTES);
    this.#from = this.#at;
    this.#depth = 0;
    try {
      this.#any(value);
    } catch (error) {
      this.#at = this.#from;
      throw error === UNWRITABLE ? notPlain(value, MAX_WRITTEN_DEPTH) : error;
    }
    const bytes = this.#bytes.subarray(this.#from, this.#at);
    // A buffer that was made for one large value would otherwise be held by small ones.
    if (this.#bytes.length > 8 * BLOCK_BYTES) this.#block(0);
    return bytes;
  }

  #block(size: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(size);
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = 0;
  }

  #grow(more: number): void {
    const used = this.#at - this.#from;
    const old = this.#bytes;
    const { length } = old;
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, used + more, used * 2 > length ? used * 2 : 0));
    this.#view = new DataView(this.#bytes.buffer);
    old.copy(this.#bytes, 0, this.#from, this.#at);
    this.#at = used;
    this.#from = 0;
  }

  #any(value: unknown): void {
    if (this.#bytes.length - this.#at < 16) this.#grow(16);
    switch (typeof value) {
      case 'string':
        this.#text(value);
        return;
      case 'number':
        this.#number(value);
        return;
      case 'boolean':
        this.#bytes[this.#at++] = value ? 0xc3 : 0xc2;
        return;
      case 'object':
        if (value === null) this.#bytes[this.#at++] = 0xc0;
        else this.#object(value);
        return;
      case 'undefined':
        this.#extension(0);
        return;
      case 'bigint':
        this.#bigint(value);
        return;
      default:
        throw UNWRITABLE;
    }
  }

  #number(value: number): void {
    // Among records, one byte from 0x40 on is the number of a shape.
    if (this.#root !== undefined && value >= FIRST_RECORD && value < 0x80 && Number.isInteger(value)) {
      this.#bytes[this.#at++] = 0xcc;
      this.#bytes[this.#at++] = value;
    } else {
      this.#at = packNumber(this.#bytes, this.#at, value);
    }
  }

  #text(text: string): void {
    const { length } = text;
    const most = length * 3 + 5;
    if (this.#bytes.length - this.#at < most) this.#grow(most);
    const bytes = this.#bytes;
    const start = this.#at;
    const head = length < 0x20 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
    let at = start + head;
    if (length < LONG_TEXT) {
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code < 0x80) {
          bytes[at++] = code;
        } else if (code < 0x800) {
          bytes[at++] = (code >> 6) | 0xc0;
          bytes[at++] = (code & 0x3f) | 0x80;
        } else if (code < 0xd800 || (code > 0xdfff && (code !== BOM || i > 0))) {
          bytes[at++] = (code >> 12) | 0xe0;
          bytes[at++] = ((code >> 6) & 0x3f) | 0x80;
          bytes[at++] = (code & 0x3f) | 0x80;
        } else {
          const point = text.codePointAt(i)!;
          if (point < 0x10000) {
            this.#utf16(text);
            return;
          }
          i++;
          bytes[at++] = (point >> 18) | 0xf0;
          bytes[at++] = ((point >> 12) & 0x3f) | 0x80;
          bytes[at++] = ((point >> 6) & 0x3f) | 0x80;
          bytes[at++] = (point & 0x3f) | 0x80;
        }
      }
    } else {
      if (!isExact(text)) {
        this.#utf16(text);
        return;
      }
      at += bytes.write(text, at);
    }
    const size = at - start - head;
    // The head was chosen by the number of characters; that of the bytes may need a longer one.
    const needed = size < 0x20 ? 1 : size < 0x100 ? 2 : size < 0x10000 ? 3 : 5;
    if (needed !== head) bytes.copyWithin(start + needed, start + head, at);
    at = start;
    if (needed === 1) bytes[at++] = 0xa0 | size;
    else if (needed === 2) {
      bytes[at++] = 0xd9;
      bytes[at++] = size;
    } else if (needed === 3) {
      bytes[at++] = 0xda;
      bytes[at++] = size >> 8;
      bytes[at++] = size;
    } else {
      bytes[at++] = 0xdb;
      this.#view.setUint32(at, size);
      at += 4;
    }
    this.#at = at + size;
  }

  #utf16(text: string): void {
    this.#extBytes(EXT_TEXT, Buffer.from(text, 'utf16le'));
  }

  /** The head of an extension whose content is one value, or nothing. */
  #extension(type: number): void {
    this.#bytes[this.#at++] = 0xd4;
    this.#bytes[this.#at++] = type;
    this.#bytes[this.#at++] = 0;
  }

  /** An extension of bytes; `first` is a byte before them. */
  #extBytes(type: number, content: Uint8Array, first?: number): void {
    const length = content.length + (first === undefined ? 0 : 1);
    if (this.#bytes.length - this.#at < length + 8) this.#grow(length + 8);
    const bytes = this.#bytes;
    let at = this.#at;
    if (length < 0x100) {
      bytes[at++] = 0xc7;
      bytes[at++] = length;
    } else if (length < 0x10000) {
      bytes[at++] = 0xc8;
      bytes[at++] = length >> 8;
      bytes[at++] = length;
    } else {
      bytes[at++] = 0xc9;
      this.#view.setUint32(at, length);
      at += 4;
    }
    bytes[at++] = type;
    if (first !== undefined) bytes[at++] = first;
    bytes.set(content, at);
    this.#at = at + content.length;
  }

  #object(value: object): void {
    if (++this.#depth > MAX_WRITTEN_DEPTH) throw UNWRITABLE;
    if (Array.isArray(value)) {
      this.#array(value);
    } else if (isPlainObject(value)) {
      if (this.#root === undefined) this.#map(value as Record<string, unknown>);
      else this.#record(value as Record<string, unknown>, this.#root);
    } else if (types.isDate(value)) {
      this.#date(value);
    } else if (types.isUint8Array(value)) {
      this.#binary(value);
    } else {
      throw UNWRITABLE;
    }
    this.#depth--;
  }

  #array(value: readonly unknown[]): void {
    const { length } = value;
    if (!isPlainArray(value)) throw UNWRITABLE;
    this.#lengthHead(length, 0x90, 0xdc);
    for (let i = 0; i < length; i++) this.#any(value[i]);
  }

  #map(value: Record<string, unknown>): void {
    const names = Object.keys(value);
    for (let i = 0; i < names.length; i++) {
      if (isExactName(names[i]!)) continue;
      this.#pairs(value, names);
      return;
    }
    this.#lengthHead(names.length, 0x80, 0xde);
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      this.#text(name);
      this.#any(value[name]);
    }
  }

  /** Any object, name by name. */
  #pairs(value: Record<string, unknown>, names: readonly string[]): void {
    this.#extension(EXT_OBJECT);
    this.#lengthHead(2 * names.length, 0x90, 0xdc);
    for (const name of names) {
      this.#any(name);
      this.#any(value[name]);
    }
  }

  #lengthHead(length: number, short: number, long: number): void {
    if (this.#bytes.length - this.#at < 16) this.#grow(16);
    const bytes = this.#bytes;
    let at = this.#at;
    if (length < 0x10) {
      bytes[at++] = short | length;
    } else if (length < 0x10000) {
      bytes[at++] = long;
      bytes[at++] = length >> 8;
      bytes[at++] = length;
    } else {
      bytes[at++] = long + 1;
      this.#view.setUint32(at, length);
      at += 4;
    }
    this.#at = at;
  }

  #record(value: Record<string, unknown>, root: Shape): void {
    const shape = this.#shapeOf(value, root);
    const { names, record } = shape;
    if (!shape.exact) {
      this.#pairs(value, names);
      return;
    }
    if (record !== 0) this.#bytes[this.#at++] = record;
    else this.#define(shape);
    for (let i = 0; i < names.length; i++) this.#any(value[names[i]!]);
  }

  #shapeOf(value: Record<string, unknown>, root: Shape): Shape {
    // Rows of a source mostly look like the one before.
    const last = this.#last;
    const expected = last.names;
    let i = 0;
    let same = true;
    for (const name in value) {
      if (name === expected[i]) {
        i++;
      } else {
        same = false;
        break;
      }
    }
    if (same && i > 0 && i === expected.length) return last;
    const names = Object.keys(value);
    if (names.length > MAX_RECORD_FIELDS) return { names, exact: false, record: 0, next: undefined };
    let shape = root;
    for (const name of names) {
      shape.next ??= new Map();
      let next = shape.next.get(name);
      if (next === undefined) {
        const longer = [...shape.names, name];
        next = { names: longer, exact: shape.exact && isExactName(name), record: 0, next: undefined };
        shape.next.set(name, next);
      }
      shape = next;
    }
    this.#last = shape;
    return shape;
  }

  #define(shape: Shape): void {
    const place = this.#nextRecord++ % RECORDS;
    const before = this.#numbered[place];
    if (before !== undefined) before.record = 0;
    this.#numbered[place] = shape;
    shape.record = FIRST_RECORD + place;
    this.#bytes[this.#at++] = 0xd4;
    this.#bytes[this.#at++] = 0x72;
    this.#bytes[this.#at++] = shape.record;
    this.#lengthHead(shape.names.length, 0x90, 0xdc);
    for (const name of shape.names) this.#text(name);
  }

  #date(date: Date): void {
    const ms = date.getTime();
    const seconds = Math.floor(ms / 1000);
    const milliseconds = ms - seconds * 1000;
    const bytes = this.#bytes;
    let at = this.#at;
    if (Number.isNaN(ms)) {
      bytes[at++] = 0xd4;
      bytes[at++] = 0xff;
      bytes[at++] = 0xff;
    } else if (seconds < 0 || seconds >= 0x100000000) {
      bytes[at++] = 0xc7;
      bytes[at++] = 12;
      bytes[at++] = 0xff;
      this.#view.setUint32(at, milliseconds * 1_000_000);
      this.#view.setBigInt64(at + 4, BigInt(seconds));
      at += 12;
    } else if (milliseconds === 0) {
      bytes[at++] = 0xd6;
      bytes[at++] = 0xff;
      this.#view.setUint32(at, seconds);
      at += 4;
    } else {
      bytes[at++] = 0xd7;
      bytes[at++] = 0xff;
      this.#view.setUint32(at, milliseconds * 4_000_000);
      this.#view.setUint32(at + 4, seconds);
      at += 8;
    }
    this.#at = at;
  }

  /** A Buffer as bytes, which come back as one; any other as a typed array. */
  #binary(value: Uint8Array): void {
    if (!Buffer.isBuffer(value)) {
      this.#extBytes(0x74, value, 1);
      return;
    }
    const { length } = value;
    if (this.#bytes.length - this.#at < length + 8) this.#grow(length + 8);
    const bytes = this.#bytes;
    let at = this.#at;
    if (length < 0x100) {
      bytes[at++] = 0xc4;
      bytes[at++] = length;
    } else if (length < 0x10000) {
      bytes[at++] = 0xc5;
      bytes[at++] = length >> 8;
      bytes[at++] = length;
    } else {
      bytes[at++] = 0xc6;
      this.#view.setUint32(at, length);
      at += 4;
    }
    bytes.set(value, at);
    this.#at = at + length;
  }

  #bigint(value: bigint): void {
    const bytes = this.#bytes;
    if (value < 0x8000000000000000n && value >= -0x8000000000000000n) {
      bytes[this.#at++] = 0xd3;
      this.#view.setBigInt64(this.#at, value);
      this.#at += 8;
    } else if (value < 0x10000000000000000n && value > 0n) {
      bytes[this.#at++] = 0xcf;
      this.#view.setBigUint64(this.#at, value);
      this.#at += 8;
    } else {
      this.#extBytes(0x42, twosComplement(value));
    }
  }
}

/** Big-endian two's complement, in whole words of 64 bits. */
function twosComplement(value: bigint): Uint8Array {
  const digits = (value < 0n ? ~value : value).toString(16);
  const bits = digits.length * 4 - (Math.clz32(Number.parseInt(digits[0]!, 16)) - 28) + 1;
  const words = Math.ceil(bits / 64);
  const hex = BigInt.asUintN(words * 64, value)
    .toString(16)
    .padStart(words * 16, '0');
  return Buffer.from(hex, 'hex');
}

/** Whether text comes back from UTF-8: all but halves of surrogate pairs; a reader without native code takes a BOM away. */
function isExact(text: string): boolean {
  return text.isWellFormed() && text.charCodeAt(0) !== BOM;
}

/** Names that have been looked at, as the same ones come with every row. */
const exactNames = new Set<string>();
const MAX_NAMES = 10_000;

function isExactName(name: string): boolean {
  if (exactNames.has(name)) return true;
  if (name === '__proto__' || !isExact(name)) return false;
  if (exactNames.size < MAX_NAMES && name.length < 100) exactNames.add(name);
  return true;
}
