/**
 * The vocabulary of the sorted state: keys, values, entries, and what a manifest keeps of an SST. Types only, so that
 * every layer may import this without taking the file format with it.
 */

/** A binary string: a JS string whose char codes are all 0..255, one byte a character. `<` orders it as its bytes. */
export type Key = string;

/** One key's newest change within a run. */
export interface Entry {
  readonly key: Key;
  /** `null`: a tombstone. Values read from a block are views of it: copy what is to be kept for long. */
  readonly value: Uint8Array | null;
}

/** What the manifest keeps of an SST: plain JSON, enough to open it with one ranged GET of [indexOffset, size). */
export interface SstInfo {
  readonly id: string;
  /** Bytes of the whole object. */
  readonly size: number;
  /** Where the blocks end, and the bloom filter begins. */
  readonly metaOffset: number;
  /** Where the filter ends, and index and footer begin. */
  readonly indexOffset: number;
  /** Entries in all, tombstones included. */
  readonly entries: number;
  readonly tombstones: number;
  readonly minKey: Key;
  /** The greatest key (inclusive). */
  readonly maxKey: Key;
}
