/**
 * How far each partition of a stored job is, asked again and again by who waits for it: a manifest and a look at the next
 * log entry each, not the entries themselves. What is once known stays true, so a later answer is never behind an earlier.
 */
import type { Halt } from '../../lib/manifest/manifest.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import { type PartitionPath, PLANNER, partitionPath } from '../../lib/object-store/names.ts';
import { smallest } from '../../lib/util/numbers.ts';
import type { StoredJob } from './stored-job.ts';

export interface Halted extends Halt {
  readonly path: PartitionPath;
}

export interface Position {
  /** Plans that are made. */
  readonly planned: number;
  /** Batches that all partitions of all stages have committed. */
  readonly committed: number;
  /** Batches whose results are published by all partitions. */
  readonly published: number;
  readonly halted: readonly Halted[];
}

export class Positions {
  readonly #job: StoredJob;
  readonly #heads = new Map<PartitionPath, number>();
  #published = 0;

  constructor(job: StoredJob) {
    this.#job = job;
  }

  async read(): Promise<Position> {
    const { stages, partitions } = this.#job.file;
    const paths = Array.from({ length: stages }, (_, stage) =>
      Array.from({ length: partitions }, (_, p) => partitionPath(stage, p)),
    ).flat();
    // The planner last: what is committed was planned by then.
    const heads = await Promise.all(paths.map((path) => this.#head(path)));
    const planner = await this.#head(PLANNER);
    const committed = smallest(heads.map(({ head }) => head));
    await this.#publish(committed);
    const halted = [...heads, planner].flatMap(({ path, halted: halt }) => (halt === null ? [] : [{ path, ...halt }]));
    return { planned: planner.head, committed, published: this.#published, halted };
  }

  async #head(path: PartitionPath): Promise<{ path: PartitionPath; head: number; halted: Halt | null }> {
    const { store, names } = this.#job;
    const { manifest } = await loadManifest(store, names.manifest(path));
    let head = Math.max(manifest.through, this.#heads.get(path) ?? 0);
    while (await this.#isThere(names.log(path, head + 1))) head++;
    this.#heads.set(path, head);
    return { path, head, halted: manifest.halted };
  }

  /** Results come in order, so the newest that are all there tell of those before. */
  async #publish(committed: number): Promise<void> {
    const { names, file } = this.#job;
    for (let n = committed; n > this.#published; n--) {
      const wanted = file.outputs.flatMap(({ name }) =>
        Array.from({ length: file.partitions }, (_, p) => names.out(name, p, n)),
      );
      const there = await Promise.all(wanted.map((name) => this.#isThere(name)));
      if (there.every(Boolean)) this.#published = n;
    }
  }

  async #isThere(name: string): Promise<boolean> {
    return (await this.#job.store.get(name, { range: { offset: 0, length: 1 } })).found;
  }
}
