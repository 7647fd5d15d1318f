/**
 * Merges sorted runs of entries, the newest first: each key once, with its newest change; for readers, which want entries (compactions
 * merge bytes: `block-merge.ts`). A binary heap of cursors ordered by (key, age) over arrays; only arrays are awaited, never entries, and values pass through as bytes. The
 * caller chooses the pace: between two chunks it may yield, and nothing is read ahead of what it takes.
 */
import type { Entry, Key } from './entry.ts';

export interface MergeOptions {
  /** Leave tombstones out: only where nothing older lies below. */
  readonly dropTombstones: boolean;
}

/** Entries in a chunk of a merge's output, at most: few enough that the garbage collector finds them dead when it comes by. */
const CHUNK_ENTRIES = 1024;

/**
 * @param runs newest first; each in ascending key order without duplicates, in chunks of any size (empty ones too)
 * @returns the merged run, in chunks; the runs are closed when the caller stops early or one throws
 */
export async function* mergeRuns(
  runs: readonly AsyncIterable<Entry[]>[],
  { dropTombstones }: MergeOptions,
): AsyncGenerator<Entry[], void, undefined> {
  if (runs.length === 1 && !dropTombstones) return yield* runs[0]!;
  const sources = runs.map((run) => run[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(sources.map(nextChunk));
    const cursors: Cursor[] = [];
    for (const [age, entries] of heads.entries()) {
      if (entries !== undefined) cursors.push({ age, entries, at: 0, key: entries[0]!.key });
    }
    const merger = new Merger(cursors, dropTombstones);
    let out: Entry[] = [];
    while (!merger.done) {
      const dry = merger.drain(out, CHUNK_ENTRIES);
      if (dry !== undefined) merger.refill(dry, await nextChunk(sources[dry.age]!));
      if (out.length >= CHUNK_ENTRIES || (merger.done && out.length > 0)) {
        yield out;
        out = [];
      }
    }
  } finally {
    await Promise.all(sources.map((source) => source.return?.()));
  }
}

/** The next chunk that holds anything; undefined at the end. */
async function nextChunk(source: AsyncIterator<Entry[]>): Promise<Entry[] | undefined> {
  for (;;) {
    const { done, value } = await source.next();
    if (done) return undefined;
    if (value.length > 0) return value;
  }
}

/** A place in one run; `key` is the entry's at `at`. */
interface Cursor {
  /** 0: the newest run. */
  readonly age: number;
  entries: readonly Entry[];
  at: number;
  key: Key;
}

class Merger {
  readonly #heap: Cursor[];
  readonly #dropTombstones: boolean;
  /** The key last taken: whatever equals it from here on is older. */
  #taken: Key | undefined;

  constructor(cursors: Cursor[], dropTombstones: boolean) {
    this.#heap = cursors.sort((a, b) => (before(a, b) ? -1 : 1));
    this.#dropTombstones = dropTombstones;
  }

  get done(): boolean {
    return this.#heap.length === 0;
  }

  /** Appends to `out` until it holds `limit` entries or a cursor runs dry, which is then the one to refill. */
  drain(out: Entry[], limit: number): Cursor | undefined {
    const top = this.#heap[0]!;
    if (this.#heap.length === 1) return this.#drainOnly(top, out, limit);
    const heap = this.#heap;
    while (out.length < limit) {
      const cursor = heap[0]!;
      if (cursor.key !== this.#taken) {
        this.#taken = cursor.key;
        const entry = cursor.entries[cursor.at]!;
        if (entry.value !== null || !this.#dropTombstones) out.push(entry);
      }
      if (++cursor.at === cursor.entries.length) return cursor;
      cursor.key = cursor.entries[cursor.at]!.key;
      this.#settle();
    }
    return undefined;
  }

  /** Gives the dry cursor, which is the top, its next chunk; undefined: its run has ended. */
  refill(dry: Cursor, entries: readonly Entry[] | undefined): void {
    const heap = this.#heap;
    if (entries === undefined) {
      const last = heap.pop()!;
      if (last === dry) return;
      heap[0] = last;
    } else {
      dry.entries = entries;
      dry.at = 0;
      dry.key = entries[0]!.key;
    }
    this.#settle();
  }

  /** One run left: no comparisons. */
  #drainOnly(cursor: Cursor, out: Entry[], limit: number): Cursor | undefined {
    const { entries } = cursor;
    if (cursor.key === this.#taken) cursor.at++;
    this.#taken = undefined;
    while (cursor.at < entries.length && out.length < limit) {
      const entry = entries[cursor.at++]!;
      if (entry.value !== null || !this.#dropTombstones) out.push(entry);
    }
    if (cursor.at === entries.length) return cursor;
    cursor.key = entries[cursor.at]!.key;
    return undefined;
  }

  /** Lets the top sink to its place. */
  #settle(): void {
    const heap = this.#heap;
    const cursor = heap[0]!;
    const { length } = heap;
    let at = 0;
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, cursor)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = cursor;
  }
}

function before(a: Cursor, b: Cursor): boolean {
  return a.key < b.key || (a.key === b.key && a.age < b.age);
}
