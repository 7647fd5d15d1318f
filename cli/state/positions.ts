/**
 * How far each partition of a stored job is, asked again and again by who waits for it: a manifest and a look at the next
 * log entry each, and the entries whose results the manifest does not know to be out. What is once known stays true, so a later answer is never behind an earlier.
 */
import { DataLog } from '../../lib/log/data-log.ts';
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

interface Head {
  readonly path: PartitionPath;
  /** Log entries up to this exist, or are folded. */
  readonly head: number;
  readonly halted: Halt | null;
  readonly publishedThrough: number;
}

export class Positions {
  readonly #job: StoredJob;
  readonly #heads = new Map<PartitionPath, number>();
  readonly #published = new Map<PartitionPath, number>();

  constructor(job: StoredJob) {
    this.#job = job;
  }

  async read(): Promise<Position> {
    const { stages, partitions } = this.#job.file;
    const places = Array.from({ length: stages * partitions }, (_, i) => {
      const partition = i % partitions;
      return { partition, path: partitionPath(Math.floor(i / partitions), partition) };
    });
    // The planner comes last, so that every batch seen as committed is seen as planned.
    const heads = await Promise.all(places.map(({ path }) => this.#head(path)));
    const planner = await this.#head(PLANNER);
    const committed = smallest(heads.map(({ head }) => head));
    const published = smallest(
      await Promise.all(places.map((place, i) => this.#publishedOf(place, heads[i]!.publishedThrough, committed))),
    );
    const halted = [...heads, planner].flatMap(({ path, halted: halt }) => (halt === null ? [] : [{ path, ...halt }]));
    return { planned: planner.head, committed, published, halted };
  }

  async #head(path: PartitionPath): Promise<Head> {
    const { store, names } = this.#job;
    const { manifest } = await loadManifest(store, names.manifest(path));
    const { through, halted, publishedThrough } = manifest;
    let head = Math.max(through, this.#heads.get(path) ?? 0);
    while (await this.#isThere(names.log(path, head + 1))) head++;
    this.#heads.set(path, head);
    return { path, head, halted, publishedThrough };
  }

  /** Results come in order: up to the first batch that has rows in an output and no object there. */
  async #publishedOf(
    { path, partition }: { readonly path: PartitionPath; readonly partition: number },
    publishedThrough: number,
    committed: number,
  ): Promise<number> {
    const { store, names } = this.#job;
    const log = new DataLog(store, names, path);
    let published = Math.max(publishedThrough, this.#published.get(path) ?? 0);
    while (published < committed) {
      const { entry } = await log.readEntry(published + 1);
      // ⚑ absent-is-empty: the entry says which objects there must be. Collected: they were there.
      const wanted = (entry?.header.outputs ?? []).filter((_, i) => entry!.output(i).length > 0);
      const there = wanted.map((output) => this.#isThere(names.out(output, partition, published + 1)));
      if (!(await Promise.all(there)).every(Boolean)) break;
      published++;
    }
    this.#published.set(path, published);
    return published;
  }

  async #isThere(name: string): Promise<boolean> {
    return (await this.#job.store.get(name, { range: { offset: 0, length: 1 } })).found;
  }
}
