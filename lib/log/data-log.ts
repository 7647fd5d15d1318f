/** The log of a data partition: its log entries in the object store. */

import { CorruptionError } from '../errors.ts';
import type { Names, PartitionPath } from '../object-store/names.ts';
import type { ObjectStore, RequestOptions } from '../object-store/object-store.ts';
import { decodeLogEntry, type LogEntry } from './entry.ts';
import type { FoldableEntry, LogRead, PartitionLog } from './partition-log.ts';

export class DataLog implements PartitionLog {
  readonly #store: ObjectStore;
  readonly #names: Names;
  readonly #path: PartitionPath;

  constructor(store: ObjectStore, names: Names, path: PartitionPath) {
    this.#store = store;
    this.#names = names;
    this.#path = path;
  }

  nameOf(n: number): string {
    return this.#names.log(this.#path, n);
  }

  async read(n: number, options?: RequestOptions): Promise<LogRead> {
    const { entry, bytes, dateMs } = await this.readEntry(n, options);
    return entry === undefined ? { found: false, dateMs } : { found: true, entry: foldable(entry, bytes), dateMs };
  }

  /** The entry as its batch made it. */
  async readEntry(
    n: number,
    options?: RequestOptions,
  ): Promise<{ entry: LogEntry | undefined; bytes: number; dateMs: number }> {
    const name = this.nameOf(n);
    const answer = await this.#store.get(name, options);
    if (!answer.found) return { entry: undefined, bytes: 0, dateMs: answer.dateMs };
    return { entry: decodeAt(answer.body, name, n), bytes: answer.size, dateMs: answer.dateMs };
  }
}

/** @throws {CorruptionError} also where the entry is of another batch than its name says */
export function decodeAt(bytes: Uint8Array, name: string, n: number): LogEntry {
  const entry = decodeLogEntry(bytes, name);
  if (entry.header.n !== n) throw new CorruptionError(name, `it is log entry ${entry.header.n}`);
  return entry;
}

export function foldable(entry: LogEntry, bytes: number): FoldableEntry {
  const { n, previousHash, publishedThrough, closedTo, layoutVersion, wakeMs, counts, forgotten, outputs } =
    entry.header;
  return {
    n,
    hash: entry.hash,
    previousHash,
    bytes,
    publishedThrough,
    closedTo,
    layoutVersion,
    wakeMs,
    counts,
    changes: () => entry.changes(),
    addChangesTo: (columns) => entry.addChangesTo(columns),
    forgotten,
    outputs,
    output: (i) => entry.output(i),
  };
}
