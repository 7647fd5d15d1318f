/**
 * Carries out a compaction: reads its inputs, merges them newest first, writes the outputs, and makes them count by one
 * compare-and-set that holds only if all inputs are still there in order. The state stays the same: what it leaves out has
 * ended, or is forgotten. Folds go on meanwhile: they add newer L0 SSTs, which does not concern the inputs.
 */
import { type LoadedManifest, type SstRef, sstsOf } from '../manifest/manifest.ts';
import { editManifest } from '../manifest/manifest-store.ts';
import { createOnce } from '../object-store/create-once.ts';
import type { RequestOptions } from '../object-store/object-store.ts';
import type { BlockCursor } from '../sst/block-cursor.ts';
import { BlockMerge } from '../sst/block-merge.ts';
import { forgottenKeys } from '../state/floors.ts';
import { MissingSstError } from '../state/sst-files.ts';
import { greatest, smallest } from '../util/numbers.ts';
import { expiredBy, StateSstBuilder } from './expiry.ts';
import { OutputCuts } from './output-cuts.ts';
import { OlderRanges } from './overlap.ts';
import { type CommitPartition, manifestOf, mayName } from './partition.ts';
import { COMPACTION, type Compaction, type CompactionOptions, olderThan, pickCompaction } from './pick-compaction.ts';
import { readRun } from './sst-runs.ts';

/** After so many it asks whether it is to go on, and gives others their turn. */
const TURN_ENTRIES = 2048;

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
): Promise<readonly SstRef[]> {
  const { inputs } = compaction;
  const { yieldNow, signal } = options;
  const kept = keptOf(partition, base, compaction);
  const outputs = new Outputs(partition, base, compaction, options);
  // ⚑ floors: as of the manifest of the inputs, which every manifest with the outputs is at or beyond.
  const gone = forgottenKeys(base.manifest.forgotten ?? []);
  const read = inputs.filter(({ minKey, maxKey }) => !gone.hasAll(minKey, maxKey));
  const merging = await BlockMerge.open(runsOf(base, read).map((ssts) => readRun(partition, ssts, { signal })));
  try {
    for (let seen = 1; merging.entry !== undefined; seen++) {
      const { entry } = merging;
      if (!gone.hasBytes(entry.key, 0, entry.keyLength) && kept(entry)) {
        if (outputs.endBefore(entry)) await outputs.finish();
        outputs.add(entry);
      }
      if (!merging.advance()) await merging.refill();
      if (seen % TURN_ENTRIES !== 0) continue;
      signal?.throwIfAborted();
      await yieldNow?.();
    }
  } finally {
    await merging.close();
  }
  await outputs.finish();
  return outputs.refs;
}

/** Whether an entry still says something: of each key, the newest is asked, and keys ascend. */
function keptOf(
  { expiry }: CommitPartition,
  base: LoadedManifest,
  compaction: Compaction,
): (entry: BlockCursor) => boolean {
  const isExpired = expiredBy(base, expiry);
  const older = new OlderRanges(olderThan(base.manifest, compaction));
  return ({ key, keyLength, deleted, bytes, valueStart, valueEnd }) => {
    if (deleted) return older.mayHold(key, 0, keyLength);
    if (isExpired === undefined) return true;
    return !isExpired(key.toString('latin1', 0, keyLength), bytes.subarray(valueStart, valueEnd));
  };
}

/** The SSTs that a compaction writes, one after the other. */
class Outputs {
  readonly refs: SstRef[] = [];
  readonly #partition: CommitPartition;
  readonly #level: number;
  readonly #cuts: OutputCuts;
  readonly #batches: { readonly from: number; readonly to: number };
  readonly #signal: AbortSignal | undefined;
  #builder: StateSstBuilder | undefined;

  constructor(
    partition: CommitPartition,
    { manifest }: LoadedManifest,
    { inputs, level }: Compaction,
    { sstBytes = COMPACTION.sstBytes, signal }: CompactOptions,
  ) {
    this.#partition = partition;
    this.#level = level;
    this.#signal = signal;
    this.#batches = { from: smallest(inputs.map((sst) => sst.from)), to: greatest(inputs.map((sst) => sst.to)) };
    // One run in L0: an L0 SST counts as one more to look at, however small.
    this.#cuts = new OutputCuts(level === 0 ? Number.POSITIVE_INFINITY : sstBytes, manifest.forgotten ?? []);
  }

  /** Whether the SST at work ends before that entry. */
  endBefore({ key }: BlockCursor): boolean {
    const builder = this.#builder;
    if (builder === undefined) return false;
    const { bytes } = builder;
    return this.#cuts.mayEnd(bytes) && this.#cuts.endsBetween(builder.lastKey, 0, key, 0, bytes);
  }

  add({ key, keyLength, deleted, bytes, valueStart, valueEnd }: BlockCursor): void {
    const { random, expiry } = this.#partition;
    this.#builder ??= new StateSstBuilder(random.id(), this.#level, expiry);
    this.#builder.addBytes(key, 0, keyLength, deleted ? null : bytes, valueStart, valueEnd);
  }

  /** The SST at work, if there is one, is durable then. */
  async finish(): Promise<void> {
    if (this.#builder === undefined) return;
    const { info, body } = this.#builder.finish();
    this.#builder = undefined;
    const { store, names, path } = this.#partition;
    await createOnce(store, names.sst(path, info.id), body, { signal: this.#signal });
    this.refs.push({ ...info, ...this.#batches });
  }
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
