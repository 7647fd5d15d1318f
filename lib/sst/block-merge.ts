/**
 * Merges sorted runs of blocks by bytes, the newest first: each key once, with its newest change, and nothing made an entry. The
 * runs' cursors stand at different keys, in their order; a cursor that comes to where a newer one stands goes on at once. So
 * the first one is at the entry that is next, and nothing older of its key is left. Only blocks are awaited, never entries.
 */
import { compareBytes } from '../util/bytes.ts';
import { BlockCursor } from './block-cursor.ts';
import type { PlainBlock } from './scan.ts';

class RunCursor extends BlockCursor {
  /** 0: the newest run. */
  readonly age: number;
  readonly #blocks: AsyncIterator<PlainBlock>;

  constructor(age: number, run: AsyncIterable<PlainBlock>) {
    super();
    this.age = age;
    this.#blocks = run[Symbol.asyncIterator]();
  }

  /** Goes to the first entry of the next block. @returns false: the run has ended */
  async nextBlock(): Promise<boolean> {
    for (;;) {
      const { done, value } = await this.#blocks.next();
      if (done) return false;
      this.open(value.plain, value.where);
      if (this.next()) return true;
    }
  }

  async close(): Promise<void> {
    await this.#blocks.return?.();
  }
}

export class BlockMerge {
  readonly #runs: readonly RunCursor[];
  /** Those that stand at an entry, by its key; no two at the same. */
  readonly #sorted: RunCursor[] = [];
  /** It has come to the end of a block. */
  #dry: RunCursor | undefined;

  private constructor(runs: readonly RunCursor[]) {
    this.#runs = runs;
  }

  /**
   * @param runs newest first; each in ascending order of keys without duplicates
   * @throws {CorruptionError} and what the runs throw; then they are closed
   */
  static async open(runs: readonly AsyncIterable<PlainBlock>[]): Promise<BlockMerge> {
    const merge = new BlockMerge(runs.map((run, age) => new RunCursor(age, run)));
    try {
      const begun = await Promise.all(merge.#runs.map((run) => run.nextBlock()));
      for (const [age, run] of merge.#runs.entries()) if (begun[age]) await merge.#enter(run);
      return merge;
    } catch (error) {
      await merge.close();
      throw error;
    }
  }

  /** Stands at the next entry, until {@link advance}; `undefined`: there is none. */
  get entry(): BlockCursor | undefined {
    return this.#sorted[0];
  }

  /**
   * Goes on to the next entry.
   * @returns false: {@link refill} first @throws {CorruptionError}
   */
  advance(): boolean {
    const sorted = this.#sorted;
    const first = sorted[0]!;
    if (!first.next()) {
      this.#leave(first);
      return false;
    }
    // Mostly it stays the first: of the oldest run there is most.
    if (sorted.length === 1 || compare(first, sorted[1]!) < 0) return true;
    return this.#settle(first);
  }

  /** Waits for the block that {@link advance} lacks. @throws {CorruptionError} and what the run throws */
  async refill(): Promise<void> {
    const dry = this.#dry;
    this.#dry = undefined;
    if (dry !== undefined && (await dry.nextBlock())) await this.#enter(dry);
  }

  /** Closes the runs. */
  async close(): Promise<void> {
    await Promise.all(this.#runs.map((run) => run.close()));
  }

  async #enter(cursor: RunCursor): Promise<void> {
    this.#sorted.unshift(cursor);
    if (!this.#settle(cursor)) await this.refill();
  }

  /**
   * Brings the first cursor to its place. Of two at one key the older one goes on.
   * @returns false: that one has come to the end of its block
   */
  #settle(first: RunCursor): boolean {
    const sorted = this.#sorted;
    let moving = first;
    for (let low = 1; ; ) {
      let high = sorted.length;
      let same = -1;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const order = compare(moving, sorted[middle]!);
        if (order === 0) {
          same = middle;
          break;
        }
        if (order < 0) high = middle;
        else low = middle + 1;
      }
      if (same < 0) {
        for (let i = 1; i < low; i++) sorted[i - 1] = sorted[i]!;
        sorted[low - 1] = moving;
        return true;
      }
      const other = sorted[same]!;
      if (moving.age < other.age) {
        sorted[same] = moving;
        moving = other;
      }
      if (!moving.next()) {
        this.#leave(moving);
        return false;
      }
      low = same + 1;
    }
  }

  /** The place of the first one is nobody's: that cursor waits for a block. */
  #leave(dry: RunCursor): void {
    this.#sorted.shift();
    this.#dry = dry;
  }
}

function compare(a: BlockCursor, b: BlockCursor): number {
  return compareBytes(a.key, 0, a.keyLength, b.key, 0, b.keyLength);
}
