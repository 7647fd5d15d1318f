/**
 * The keys of a table as records side by side in chunks of memory: id, group, hash, length, bytes. A record is found by a number that is not
 * 0 and stays the same until it is moved. Chunks neither grow nor are copied; one of which nothing is left is let go, and one of
 * which most is gone is emptied by moving the rest, so that memory follows what is there.
 */
import { latin1At } from '../util/bytes.ts';
import type { KeyColumn } from './key-column.ts';

const CHUNK_BITS = 18;
const CHUNK_WORDS = 1 << CHUNK_BITS;
const OFFSET = CHUNK_WORDS - 1;

/** A record's words of 32 bits; then the key's bytes. The first record of a chunk stands behind as many, so that none is 0. */
const ID = 0;
const GROUP = 1;
const HASH = 2;
const LENGTH = 3;
const HEADER = 4;
const DEAD = -1;

interface Chunk {
  words: Int32Array;
  /** The same memory; 16 bytes behind the last key are within it. */
  bytes: Buffer;
  /** Words that are taken, and those among them of records that are released. */
  end: number;
  dead: number;
}

export class KeyRecords {
  readonly #chunks: (Chunk | undefined)[] = [];
  /** Where the next record goes. */
  #last = -1;
  #words = 0;
  #dead = 0;

  /** Bytes of all chunks. */
  get memory(): number {
    return this.#chunks.reduce((sum, chunk) => sum + (chunk?.words.byteLength ?? 0), 0);
  }

  /** Whether more than half is dead, and enough to be worth the work. */
  get isSparse(): boolean {
    return this.#dead * 2 > this.#words && this.#dead > CHUNK_WORDS / 4;
  }

  /** Adds key i of a column. */
  add(id: number, group: number, keys: KeyColumn, i: number): number {
    const start = keys.starts[i]!;
    const length = keys.starts[i + 1]! - start;
    const record = this.#take(wordsOf(length));
    const { words, bytes } = this.#chunks[record >>> CHUNK_BITS]!;
    const at = record & OFFSET;
    words[at + ID] = id;
    words[at + GROUP] = group;
    words[at + HASH] = keys.hashes[i]!;
    words[at + LENGTH] = length;
    const to = (at + HEADER) * 4;
    for (let j = 0; j < length; j++) bytes[to + j] = keys.bytes[start + j]!;
    return record;
  }

  release(record: number): void {
    const index = record >>> CHUNK_BITS;
    const chunk = this.#chunks[index]!;
    const at = record & OFFSET;
    const count = wordsOf(chunk.words[at + LENGTH]!);
    chunk.words[at + ID] = DEAD;
    chunk.dead += count;
    this.#dead += count;
    if (chunk.dead === chunk.end - HEADER && index !== this.#last) this.#drop(index);
  }

  /**
   * Moves what is left out of chunks of which most is gone.
   * @param moved told each record before and after
   */
  compact(moved: (id: number, before: number, after: number) => void): void {
    if (isSparse(this.#chunks[this.#last])) this.#last = -1;
    for (let index = 0; index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index];
      if (chunk === undefined || !isSparse(chunk)) continue;
      const { words, end } = chunk;
      for (let at = HEADER, count = 0; at < end; at += count) {
        count = wordsOf(words[at + LENGTH]!);
        if (words[at + ID] === DEAD) continue;
        const after = this.#take(count);
        this.#chunks[after >>> CHUNK_BITS]!.words.set(words.subarray(at, at + count), after & OFFSET);
        chunk.dead += count;
        this.#dead += count;
        moved(words[at + ID]!, index * CHUNK_WORDS + at, after);
      }
      this.#drop(index);
    }
  }

  /** Puts ids in the place of the first `count` records, and −1 in that of 0. */
  prefetch(records: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) records[i] = records[i] === 0 ? -1 : this.id(records[i]!);
  }

  id(record: number): number {
    return this.#chunks[record >>> CHUNK_BITS]!.words[(record & OFFSET) + ID]!;
  }

  group(record: number): number {
    return this.#chunks[record >>> CHUNK_BITS]!.words[(record & OFFSET) + GROUP]!;
  }

  hash(record: number): number {
    return this.#chunks[record >>> CHUNK_BITS]!.words[(record & OFFSET) + HASH]!;
  }

  /** Bytes of the key. */
  length(record: number): number {
    return this.#chunks[record >>> CHUNK_BITS]!.words[(record & OFFSET) + LENGTH]!;
  }

  /** Whether it is key i of a column in that group. */
  holds(record: number, keys: KeyColumn, i: number, group: number): boolean {
    const { words, bytes: own } = this.#chunks[record >>> CHUNK_BITS]!;
    const at = record & OFFSET;
    const start = keys.starts[i]!;
    const length = keys.starts[i + 1]! - start;
    if (words[at + GROUP] !== group || words[at + LENGTH] !== length) return false;
    const theirs = keys.bytes;
    const from = (at + HEADER) * 4;
    for (let j = 0; j < length; j++) if (own[from + j] !== theirs[start + j]) return false;
    return true;
  }

  /** The key as a binary string. */
  text(record: number): string {
    const { words, bytes } = this.#chunks[record >>> CHUNK_BITS]!;
    const at = record & OFFSET;
    const length = words[at + LENGTH]!;
    const from = (at + HEADER) * 4;
    return length <= 16 ? latin1At(bytes, from, length) : bytes.toString('latin1', from, from + length);
  }

  /** Adds the key to a column. */
  pushTo(to: KeyColumn, record: number): void {
    const { words, bytes } = this.#chunks[record >>> CHUNK_BITS]!;
    const at = record & OFFSET;
    const from = (at + HEADER) * 4;
    to.pushHashed(bytes, from, from + words[at + LENGTH]!, words[at + HASH]!);
  }

  /** Adds the key, with a prefix, to a column. */
  pushPrefixed(to: KeyColumn, prefix: Uint8Array, record: number): void {
    const { words, bytes } = this.#chunks[record >>> CHUNK_BITS]!;
    const at = record & OFFSET;
    const from = (at + HEADER) * 4;
    to.pushPrefixed(prefix, bytes, from, from + words[at + LENGTH]!);
  }

  /** Room for a record, in a chunk of its own where it is larger than one. */
  #take(count: number): number {
    let chunk = this.#chunks[this.#last];
    if (chunk === undefined || chunk.end + count + HEADER > chunk.words.length) {
      // The first chunk of a small table is small.
      const small = this.#words === 0 ? 1024 : Math.min(CHUNK_WORDS, this.#words * 2);
      chunk = chunkOf(Math.max(small, HEADER + count + HEADER));
      const free = this.#chunks.indexOf(undefined);
      this.#last = free < 0 ? this.#chunks.length : free;
      this.#chunks[this.#last] = chunk;
    }
    const record = this.#last * CHUNK_WORDS + chunk.end;
    chunk.end += count;
    this.#words += count;
    return record;
  }

  #drop(index: number): void {
    const { dead } = this.#chunks[index]!;
    this.#words -= dead;
    this.#dead -= dead;
    this.#chunks[index] = undefined;
  }
}

function chunkOf(words: number): Chunk {
  const array = new Int32Array(words);
  return { words: array, bytes: Buffer.from(array.buffer), end: HEADER, dead: 0 };
}

function isSparse(chunk: Chunk | undefined): boolean {
  return chunk !== undefined && chunk.dead * 2 > chunk.end - HEADER;
}

/** Words of a record. */
function wordsOf(length: number): number {
  return HEADER + ((length + 3) >> 2);
}
