/**
 * One partition of a stored job, read only: its manifest, the log entries that no SST holds yet, and its state as both
 * make it. State is read as a merge of sorted runs, newest first, so that a scan takes the memory of a few blocks however
 * much there is, and stops where the reader stops.
 */
import { forgottenByBoth } from '../../lib/log/forgotten.ts';
import type { FoldableEntry, PartitionLog } from '../../lib/log/partition-log.ts';
import { type Manifest, type SstRef, sstsOf } from '../../lib/manifest/manifest.ts';
import { loadManifest } from '../../lib/manifest/manifest-store.ts';
import type { Names, PartitionPath } from '../../lib/object-store/names.ts';
import type { ObjectStore } from '../../lib/object-store/object-store.ts';
import type { Entry } from '../../lib/sst/entry.ts';
import { mergeRuns } from '../../lib/sst/merge.ts';
import { scanBlocks, splitSpan } from '../../lib/sst/scan.ts';
import { type ForgottenKeys, forgottenKeys } from '../../lib/state/floors.ts';
import { noCost } from '../../lib/state/read-cost.ts';
import { SstReads } from '../../lib/state/sst-reads.ts';

/** Log entries that are read in parallel. */
const AT_ONCE = 8;
const SPAN_BYTES = 256 << 10;

export class PartitionView {
  readonly path: PartitionPath;
  readonly manifest: Manifest;
  /** Log entries after the manifest's `through`, oldest first. */
  readonly unfolded: readonly FoldableEntry[];
  readonly #store: ObjectStore;
  readonly #names: Names;
  readonly #reads: SstReads;
  readonly #gone: ForgottenKeys;

  private constructor(
    path: PartitionPath,
    manifest: Manifest,
    unfolded: readonly FoldableEntry[],
    { store, names }: { store: ObjectStore; names: Names },
  ) {
    this.path = path;
    this.manifest = manifest;
    this.unfolded = unfolded;
    this.#store = store;
    this.#names = names;
    this.#reads = new SstReads({ store, names, path, cache: undefined });
    this.#reads.pin(manifest);
    const forgotten = unfolded.reduce(
      (all, entry) => forgottenByBoth(all, entry.forgotten ?? []),
      manifest.forgotten ?? [],
    );
    this.#gone = forgottenKeys(forgotten);
  }

  static async open(
    path: PartitionPath,
    log: PartitionLog,
    from: { readonly store: ObjectStore; readonly names: Names },
  ): Promise<PartitionView> {
    const { manifest } = await loadManifest(from.store, from.names.manifest(path));
    const unfolded: FoldableEntry[] = [];
    for (;;) {
      const first = manifest.through + unfolded.length + 1;
      const reads = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => log.read(first + i)));
      const end = reads.findIndex((read) => !read.found);
      for (const read of end < 0 ? reads : reads.slice(0, end)) if (read.found) unfolded.push(read.entry);
      if (end >= 0) return new PartitionView(path, manifest, unfolded, from);
    }
  }

  /** The last batch that is committed here. */
  get position(): number {
    return this.manifest.through + this.unfolded.length;
  }

  /** The newest value of a state key; `null` or `undefined`: none. */
  async get(key: string): Promise<Uint8Array | null | undefined> {
    if (this.#gone.has(key)) return undefined;
    for (const entry of this.unfolded.toReversed()) {
      const change = [...entry.changes()].find((c) => c.key === key);
      if (change !== undefined) return change.value;
    }
    const [value] = await this.#reads.values([key], noCost());
    return value;
  }

  /** Rows with state keys in [from, to), in order. */
  async *scan(from: string, to: string): AsyncGenerator<Entry, void, undefined> {
    const log = this.unfolded.toReversed().map((entry) => within([...entry.changes()], from, to));
    const ssts = sstsOf(this.manifest).filter((sst) => sst.maxKey >= from && sst.minKey < to);
    const runs = [...log, ...ssts.map((sst) => this.#scanSst(sst, from, to))];
    for await (const chunk of mergeRuns(runs, { dropTombstones: true })) {
      yield* chunk.filter(({ key }) => !this.#gone.has(key));
    }
  }

  async *#scanSst(sst: SstRef, from: string, to: string): AsyncGenerator<Entry[], void, undefined> {
    const index = await this.#reads.indexOf(sst, noCost());
    const name = this.#names.sst(this.path, sst.id);
    const fetch = async (span: Parameters<typeof splitSpan>[1]): Promise<Uint8Array[]> => {
      const answer = await this.#store.get(name, { range: { offset: span.offset, length: span.length } });
      return splitSpan(index, span, answer.found ? answer.body : new Uint8Array(0));
    };
    yield* scanBlocks(index, fetch, { from, to, spanBytes: SPAN_BYTES });
  }
}

async function* within(entries: readonly Entry[], from: string, to: string): AsyncGenerator<Entry[], void, undefined> {
  yield entries.filter(({ key }) => key >= from && key < to);
}
