/**
 * State changes side by side as bytes, of one log entry or of several: what a fold sorts and writes. Keys lie in one array and
 * values in another, so there is neither an object nor a string a change.
 */
import { compareKeys, type KeyPlaces, sortKeys } from '../columns/key-order.ts';
import { grown } from '../util/arrays.ts';
import { ByteWriter } from '../util/bytes.ts';

export class ChangeColumns {
  /** Key i is from `keyStarts[i]` up to `keyStarts[i + 1]`. */
  readonly keys: ByteWriter;
  keyStarts = new Uint32Array(1);
  /** Value i is from `valueStarts[i]` up to `valueStarts[i + 1]`; nothing where the row is deleted. */
  readonly values: ByteWriter;
  valueStarts = new Uint32Array(1);
  /** 1: the row is deleted. */
  deleted = new Uint8Array(0);
  #count = 0;

  /** @param bytes of keys and values together, about */
  constructor(bytes: number) {
    this.keys = new ByteWriter(Math.ceil(bytes / 2));
    this.values = new ByteWriter(Math.ceil(bytes / 2));
  }

  get count(): number {
    return this.#count;
  }

  /**
   * Takes so many more. Whoever asks writes their keys and values, and where each ends: the start of the one behind it.
   * @returns the number of the first one
   */
  extend(rows: number): number {
    const first = this.#count;
    this.#count += rows;
    if (this.#count > this.deleted.length) {
      const capacity = Math.max(this.#count, 2 * first);
      this.keyStarts = grown(this.keyStarts, new Uint32Array(capacity + 1));
      this.valueStarts = grown(this.valueStarts, new Uint32Array(capacity + 1));
      this.deleted = grown(this.deleted, new Uint8Array(capacity));
    }
    return first;
  }

  /** Takes one more. @param key a binary string @param value `null`: the row is deleted */
  push(key: string, value: Uint8Array | null): void {
    const i = this.extend(1);
    this.keys.latin1(key);
    this.keyStarts[i + 1] = this.keys.length;
    if (value !== null) this.values.bytes(value);
    this.valueStarts[i + 1] = this.values.length;
    this.deleted[i] = value === null ? 1 : 0;
  }

  /** Where the keys are. */
  get places(): KeyPlaces {
    const count = this.#count;
    const starts = this.keyStarts.subarray(0, count);
    return { bytes: this.keys.view(), starts, ends: this.keyStarts.subarray(1, count + 1) };
  }

  /** Their numbers in the order of their keys; those of one key in the order in which they were taken. */
  sorted(): Int32Array {
    const { places } = this;
    const order = new Int32Array(this.#count);
    for (let i = 0; i < order.length; i++) order[i] = i;
    let ascending = 1;
    while (ascending < order.length && compareKeys(places, ascending - 1, ascending) < 0) ascending++;
    if (ascending < order.length) sortKeys(order, places);
    return order;
  }
}
