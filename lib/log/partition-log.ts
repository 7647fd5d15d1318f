/**
 * A partition's log as folding, recovery and GC see it: numbered entries with state changes and outputs. Data partitions
 * have log entries, the planner has plans; both are read through this, so that one fold serves them all.
 */
import type { RequestOptions } from '../object-store/object-store.ts';
import type { Entry } from '../sst/entry.ts';
import type { ChangeColumns } from './change-columns.ts';
import type { BatchCounts } from './entry.ts';
import type { Forgotten } from './forgotten.ts';

export interface FoldableEntry {
  readonly n: number;
  readonly hash: string;
  /** Hash of entry n − 1; '' for n = 1. */
  readonly previousHash: string;
  readonly bytes: number;
  readonly publishedThrough: number;
  /** By its maker's clock, never before that of the entry before; `undefined`: it has none. */
  readonly timeMs?: number | undefined;
  /** In a flush: the greatest time that was closed; `undefined`: none. */
  readonly closedTo?: number | undefined;
  /** In which layout its rows of state are; `undefined`: the first. */
  readonly layoutVersion?: number | undefined;
  /** The processing time at which its partition wants to run even if no row comes; `undefined`: it does not. */
  readonly wakeMs?: number | undefined;
  /** What became of its rows; of a plan the rows that it plans. */
  readonly counts?: BatchCounts | undefined;
  /** State changes, sorted by key. @throws {CorruptionError} before the first one, as they are gone over */
  changes(): Iterable<Entry>;
  /** Puts its state changes behind those that are there, in any order, each key once. @throws {CorruptionError} they cannot be read */
  addChangesTo(columns: ChangeColumns): void;
  /** How far it has forgotten; `undefined`: nothing. */
  readonly forgotten?: Forgotten | undefined;
  /** Names of its outputs, and the result rows of output i as published. Empty for the planner. */
  readonly outputs: readonly string[];
  output(i: number): Uint8Array;
}

export type LogRead =
  | { readonly found: true; readonly entry: FoldableEntry; readonly dateMs: number }
  | { readonly found: false; readonly dateMs: number };

export interface PartitionLog {
  /** @throws {CorruptionError} */
  read(n: number, options?: RequestOptions): Promise<LogRead>;
}

/**
 * ⚑ fresh-manifest: whether an answer about a log object (present, absent, created, refused) may be acted on. Only if the
 * newest manifest read is less than half a retention older than the answer, by the store's clock. Else that entry may have
 * been folded and deleted meanwhile, and the answer means nothing: read the manifest again first.
 */
export function mayConclude(answerDateMs: number, manifestDateMs: number, retentionMs: number): boolean {
  return answerDateMs - manifestDateMs < retentionMs / 2;
}
