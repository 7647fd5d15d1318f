/** Columns of some fields of rows that have more: a row is parsed from its line when somebody asks for it. */
import { FieldColumns } from '../columns/field-columns.ts';
import { firstAbove, grown } from '../util/arrays.ts';
import { copyPlain } from '../util/copy-plain.ts';
import type { AskedFields } from './asked-fields.ts';

export class LineColumns extends FieldColumns {
  readonly #fields: AskedFields;
  /** The bytes that lines are in, and which row is the first whose line is there. */
  readonly #blocks: Buffer[] = [];
  readonly #firsts: number[] = [];
  #begins: Uint32Array;
  #ends: Uint32Array;
  /** Rows that came as they are, by index. */
  readonly #given = new Map<number, unknown>();
  #whole = true;

  constructor(fields: AskedFields, rows: number) {
    super(fields, rows);
    this.#fields = fields;
    this.#begins = new Uint32Array(rows);
    this.#ends = new Uint32Array(rows);
  }

  override get whole(): boolean {
    return this.#whole;
  }

  override add(row: unknown): void {
    const at = this.count;
    if (this.#fields.fits(row)) super.add(row);
    else {
      this.addGap();
      this.#whole = false;
    }
    this.#given.set(at, row);
  }

  /** The row that was added last is `bytes[begin]` up to `bytes[end]`, which stay as they are. */
  setLine(bytes: Buffer, begin: number, end: number): void {
    const at = this.count - 1;
    if (at >= this.#begins.length) {
      const capacity = Math.max(16, at * 2);
      this.#begins = grown(this.#begins, new Uint32Array(capacity));
      this.#ends = grown(this.#ends, new Uint32Array(capacity));
    }
    if (this.#blocks.at(-1) !== bytes) {
      this.#blocks.push(bytes);
      this.#firsts.push(at);
    }
    this.#begins[at] = begin;
    this.#ends[at] = end;
  }

  override row(i: number): Record<string, unknown> {
    // Whatever JSON has: who is given it takes it for a row as it is.
    if (this.#given.has(i)) return copyPlain(this.#given.get(i)) as Record<string, unknown>;
    const block = this.#blocks[firstAbove(this.#firsts, i) - 1]!;
    return JSON.parse(block.toString('utf8', this.#begins[i]!, this.#ends[i]!)) as Record<string, unknown>;
  }
}
