/** Reads asked fields of lines. Where many lines are otherwise than the one they were learned from, it gives up. */
import type { FieldColumns } from '../../columns/field-columns.ts';
import type { AskedFields } from '../asked-fields.ts';
import type { LineColumns } from '../line-columns.ts';
import type { RecordScanner } from '../text-format.ts';
import { RowScanner } from './row-scanner.ts';

/** So many lines may be otherwise at once, and so large a part of all. */
const MOST_AT_ONCE = 100;
const MOST_PART = 1 / 20;

export class LineScanner implements RecordScanner {
  readonly #scanner: RowScanner;
  #lines = 0;
  #refused = 0;

  constructor(fields: AskedFields) {
    this.#scanner = new RowScanner(fields);
  }

  get end(): number {
    return this.#scanner.end;
  }

  get worthwhile(): boolean {
    return this.#refused < MOST_AT_ONCE + this.#lines * MOST_PART;
  }

  read(bytes: Buffer, from: number, to: FieldColumns): boolean {
    this.#lines++;
    if (!this.#scanner.read(bytes, from, to)) {
      this.#refused++;
      return false;
    }
    (to as LineColumns).setLine(bytes, from, this.#scanner.end - 1);
    return true;
  }
}
