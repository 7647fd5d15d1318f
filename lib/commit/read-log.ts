/**
 * The log entries that a fold takes: from `through` + 1 to the first absent one, or to a bound. The first reads go out side
 * by side as far as entries are known to exist; then 1, 2, 4, 8 at a time, so that finding the end wastes few.
 */
import { type FoldableEntry, mayConclude } from '../log/partition-log.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { RequestOptions } from '../object-store/object-store.ts';
import { allOrFirstError } from '../util/all-or-first-error.ts';
import type { CommitPartition } from './partition.ts';

const MAX_AT_ONCE = 8;

export interface ReadLogOptions extends RequestOptions {
  /** Entries up to this one are known to exist: how far the first reads go. A hint. */
  readonly expected?: number | undefined;
  /** Nothing after this entry is taken. Default: no bound. */
  readonly upTo?: number | undefined;
  /** Default 64. */
  readonly maxEntries?: number | undefined;
  /** Stop after this many bytes of entries; default 64 MiB. One read ahead (8 entries) may come on top. */
  readonly maxBytes?: number | undefined;
}

export type ReadLog =
  | { readonly fresh: true; readonly entries: readonly FoldableEntry[]; readonly more: boolean }
  /** ⚑ fresh-manifest: the answers came too long after the manifest to mean anything: begin again with a new one. */
  | { readonly fresh: false };

/** @throws {CorruptionError} an entry is damaged */
export async function readLog(
  { log, retentionMs }: CommitPartition,
  loaded: LoadedManifest,
  { expected = 0, upTo = Number.POSITIVE_INFINITY, maxEntries = 64, maxBytes = 64 << 20, signal }: ReadLogOptions = {},
): Promise<ReadLog> {
  const { through } = loaded.manifest;
  const entries: FoldableEntry[] = [];
  let bytes = 0;
  let atOnce = Math.max(1, Math.min(expected - through, MAX_AT_ONCE));
  for (;;) {
    const from = through + entries.length + 1;
    const count = Math.min(atOnce, maxEntries - entries.length, upTo - from + 1);
    if (count <= 0 || bytes >= maxBytes) return { fresh: true, entries, more: true };
    const answers = await allOrFirstError(Array.from({ length: count }, (_, i) => log.read(from + i, { signal })));
    if (answers.some((answer) => !mayConclude(answer.dateMs, loaded.dateMs, retentionMs))) return { fresh: false };
    for (const answer of answers) {
      if (!answer.found) return { fresh: true, entries, more: false };
      const { entry } = answer;
      entries.push(entry);
      bytes += entry.bytes;
    }
    const ahead = expected - through - entries.length;
    atOnce = Math.min(MAX_AT_ONCE, ahead > 0 ? ahead : entries.length);
  }
}
