/**
 * Carries out a compaction: reads its inputs, merges them newest first, writes the outputs, and makes them count by one
 * compare-and-set that holds only if all inputs are still there in order. The state stays the same: what it leaves out has
 * ended, or is forgotten. Folds go on meanwhile: they add newer L0 SSTs, which does not concern the inputs.
 */
import { type LoadedManifest, type SstRef, sstsOf } from '../manifest/manifest.ts';
import { editManifest } from '../manifest/manifest-store.ts';
import { createOnce } from '../object-store/create-once.ts';
import type { RequestOptions } from '../object-store/object-store.ts';
import { mergeRuns } from '../sst/merge.ts';
import { forgottenKeys } from '../state/floors.ts';
import { MissingSstError } from '../state/sst-reads.ts';
import { greatest, smallest } from '../util/numbers.ts';
import { expiredBy, StateSstBuilder } from './expiry.ts';
import { OutputCuts } from './output-cuts.ts';
import { mayHold } from './overlap.ts';
import { type CommitPartition, manifestOf, mayName } from './partition.ts';
import { COMPACTION, type Compaction, type CompactionOptions, olderThan, pickCompaction } from './pick-compaction.ts';
import { readRun } from './sst-runs.ts';

export interface CompactOptions extends CompactionOptions, RequestOptions {
  /** A manifest in hand, to save a read. */
  readonly from?: LoadedManifest | undefined;
  /**
   * Called every few thousand entries (some milliseconds of work): give others their turn, `setImmediate` as a promise.
   * Default: none.
   */
  readonly yieldNow?: (() => Promise<void>) | undefined;
}

export type CompactResult =
  /** Nothing is due. */
  | { readonly outcome: 'nothing'; readonly loaded: LoadedManifest }
  | {
      readonly outcome: 'compacted';
      readonly loaded: LoadedManifest;
      readonly compaction: Compaction;
      readonly outputs: readonly SstRef[];
    }
  /** Another compaction took the inputs, or this one took so long that its outputs may be condemned: they are for GC. */
  | { readonly outcome: 'overtaken'; readonly loaded: LoadedManifest };

/**
 * Runs the one compaction that is most due. Call again until there is none.
 * @throws {CorruptionError} an input is damaged or missing @throws {StoreError}
 */
export async function compact(partition: CommitPartition, options: CompactOptions = {}): Promise<CompactResult> {
  const base = options.from ?? (await manifestOf(partition, options));
  const compaction = pickCompaction(base.manifest, options);
  if (compaction === undefined) return { outcome: 'nothing', loaded: base };
  let outputs: readonly SstRef[];
  try {
    outputs = compaction.move ? inKeyOrder(compaction.inputs) : await merge(partition, base, compaction, options);
  } catch (error) {
    if (!(error instanceof MissingSstError)) throw error;
    // Under the manifest read before: another compaction may have replaced it. Under a new one: corruption.
    const loaded = await manifestOf(partition, options);
    if (allNamed(loaded, compaction.inputs)) throw error;
    return { outcome: 'overtaken', loaded };
  }
  return publishCompaction(partition, base, compaction, outputs, options);
}

async function publishCompaction(
  partition: CommitPartition,
  base: LoadedManifest,
  compaction: Compaction,
  outputs: readonly SstRef[],
  { signal }: RequestOptions,
): Promise<CompactResult> {
  const { store, names, path, random } = partition;
  const { inputs, level, move } = compaction;
  const result = await editManifest(
    store,
    names.manifest(path),
    (loaded) => {
      // ⚑ may-name: own SSTs may be on their way out, and were built in vain. The next compaction reads the manifest anew.
      if (!move && !mayName(base, loaded)) return undefined;
      return { type: 'compact', inputs: inputs.map((sst) => sst.id), outputs, writtenAfterMs: base.dateMs, level };
    },
    { nonce: random.id(), signal },
  );
  const { loaded } = result;
  return result.outcome === 'done'
    ? { outcome: 'compacted', loaded, compaction, outputs }
    : { outcome: 'overtaken', loaded };
}

/** @returns the outputs, durable, sorted by key */
async function merge(
  partition: CommitPartition,
  base: LoadedManifest,
  compaction: Compaction,
  options: CompactOptions,
): Promise<SstRef[]> {
  const { store, names, path, random, expiry } = partition;
  const { inputs, level } = compaction;
  const { sstBytes = COMPACTION.sstBytes, yieldNow, signal } = options;
  const older = olderThan(base.manifest, compaction);
  const from = smallest(inputs.map((sst) => sst.from));
  const to = greatest(inputs.map((sst) => sst.to));
  const forgotten = base.manifest.forgotten ?? [];
  // One run in L0: an L0 SST counts as one more to look at, however small.
  const cuts = new OutputCuts(level === 0 ? Number.POSITIVE_INFINITY : sstBytes, forgotten);

  const outputs: SstRef[] = [];
  let builder: StateSstBuilder | undefined;
  let last = '';
  const finish = async (): Promise<void> => {
    if (builder === undefined) return;
    const { info, body } = builder.finish();
    builder = undefined;
    await createOnce(store, names.sst(path, info.id), body, { signal });
    outputs.push({ ...info, from, to });
  };
  const isExpired = expiredBy(base, expiry);
  // ⚑ floors: as of the manifest of the inputs, which every manifest with the outputs is at or beyond.
  const gone = forgottenKeys(forgotten);
  const read = inputs.filter(({ minKey, maxKey }) => !gone.hasAll(minKey, maxKey));
  const runs = runsOf(base, read).map((ssts) => readRun(partition, ssts, { signal }));
  for await (const chunk of mergeRuns(runs, { dropTombstones: older.length === 0 })) {
    for (const { key, value } of chunk) {
      if (gone.has(key) || (value === null ? !mayHold(older, key) : isExpired(key, value))) continue;
      if (builder !== undefined && cuts.mayEnd(builder.bytes)) {
        if (cuts.endsBetween(Buffer.from(last, 'latin1'), 0, Buffer.from(key, 'latin1'), 0, builder.bytes))
          await finish();
      }
      builder ??= new StateSstBuilder(random.id(), expiry);
      builder.add(key, value);
      last = key;
    }
    signal?.throwIfAborted();
    await yieldNow?.();
  }
  await finish();
  return outputs;
}

/** The inputs as sorted runs, newest first: each L0 SST by itself, then those of each level one after the other. */
function runsOf({ manifest }: LoadedManifest, inputs: readonly SstRef[]): SstRef[][] {
  const ids = new Set(inputs.map((sst) => sst.id));
  const runs = [...manifest.l0.map((sst) => [sst]), ...manifest.levels];
  return runs.map((run) => run.filter((sst) => ids.has(sst.id))).filter((run) => run.length > 0);
}

function allNamed({ manifest }: LoadedManifest, ssts: readonly SstRef[]): boolean {
  const named = new Set(sstsOf(manifest).map((sst) => sst.id));
  return ssts.every((sst) => named.has(sst.id));
}

function inKeyOrder(ssts: readonly SstRef[]): SstRef[] {
  return [...ssts].sort((a, b) => (a.minKey < b.minKey ? -1 : 1));
}
