/**
 * Rows of declared fields as columns: numbers in typed arrays, texts as bytes. A row is an object only when somebody asks for one.
 */
import { copyPlain } from '../util/copy-plain.ts';
import { TextColumn } from './text-column.ts';

/** What a field's column holds: numbers, truth as 0 and 1, text, or JSON as text. */
export type ColumnKind = 'number' | 'boolean' | 'text' | 'json';

/** What rows are made of. */
export interface RowShape {
  readonly names: readonly string[];
  readonly kinds: readonly ColumnKind[];
  /** The row of values in the order of the fields. */
  rowOfValues(values: readonly unknown[]): Record<string, unknown>;
}

export class FieldColumns {
  readonly shape: RowShape;
  /** Rows that are there. */
  count = 0;
  /** By field: its numbers, `NaN` where it is null (values are finite); `undefined`: a text column has it. */
  readonly numbers: (Float64Array | undefined)[];
  readonly texts: readonly (TextColumn | undefined)[];
  #capacity: number;
  readonly #values: unknown[] = [];

  /** @param rows how many are to be expected; more are taken, too */
  constructor(shape: RowShape, rows: number) {
    this.shape = shape;
    this.#capacity = rows;
    const isText = (kind: ColumnKind): boolean => kind === 'text' || kind === 'json';
    this.numbers = shape.kinds.map((kind) => (isText(kind) ? undefined : new Float64Array(rows)));
    this.texts = shape.kinds.map((kind) => (isText(kind) ? new TextColumn(rows) : undefined));
  }

  /** Whether all rows but gaps are in the columns. */
  get whole(): boolean {
    return true;
  }

  /** Makes room for one more row. Its values are set at index {@link count}, all of them, before that goes up. */
  reserve(): void {
    if (this.count < this.#capacity) return;
    this.#capacity = Math.max(16, this.#capacity * 2);
    for (const [i, old] of this.numbers.entries()) {
      if (old === undefined) continue;
      const grown = new Float64Array(this.#capacity);
      grown.set(old);
      this.numbers[i] = grown;
    }
    for (const text of this.texts) text?.reserve(this.#capacity);
  }

  /** Adds a row that fits the fields. */
  add(row: Readonly<Record<string, unknown>>): void {
    this.reserve();
    const at = this.count++;
    for (const [i, name] of this.shape.names.entries()) this.#set(i, at, row[name]);
  }

  /** Adds a row that nobody may ask for. */
  addGap(): void {
    this.reserve();
    const at = this.count++;
    for (let i = 0; i < this.numbers.length; i++) this.setNull(i, at);
  }

  setNull(field: number, at: number): void {
    const numbers = this.numbers[field];
    if (numbers !== undefined) numbers[at] = Number.NaN;
    else this.texts[field]!.setNull(at);
  }

  /** Numbers of a field by its name, `NaN` where it is null; `undefined`: it is no field of numbers. */
  numbersOf(name: string): Float64Array | undefined {
    const field = this.shape.names.indexOf(name);
    return this.shape.kinds[field] === 'number' ? this.numbers[field] : undefined;
  }

  /** Row i as an object, a new one each time. */
  row(i: number): Record<string, unknown> {
    const values = this.#values;
    for (let field = 0; field < this.shape.kinds.length; field++) values[field] = this.value(field, i);
    return this.shape.rowOfValues(values);
  }

  /** What row i has in a field. */
  value(field: number, i: number): unknown {
    const numbers = this.numbers[field];
    if (numbers !== undefined) {
      const value = numbers[i]!;
      if (Number.isNaN(value)) return null;
      return this.shape.kinds[field] === 'boolean' ? value === 1 : value;
    }
    const value = this.texts[field]!.value(i);
    if (this.shape.kinds[field] !== 'json') return value;
    if (typeof value === 'string') return JSON.parse(value) as unknown;
    // Apart, in an array of its own, whatever it is; whoever asks gets a copy.
    return value === null ? null : copyPlain((value as readonly unknown[])[0]);
  }

  #set(field: number, at: number, value: unknown): void {
    if (value === null) {
      this.setNull(field, at);
      return;
    }
    switch (this.shape.kinds[field]!) {
      case 'number':
        this.numbers[field]![at] = value as number;
        break;
      case 'boolean':
        this.numbers[field]![at] = value === true ? 1 : 0;
        break;
      case 'text':
        this.texts[field]!.setText(at, value as string);
        break;
      case 'json':
        this.texts[field]!.setApart(at, [value]);
    }
  }
}
