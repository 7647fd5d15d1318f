/**
 * The log entries that a fold takes: from `through` + 1 to the first absent one, or to a bound. The first reads go out side
 * by side as far as entries are known to exist; then 1, 2, 4, 8 at a time, so that finding the end wastes few.
 */
import type { FoldableEntry } from '../log/partition-log.ts';
import { readTail } from '../log/tail.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { RequestOptions } from '../object-store/object-store.ts';
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
  const end = await readTail(
    {
      next: () => through + entries.length + 1,
      atOnce(from) {
        if (bytes >= maxBytes) return 0;
        const ahead = expected - from + 1;
        const count = ahead > 0 ? ahead : Math.max(1, entries.length);
        return Math.min(count, MAX_AT_ONCE, maxEntries - entries.length, upTo - from + 1);
      },
      async read(n) {
        const answer = await log.read(n, { signal });
        return { entry: answer.found ? answer.entry : undefined, dateMs: answer.dateMs };
      },
      manifestMs: loaded.dateMs,
      retentionMs,
    },
    (entry) => {
      entries.push(entry);
      bytes += entry.bytes;
    },
  );
  return end === 'stale' ? { fresh: false } : { fresh: true, entries, more: end === 'enough' };
}
