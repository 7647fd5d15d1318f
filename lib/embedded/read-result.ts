/**
 * Reads results of batches that are committed: from the log entry while it is kept, since that has a checksum; else as they were
 * published.
 *
 * ⚑ absent-is-empty: a batch without rows in an output has no object there. Entries are collected only when their results are out. So
 * where the entry is gone and then no object is found, there were no rows, or retention has deleted them: that says the mark,
 * to whoever looks at it after that (⚑ results-condemned). A consumer need not: what it has not had is not deleted.
 */
import { CorruptionError } from '../errors.ts';
import { DataLog } from '../log/data-log.ts';
import { loadManifest } from '../manifest/manifest-store.ts';
import { type Names, type PartitionPath, partitionPath } from '../object-store/names.ts';
import type { ObjectStore } from '../object-store/object-store.ts';

/** Where results are: an output in one partition. */
export interface ResultPlace {
  readonly output: string;
  readonly stage: number;
  readonly partition: number;
}

const NO_ROWS = new Uint8Array(0);

export class ResultReader {
  readonly #store: ObjectStore;
  readonly #names: Names;
  /** By partition: the last log entry that is known to be garbage-collected. */
  readonly #collected = new Map<PartitionPath, number>();

  constructor(store: ObjectStore, names: Names) {
    this.#store = store;
    this.#names = names;
  }

  /**
   * @returns `undefined`: the entry is collected, and there is no object
   * @throws {CorruptionError} also where the entry is missing and no collection took it @throws {StoreError}
   */
  async read({ output, stage, partition }: ResultPlace, n: number): Promise<Uint8Array | undefined> {
    const path = partitionPath(stage, partition);
    const { entry } = await new DataLog(this.#store, this.#names, path).readEntry(n);
    if (entry !== undefined) {
      const at = entry.header.outputs.indexOf(output);
      return at < 0 ? NO_ROWS : entry.output(at);
    }
    const answer = await this.#store.get(this.#names.out(output, partition, n));
    if (answer.found) return answer.body;
    if (await this.#isCollected(path, n)) return undefined;
    throw new CorruptionError(this.#names.log(path, n), 'it is missing, and nothing has collected it');
  }

  async #isCollected(path: PartitionPath, n: number): Promise<boolean> {
    if (n <= (this.#collected.get(path) ?? 0)) return true;
    const { manifest } = await loadManifest(this.#store, this.#names.manifest(path));
    this.#collected.set(path, manifest.collectedThrough);
    return n <= manifest.collectedThrough;
  }
}
