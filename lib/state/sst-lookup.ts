/**
 * One look-up of many keys in SSTs, newest first, by column: each SST's part of the keys is walked side by side with its index, and blocks
 * are searched where they lie. What is local is searched at once; for the rest the look-up says which blocks it wants, and takes
 * them in whatever order they come. Nothing is made a key that is found in a local block.
 *
 * A key is answered once, when no newer SST can have it any more: its answer may lie in memory that others read.
 */
import { columnOf, type KeyColumn } from '../columns/key-column.ts';
import { CorruptionError } from '../errors.ts';
import { ABSENT, Block, DELETED } from '../sst/block.ts';
import { compareBytes } from '../util/bytes.ts';
import type { OpenSst } from './open-sst.ts';
import type { SearchedBlocks } from './searched-blocks.ts';

/** Who is told. Bytes are valid until it returns, and it must not ask for other blocks. */
export interface Answers {
  /** The value of key i is `bytes[start]` up to `bytes[end]`. */
  found(i: number, bytes: Uint8Array, start: number, end: number): void;
  /** Its newest change is that it was deleted. */
  deleted(i: number): void;
}

/** Blocks of an SST that are not local, ascending, and which keys may be in each. */
export interface MissingBlocks {
  readonly rank: number;
  readonly open: OpenSst;
  readonly blocks: number[];
  /** Where the keys of each block begin in {@link keys}. */
  readonly firsts: number[];
  readonly keys: number[];
}

/** What was found of a key: `bytes[valueStart]` up to `bytes[valueEnd]`. */
interface Found {
  readonly bytes: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const NO_RANK = 0xffff;

export class SstLookup {
  readonly #keys: KeyColumn;
  readonly #answers: Answers;
  readonly #onDamage: (error: unknown) => void;
  /** By key: how many blocks that may hold it have not come yet. */
  readonly #waits: Uint16Array;
  /** By key: the newest SST so far that holds it, by its place among those that are asked. */
  readonly #ranks: Uint16Array;
  /** What older SSTs have of keys that newer ones may have, too: bytes, or `null`: deleted. */
  readonly #held = new Map<number, Uint8Array | null>();
  readonly #block = new Block();
  readonly missing: MissingBlocks[] = [];
  /** Keys that were answered from local blocks alone. */
  local = 0;
  /** Keys that have waited for blocks. */
  waited = 0;

  /** @param keys state keys, ascending, each once */
  constructor(keys: KeyColumn, answers: Answers, onDamage: (error: unknown) => void) {
    this.#keys = keys;
    this.#answers = answers;
    this.#onDamage = onDamage;
    this.#waits = new Uint16Array(keys.count);
    this.#ranks = new Uint16Array(keys.count).fill(NO_RANK);
  }

  /** Searches what is local of the next SST. @param rank 0 is the newest, 1 the next, … */
  search(rank: number, open: OpenSst): void {
    const keys = this.#keys;
    const { index, filter, sst } = open;
    const [first, end] = keysWithin(keys, sst);
    let missing: MissingBlocks | undefined;
    let at = -1;
    let isLocal = false;
    for (let i = first; i < end; i++) {
      if (this.#ranks[i] !== NO_RANK || filter?.mayContain(keys.hashes[i]!) === false) continue;
      const block = index.findBlock(keys, i, at);
      if (block < 0) continue;
      if (block !== at) {
        at = block;
        isLocal = this.#openLocal(open, block);
      }
      if (isLocal && this.#searchLocal(rank, open, block, i)) continue;
      missing ??= { rank, open, blocks: [], firsts: [], keys: [] };
      isLocal = false;
      this.#await(missing, block, i);
    }
    if (missing !== undefined) this.missing.push(missing);
  }

  /** Searches a block that has come. @throws {CorruptionError} */
  take(missing: MissingBlocks, block: number, plain: Uint8Array): void {
    this.#block.open(plain);
    for (const i of keysIn(missing, block)) {
      const isAnswered = this.#ranks[i]! < missing.rank;
      this.#came(missing, i, isAnswered, isAnswered ? ABSENT : this.#block.find(this.#keys, i), this.#block);
    }
  }

  /** Takes what somebody else has found in a block. */
  takeRows(missing: MissingBlocks, block: number, rows: SearchedBlocks): void {
    for (const i of keysIn(missing, block)) {
      const found = rows.row();
      const isAnswered = this.#ranks[i]! < missing.rank;
      this.#came(missing, i, isAnswered, isAnswered ? ABSENT : found, rows);
    }
  }

  /** What one of the blocks that a key waits for says of it. */
  #came({ rank, open }: MissingBlocks, i: number, isAnswered: boolean, found: number, where: Found): void {
    this.#waits[i]!--;
    if (found !== ABSENT) {
      this.#answer(i, rank, found === DELETED, where);
      return;
    }
    if (!isAnswered) open.misses++;
    if (this.#waits[i] === 0) this.#release(i);
  }

  /** Whether a key's block says something of the key. @returns false: the block is damaged */
  #searchLocal(rank: number, open: OpenSst, block: number, i: number): boolean {
    let found: number;
    try {
      found = this.#block.find(this.#keys, i);
    } catch (error) {
      this.#damaged(open, block, error);
      return false;
    }
    if (found === ABSENT) {
      open.misses++;
    } else {
      if (this.#waits[i] === 0) this.local++;
      this.#answer(i, rank, found === DELETED, this.#block);
    }
    return true;
  }

  /** What was found, or that it is a tombstone. ⚑ tombstones: that is an answer, too. */
  #answer(i: number, rank: number, isDeleted: boolean, { bytes, valueStart, valueEnd }: Found): void {
    this.#ranks[i] = rank;
    if (this.#waits[i]! > 0) {
      this.#held.set(i, isDeleted ? null : Uint8Array.prototype.slice.call(bytes, valueStart, valueEnd));
      return;
    }
    if (this.#held.size > 0) this.#held.delete(i);
    if (isDeleted) this.#answers.deleted(i);
    else this.#answers.found(i, bytes, valueStart, valueEnd);
  }

  /** No block is to come for a key: what an older one has holds. */
  #release(i: number): void {
    const value = this.#held.get(i);
    if (value === undefined) return;
    this.#held.delete(i);
    if (value === null) this.#answers.deleted(i);
    else this.#answers.found(i, value, 0, value.length);
  }

  #await({ blocks, firsts, keys }: MissingBlocks, block: number, i: number): void {
    if (blocks[blocks.length - 1] !== block) {
      blocks.push(block);
      firsts.push(keys.length);
    }
    keys.push(i);
    if (this.#waits[i]!++ === 0) this.waited++;
  }

  /** One that is damaged is forgotten, and fetched again. */
  #openLocal(open: OpenSst, block: number): boolean {
    const plain = open.cached?.get(block);
    if (plain === undefined) return false;
    try {
      this.#block.open(plain);
      return true;
    } catch (error) {
      this.#damaged(open, block, error);
      return false;
    }
  }

  #damaged(open: OpenSst, block: number, error: unknown): void {
    if (!(error instanceof CorruptionError)) throw error;
    open.cached?.drop(block);
    this.#onDamage(error);
  }
}

/** Which keys may be in a block that is missing. */
export function keysIn({ blocks, firsts, keys }: MissingBlocks, block: number): readonly number[] {
  const at = placeOf(blocks, block);
  return keys.slice(firsts[at]!, firsts[at + 1] ?? keys.length);
}

/** Which keys of a column an SST may hold. */
export function keysWithin(
  keys: KeyColumn,
  { minKey, maxKey }: { readonly minKey: string; readonly maxKey: string },
): readonly [first: number, end: number] {
  const first = firstFrom(keys, minKey, 0);
  return [first, firstFrom(keys, maxKey, 1)];
}

/** The first key that is not before a text; with `above` 1 the first that is behind it. */
function firstFrom(keys: KeyColumn, text: string, above: number): number {
  const { bytes, starts, count } = keys;
  const other = columnOf(text);
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareBytes(bytes, starts[middle]!, starts[middle + 1]!, other.bytes, 0, text.length);
    if (order < above) low = middle + 1;
    else high = middle;
  }
  return low;
}

function placeOf(blocks: readonly number[], block: number): number {
  let low = 0;
  let high = blocks.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (blocks[middle]! < block) low = middle + 1;
    else high = middle;
  }
  return low;
}
