/**
 * Log entries → one L0 SST, published by the manifest's `through`. The state that manifest and log mean stays the same; a
 * fold may be repeated, raced or killed at any point. It comes in two halves, so that mode `sync` can send the SST while
 * the log entry itself is under way: `startFold` builds and sends, `publishFold` makes it count.
 */
import { compareKeys } from '../columns/key-order.ts';
import { CorruptionError, MisaError, StoreError } from '../errors.ts';
import { ChangeColumns } from '../log/change-columns.ts';
import { keyTwice } from '../log/changes.ts';
import { type Forgotten, forgottenByBoth, NOTHING_FORGOTTEN } from '../log/forgotten.ts';
import type { FoldableEntry } from '../log/partition-log.ts';
import type { LoadedManifest, RowTotals, SstRef } from '../manifest/manifest.ts';
import { sstsOf } from '../manifest/manifest.ts';
import { type Decide, editManifest } from '../manifest/manifest-store.ts';
import { totalsOf } from '../manifest/totals.ts';
import { createOnce } from '../object-store/create-once.ts';
import type { RequestOptions } from '../object-store/object-store.ts';
import { forgottenKeys } from '../state/floors.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { greatest } from '../util/numbers.ts';
import { StateSstBuilder } from './expiry.ts';
import { OlderRanges } from './overlap.ts';
import { type CommitPartition, manifestOf, mayName } from './partition.ts';
import { type PublishOptions, publishOutputs } from './publish-outputs.ts';
import { type ReadLogOptions, readLog } from './read-log.ts';

const MAX_TRIES = 3;

export interface FoldOptions extends ReadLogOptions, PublishOptions {
  /** A manifest in hand, to save the first read: it serves as long as it is fresh. */
  readonly from?: LoadedManifest | undefined;
}

export type FoldResult =
  /** `more`: it stopped at a bound, and there may be more to fold. */
  | { readonly outcome: 'folded'; readonly loaded: LoadedManifest; readonly entries: number; readonly more: boolean }
  | { readonly outcome: 'nothing'; readonly loaded: LoadedManifest }
  /** Another fold was first. */
  | { readonly outcome: 'overtaken'; readonly loaded: LoadedManifest };

/**
 * Folds what the log holds after the manifest's `through`, within bounds.
 * @throws {CorruptionError} naming the log entry @throws {StoreError}
 */
export async function fold(partition: CommitPartition, options: FoldOptions = {}): Promise<FoldResult> {
  for (let tries = 0, inHand = options.from; tries < MAX_TRIES; tries++, inHand = undefined) {
    const loaded = inHand ?? (await manifestOf(partition, options));
    const read = await readLog(partition, loaded, options);
    if (!read.fresh) continue;
    const { entries, more } = read;
    if (entries.length === 0) {
      const { through, publishedThrough } = loaded.manifest;
      if (publishedThrough >= through) return { outcome: 'nothing', loaded };
      if (!(await publishOutputs(partition, loaded, [], options))) continue;
      return { outcome: 'nothing', loaded: await notePublished(partition, loaded, options) };
    }
    const started = startFold(partition, loaded, entries, options);
    const publishing = publishOutputs(partition, loaded, entries, options);
    await allOrFirstError<unknown>([publishing, started.stored]);
    if (!(await publishing)) continue;
    const result = await publishFold(partition, started, { signal: options.signal });
    return result.outcome === 'folded' ? { ...result, more } : result;
  }
  throw new StoreError('TOO_SLOW', `folding ${partition.path} took over half the retention each time. Try again`, {
    retryable: true,
  });
}

/** A fold that is built, and whose SST is on its way. */
export interface StartedFold {
  /** The manifest that it builds on. */
  readonly base: LoadedManifest;
  readonly entries: readonly FoldableEntry[];
  /** `null`: the entries change nothing. */
  readonly sst: SstRef | null;
  /** Settles when the SST is durable. */
  readonly stored: Promise<void>;
}

/**
 * Builds the SST of entries in memory and starts its PUT. Nothing counts until {@link publishFold}; if it is never called,
 * the SST is an orphan for GC.
 * @param entries those after `base`'s `through`, in order
 * @throws {CorruptionError} an entry does not follow the one before
 */
export function startFold(
  partition: CommitPartition,
  base: LoadedManifest,
  entries: readonly FoldableEntry[],
  options?: RequestOptions,
): StartedFold {
  const { store, names, path, random, expiry } = partition;
  const { through, logHash } = base.manifest;
  if (entries.length === 0) throw new MisaError('NO_ENTRIES', `nothing to fold in ${path}`);
  let hash = logHash;
  for (const [i, entry] of entries.entries()) {
    if (entry.n !== through + i + 1) throw new MisaError('BAD_FOLD', `entry ${entry.n} does not follow ${through + i}`);
    checkChain(entry, hash, names.log(path, entry.n));
    hash = entry.hash;
  }
  const nameOf = (entry: FoldableEntry): string => names.log(path, entry.n);
  const builder = foldChanges(base, entries, nameOf, () => new StateSstBuilder(random.id(), 0, expiry));
  if (builder === undefined) return { base, entries, sst: null, stored: Promise.resolve() };
  const { info, body } = builder.finish();
  const stored = createOnce(store, names.sst(path, info.id), body, options).then(() => {});
  stored.catch(() => {}); // reported when it is awaited
  return { base, entries, sst: { ...info, from: through + 1, to: through + entries.length }, stored };
}

/**
 * Makes a fold count, by one compare-and-set. ⚑ fold-after-publish: call it when the log entries are durable and their outputs
 * are published, since the manifest will say so; or say how far they are published.
 * @throws {StoreError}
 */
export async function publishFold(
  partition: CommitPartition,
  started: StartedFold,
  options?: PublishOptions,
): Promise<FoldResult> {
  const { store, names, path, random } = partition;
  const { entries } = started;
  const after = started.base.manifest.through;
  const last = entries.at(-1)!;
  let current = started;
  await current.stored;
  const result = await editManifest(
    store,
    names.manifest(path),
    async (loaded) => {
      if (loaded.manifest.through !== after) return undefined;
      // ⚑ may-name: levels alone have changed. The SST stands as it is, unless it may be on its way out.
      if (current.sst !== null && !mayName(current.base, loaded)) {
        current = startFold(partition, loaded, entries, options);
        await current.stored;
      }
      return {
        type: 'fold',
        after,
        through: last.n,
        logHash: last.hash,
        sst: current.sst,
        writtenAfterMs: current.base.dateMs,
        publishedThrough: options?.publishedThrough ?? last.n,
        ...(last.timeMs === undefined ? {} : { timeMs: last.timeMs }),
        ...forgottenBy(entries),
        ...closedBy(entries),
        ...layoutOf(entries),
        ...(last.wakeMs === undefined ? {} : { wakeMs: last.wakeMs }),
        ...countedBy(entries),
      };
    },
    { nonce: random.id(), from: started.base, signal: options?.signal },
  );
  const { loaded } = result;
  if (result.outcome === 'done') return { outcome: 'folded', loaded, entries: entries.length, more: false };
  return { outcome: 'overtaken', loaded };
}

/** Folds entries that are in memory and durable, without reading them again: a batch function under backpressure. */
export function foldEntries(
  partition: CommitPartition,
  base: LoadedManifest,
  entries: readonly FoldableEntry[],
  options?: PublishOptions,
): Promise<FoldResult> {
  return publishFold(partition, startFold(partition, base, entries, options), options);
}

/** Tells the manifest that all it has folded is published. */
async function notePublished(
  { store, names, path, random }: CommitPartition,
  from: LoadedManifest,
  { signal }: RequestOptions,
): Promise<LoadedManifest> {
  const { through } = from.manifest;
  const decide: Decide = ({ manifest }) =>
    manifest.publishedThrough >= through ? undefined : { type: 'published', through };
  return (await editManifest(store, names.manifest(path), decide, { nonce: random.id(), from, signal })).loaded;
}

function forgottenBy(entries: readonly FoldableEntry[]): { readonly forgotten?: Forgotten } {
  const forgotten = allForgotten(entries);
  return forgotten.length === 0 ? {} : { forgotten };
}

function allForgotten(entries: readonly FoldableEntry[]): Forgotten {
  return entries.reduce((all, { forgotten }) => forgottenByBoth(all, forgotten ?? []), NOTHING_FORGOTTEN);
}

/** How far flushes among these entries have closed. */
function closedBy(entries: readonly FoldableEntry[]): { readonly closedTo?: number } {
  const times = entries.flatMap(({ closedTo }) => closedTo ?? []);
  return times.length === 0 ? {} : { closedTo: greatest(times) };
}

/** The newest layout of these entries. */
function layoutOf(entries: readonly FoldableEntry[]): { readonly layoutVersion?: number } {
  const versions = entries.flatMap(({ layoutVersion }) => layoutVersion ?? []);
  return versions.length === 0 ? {} : { layoutVersion: greatest(versions) };
}

function countedBy(entries: readonly FoldableEntry[]): { readonly totals?: RowTotals } {
  const totals = totalsOf(entries);
  return totals === undefined ? {} : { totals };
}

/**
 * The newest change of each key; tombstones only where an SST may hold something for them to hide. ⚑ floors: nothing of what these
 * entries forget, whichever of them put it there.
 * @returns `undefined`: nothing is left @throws {CorruptionError} an entry's changes are not what they must be
 */
function foldChanges(
  base: LoadedManifest,
  entries: readonly FoldableEntry[],
  nameOf: (entry: FoldableEntry) => string,
  newBuilder: () => StateSstBuilder,
): StateSstBuilder | undefined {
  const { changes, order } = sortedChanges(entries, nameOf);
  const { keyStarts, valueStarts, deleted } = changes;
  const keys = changes.keys.view();
  const values = changes.values.view();
  const gone = forgottenKeys(forgottenByBoth(base.manifest.forgotten ?? [], allForgotten(entries)));
  const older = new OlderRanges(sstsOf(base.manifest));
  let builder: StateSstBuilder | undefined;
  for (const i of order) {
    const start = keyStarts[i]!;
    const end = keyStarts[i + 1]!;
    const isDeleted = deleted[i] === 1;
    if (gone.hasBytes(keys, start, end) || (isDeleted && !older.mayHold(keys, start, end))) continue;
    builder ??= newBuilder();
    builder.addBytes(keys, start, end, isDeleted ? null : values, valueStarts[i]!, valueStarts[i + 1]!);
  }
  return builder;
}

/** Changes of all entries, and those of them in the order of their keys that are the newest of their key. */
function sortedChanges(
  entries: readonly FoldableEntry[],
  nameOf: (entry: FoldableEntry) => string,
): { readonly changes: ChangeColumns; readonly order: Int32Array } {
  const changes = new ChangeColumns(2 * entries.reduce((sum, { bytes }) => sum + bytes, 0));
  /** Where the changes of each entry end, the newest entry first. */
  const ends: number[] = [];
  const newestFirst = entries.toReversed();
  for (const entry of newestFirst) {
    entry.addChangesTo(changes);
    ends.push(changes.count);
  }
  const entryOf = (change: number): number => ends.findIndex((end) => change < end);
  const order = changes.sorted();
  const { places } = changes;
  let kept = 0;
  for (let k = 0; k < order.length; k++) {
    const same = k > 0 && compareKeys(places, order[k - 1]!, order[k]!) === 0;
    if (!same) order[kept++] = order[k]!;
    else if (entryOf(order[k - 1]!) === entryOf(order[k]!)) throw keyTwice(nameOf(newestFirst[entryOf(order[k]!)]!));
  }
  return { changes, order: order.subarray(0, kept) };
}

/** ⚑ chain. @throws {CorruptionError} */
function checkChain(entry: FoldableEntry, previousHash: string, object: string): void {
  if (entry.previousHash === previousHash) return;
  const [found, wanted] = [entry.previousHash, previousHash].map((hash) => (hash === '' ? 'none' : hash));
  throw new CorruptionError(
    object,
    `it follows an entry with hash ${found}, and entry ${entry.n - 1} has ${wanted}: the store holds entries of two histories`,
  );
}
