/**
 * Publishes outputs that batch functions did not get to. ⚑ output-order: out/n of each output is created once, and only
 * after those of the batches before it. What is there already someone published: the bytes are the log entry's, whoever did.
 *
 * Of the entries that have rows, looks from the newest down to the first whose object is there, and creates what is above it.
 * All below it was published, so it need not be there any more: garbage collection may have deleted it.
 */
import { type FoldableEntry, mayConclude } from '../log/partition-log.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import { createOnce } from '../object-store/create-once.ts';
import type { RequestOptions } from '../object-store/object-store.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import { greatest } from '../util/numbers.ts';
import type { CommitPartition } from './partition.ts';

export interface PublishOptions extends RequestOptions {
  /** Outputs up to this batch are known to be published. */
  readonly publishedThrough?: number | undefined;
}

/**
 * @param entries those after `loaded`'s `through`, in order; what is folded and unpublished is read from the log
 * @returns ⚑ fresh-manifest: false if it took so long that others may have published, consumed and deleted meanwhile: begin again
 */
export async function publishOutputs(
  partition: CommitPartition,
  loaded: LoadedManifest,
  entries: readonly FoldableEntry[],
  options: PublishOptions = {},
): Promise<boolean> {
  const { manifest } = loaded;
  const published = greatest(
    entries.map((entry) => entry.publishedThrough),
    Math.max(options.publishedThrough ?? 0, manifest.publishedThrough),
  );
  const isFresh = ({ dateMs }: { readonly dateMs: number }): boolean =>
    mayConclude(dateMs, loaded.dateMs, partition.retentionMs);

  const folded: FoldableEntry[] = [];
  for (let n = manifest.through; n > published; n--) {
    const read = await partition.log.read(n, { signal: options.signal });
    if (!isFresh(read)) return false;
    if (!read.found) break; // collected, so it was published
    folded.unshift(read.entry);
  }
  const unpublished = [...folded, ...entries.filter((entry) => entry.n > published)];
  const outputs = [...new Set(unpublished.flatMap((entry) => entry.outputs))];
  const complete = await allOrFirstError(
    outputs.map((output) => publishOutput(partition, output, unpublished, isFresh, options)),
  );
  return complete.every((yes) => yes);
}

async function publishOutput(
  { store, names, partition }: CommitPartition,
  output: string,
  unpublished: readonly FoldableEntry[],
  isFresh: (answer: { readonly dateMs: number }) => boolean,
  { signal }: RequestOptions,
): Promise<boolean> {
  // ⚑ absent-is-empty: the others have no object, and never will.
  const entries = unpublished.filter((entry) => rowsOf(entry, output).length > 0);
  let from = entries.length;
  for (; from > 0; from--) {
    const name = names.out(output, partition, entries[from - 1]!.n);
    const answer = await store.get(name, { signal, range: { offset: 0, length: 1 } });
    if (!isFresh(answer)) return false;
    if (answer.found) break;
  }
  for (const entry of entries.slice(from)) {
    const name = names.out(output, partition, entry.n);
    const answer = await createOnce(store, name, rowsOf(entry, output), { signal });
    if (!isFresh(answer)) return false;
  }
  return true;
}

function rowsOf(entry: FoldableEntry, output: string): Uint8Array {
  const at = entry.outputs.indexOf(output);
  return at < 0 ? new Uint8Array(0) : entry.output(at);
}
