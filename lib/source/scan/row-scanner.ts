/**
 * Rows of declared fields straight from the bytes of NDJSON into columns: no text of the line, no values that nobody wants. It gives a row
 * only where `JSON.parse`, picking and checking would give the same one. All else (text that is no JSON, a value that does
 * not fit, what is too large or too deep to be sure) it leaves to them, so what is wrong has one judge, and one wording.
 */
import type { FieldColumns } from '../../columns/field-columns.ts';
import { epochMs, type TimeUnit } from '../../util/epoch-ms.ts';
import type { FieldType } from '../fields.ts';
import { MAX_ROW_DEPTH } from '../row-limits.ts';
import type { RecordScanner } from '../text-format.ts';
import { LINE_END, LineShape, UNDECLARED } from './line-shape.ts';
import { type Mark, numberAt } from './number.ts';
import { NO_JSON, skipString, skipValue, skipWord } from './skip.ts';
import { textAt, textInto } from './text.ts';
import { utcMsAt } from './time.ts';

/** A longer line may be too wide, or take too much memory: objects have at most 100,000 members, a row 64 MiB. */
const MOST_BYTES = 256 * 1024;

export interface ScannedField {
  readonly name: string;
  readonly type: FieldType;
  /** It may be null. */
  readonly optional: boolean;
}

export interface ScannedFields {
  readonly list: readonly ScannedField[];
  /** Of timestamps that are numbers; `undefined`: milliseconds. */
  readonly unit: TimeUnit | undefined;
  /** A field that may be null may be missing, and is null then. */
  readonly mayMiss: boolean;
}

export class RowScanner implements RecordScanner {
  /** Where the row that was given last ends: behind its line end. */
  end = 0;
  readonly #fields: ScannedFields;
  readonly #list: readonly ScannedField[];
  readonly #shape: LineShape;
  /** By field: the number of the row that it was last found in. */
  readonly #foundIn: Float64Array;
  #row = 0;
  #bytes: Buffer | undefined;
  #words: DataView = new DataView(new ArrayBuffer(0));
  readonly #mark: Mark = { at: 0 };

  constructor(fields: ScannedFields) {
    this.#fields = fields;
    this.#list = fields.list;
    this.#shape = new LineShape(fields.list.map(({ name }) => name));
    this.#foundIn = new Float64Array(fields.list.length);
  }

  /**
   * Adds the row of the line at `from`.
   * @param bytes UTF-8 that ends with a line end
   * @returns false: nothing is added, `JSON.parse` must say what it is
   */
  read(bytes: Buffer, from: number, to: FieldColumns): boolean {
    to.reserve();
    if (bytes !== this.#bytes) this.#open(bytes);
    const words = this.#words;
    const row = ++this.#row;
    const foundIn = this.#foundIn;
    const shape = this.#shape;
    let found = 0;
    let at = from;
    for (let gap = 0; ; gap++) {
      const lead = shape.look(bytes, words, at, gap);
      at = shape.end;
      if (lead >= 0) {
        at = this.#take(bytes, at, lead, to);
        if (foundIn[lead] !== row) {
          foundIn[lead] = row;
          found++;
        }
      } else if (lead === UNDECLARED) {
        at = bytes[at] === 0x22 ? skipString(bytes, at + 1) : skipValue(bytes, at, MAX_ROW_DEPTH - 1);
      } else if (lead === LINE_END) break;
      else return false;
      if (at === NO_JSON) return false;
    }
    if (at - from > MOST_BYTES) return false;
    if (found < this.#list.length && !this.#fillMissing(row, to)) return false;
    this.end = at;
    to.count++;
    return true;
  }

  #open(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Takes the value at `from`. @returns where it ends, or {@link NO_JSON}: it is none, or does not fit */
  #take(bytes: Buffer, from: number, index: number, to: FieldColumns): number {
    const { type, optional } = this.#list[index]!;
    const mark = this.#mark;
    const row = to.count;
    const byte = bytes[from];
    if (byte === 0x6e && type !== 'json') {
      if (!optional) return NO_JSON;
      to.setNull(index, row);
      return skipWord(bytes, from);
    }
    switch (type) {
      case 'string':
        if (byte !== 0x22) return NO_JSON;
        return textInto(bytes, from + 1, to.texts[index]!, row);
      case 'number':
      case 'integer': {
        const value = numberAt(bytes, from, mark);
        if (!(type === 'number' ? Number.isFinite(value) : Number.isSafeInteger(value))) return NO_JSON;
        to.numbers[index]![row] = value;
        return mark.at;
      }
      case 'boolean':
        if (byte !== 0x74 && byte !== 0x66) return NO_JSON;
        to.numbers[index]![row] = byte === 0x74 ? 1 : 0;
        return skipWord(bytes, from);
      case 'timestamp': {
        const time = timeAt(bytes, from, this.#fields.unit, mark);
        if (typeof time !== 'number') return NO_JSON;
        to.numbers[index]![row] = time;
        return mark.at;
      }
      case 'json': {
        const end = skipValue(bytes, from, MAX_ROW_DEPTH - 1);
        if (end === NO_JSON) return NO_JSON;
        to.texts[index]!.setBytes(row, bytes, from, end, false);
        return end;
      }
    }
  }

  /** @returns whether all fields that were not found may be missing */
  #fillMissing(row: number, to: FieldColumns): boolean {
    if (!this.#fields.mayMiss) return false;
    for (let i = 0; i < this.#list.length; i++) {
      if (this.#foundIn[i] === row) continue;
      if (!this.#list[i]!.optional) return false;
      to.setNull(i, to.count);
    }
    return true;
  }
}

function timeAt(bytes: Buffer, from: number, unit: TimeUnit | undefined, mark: Mark): number | string {
  if (bytes[from] !== 0x22) {
    const value = numberAt(bytes, from, mark);
    return epochMs(value, unit);
  }
  const end = skipString(bytes, from + 1);
  if (end !== NO_JSON) {
    const time = utcMsAt(bytes, from + 1, end);
    if (!Number.isNaN(time)) {
      mark.at = end;
      return time;
    }
  }
  return epochMs(textAt(bytes, from + 1, mark), unit);
}
