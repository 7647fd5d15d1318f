/**
 * Results of groups as lines of NDJSON, straight from their numbers: what `JSON.stringify` gives for the same row, without the
 * row. In a window's batch there are a hundred thousand of them.
 */
import type { Slots } from '../graph/accumulator.ts';
import type { NumberFold } from './fold.ts';
import { decodeKey } from './key.ts';

/** An encoded text of ASCII that JSON writes as it is. */
const PLAIN_TEXT = /^\x06[ !#-[\]-~]*\0$/;
/** JSON puts such names before all others. */
const INDEX = /^\d+$/;

export class GroupLines {
  /** By column: what stands before its value. */
  readonly #names: readonly string[];
  readonly #columns: NumberFold['columns'];
  readonly #sizeMs: number | undefined;
  /** The window of the line before, mostly of this one, too. */
  #end = Number.NaN;
  #window = '';

  /** @param sizeMs of the groups' windows; `undefined`: they have none */
  private constructor(columns: NumberFold['columns'], sizeMs: number | undefined) {
    this.#columns = columns;
    this.#sizeMs = sizeMs;
    this.#names = columns.map(({ name }) => `,${JSON.stringify(name)}:`);
  }

  /** `undefined`: such groups have to be shown as objects. */
  static of({ numbers }: { readonly numbers: NumberFold | undefined }, sizeMs: number | undefined) {
    const columns = numbers?.columns ?? [];
    if (columns.length === 0 || columns.some(({ name }) => INDEX.test(name))) return undefined;
    return new GroupLines(columns, sizeMs);
  }

  /**
   * The line of a group.
   * @param end of its window
   * @param at where the state begins in `state`
   * @returns `undefined`: some result is no number
   */
  line(key: string, end: number, state: Slots, at: number): string | undefined {
    let text = `{"key":${keyJson(key)}`;
    if (this.#sizeMs !== undefined) text += end === this.#end ? this.#window : this.#windowOf(end, this.#sizeMs);
    const columns = this.#columns;
    for (let j = 0; j < columns.length; j++) {
      const column = columns[j]!;
      const value = column.result(state, at + column.at);
      if (typeof value === 'number') text += this.#names[j]! + (value - value === 0 ? value : 'null');
      else if (value === null) text += `${this.#names[j]!}null`;
      else return undefined;
    }
    return `${text}}\n`;
  }

  #windowOf(end: number, sizeMs: number): string {
    this.#end = end;
    this.#window = `,"windowStart":${end - sizeMs},"windowEnd":${end}`;
    return this.#window;
  }
}

function keyJson(key: string): string {
  return PLAIN_TEXT.test(key) ? `"${key.slice(1, -1)}"` : JSON.stringify(decodeKey(key));
}
