/**
 * Where a compaction's output ends and the next begins. At a size; and sooner between two times of a table that forgets ranges of
 * time, or where such a table ends or begins: so that an SST holds few times, all of which are forgotten soon after each other,
 * and the SST goes without being read. Sooner is not before half of the size: what is smaller is rewritten with its neighbours
 * (`pick-compaction.ts`). The numbers and why: `docs/decisions/0057-compaction-measured.md`.
 */
import type { Forgotten } from '../log/forgotten.ts';

/** Bytes of a state key before the row's own, in a timed table: table, then time (`state/address.ts`). */
const TABLE_AND_TIME_BYTES = 9;

export class OutputCuts {
  readonly #sstBytes: number;
  /** Tables that have ever forgotten anything: these are timed. */
  readonly #forgets: ReadonlySet<number>;

  /** @param sstBytes an output ends here, wherever that is @param forgotten as of the manifest of the inputs */
  constructor(sstBytes: number, forgotten: Forgotten) {
    this.#sstBytes = sstBytes;
    this.#forgets = new Set(forgotten.map(([table]) => table));
  }

  /** Whether an output of so many bytes may end, depending on the keys: else there is no need to look at them. */
  mayEnd(bytes: number): boolean {
    return bytes >= (this.#forgets.size === 0 ? this.#sstBytes : this.#sstBytes / 2);
  }

  /**
   * Whether it ends between two keys that follow each other.
   * @param last and @param next: bytes in which they begin at `lastStart` and `nextStart`
   * @param bytes of the output so far: such as may end
   */
  endsBetween(last: Uint8Array, lastStart: number, next: Uint8Array, nextStart: number, bytes: number): boolean {
    if (bytes >= this.#sstBytes) return true;
    if (!this.#forgets.has(last[lastStart]!) && !this.#forgets.has(next[nextStart]!)) return false;
    for (let i = 0; i < TABLE_AND_TIME_BYTES; i++) if (last[lastStart + i] !== next[nextStart + i]) return true;
    return false;
  }
}
