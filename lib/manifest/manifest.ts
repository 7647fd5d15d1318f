/**
 * A partition's root: which SSTs and how much of the log make up its state. Plain JSON data, changed only by
 * compare-and-set, by commit code, through `applyEdit`. Its size follows the state, never how many edits there were: what
 * waits to be deleted is listed elsewhere (`commit/unnamed.ts`).
 *
 * Times: `atMs: null` means "not seen by a later edit yet". The next edit stamps it with the store's clock as of the read
 * that showed it, which is certainly after the compare-and-set that made it; so a retention that runs from the stamp never
 * ends too early, however long a committer slept before its compare-and-set.
 */
import type { FailedRow } from '../errors.ts';
import type { Forgotten } from '../log/forgotten.ts';
import type { SstInfo } from '../sst/entry.ts';

/** An SST in a manifest; holds changes of batches `from` to `to`. */
export interface SstRef extends SstInfo {
  readonly from: number;
  readonly to: number;
  /** When half of its entries, or more, have ended, by the log's time. Left out: they never do. */
  readonly halfExpiredMs?: number | undefined;
}

export interface Halt {
  readonly n: number;
  readonly code: string;
  readonly reason: string;
  /** The row that the batch failed at, where it is one. */
  readonly row?: FailedRow | undefined;
  /** Hash of the plan that was run; left out: there was none yet. */
  readonly planHash?: string | undefined;
}

/** Counts of rows, added up when log entries are folded, so that they outlive the entries; as `BatchCounts`. */
export interface RowTotals {
  /** The first batch that is counted: not 1 where earlier ones were folded before there were totals. */
  readonly from: number;
  /** In the planner's manifest: rows that were planned. */
  readonly rows: number;
  readonly late: number;
  readonly skipped: number;
  readonly quarantined: number;
  readonly setAside: number;
  readonly emitted: number;
}

/** A row to be set aside by hand: in batch n of this partition; for the planner, when it is read. */
export interface Skip extends FailedRow {
  readonly n: number;
  /** Of the batch; left out for the planner. */
  readonly planHash?: string | undefined;
  /** What it is set aside with. */
  readonly reason: string;
}

export interface Manifest {
  /** Number of edits since the first. */
  readonly version: number;
  /** Nonces of the last edits, newest last: how a committer recognises its own after a lost answer. */
  readonly nonces: readonly string[];
  /** Log entries up to this are in the SSTs. Batches count from 1; 0: none. */
  readonly through: number;
  /** When the log up to `through` was folded, oldest first; what GC has collected is gone from here. */
  readonly folds: readonly { readonly through: number; readonly atMs: number | null }[];
  /** Log entries up to this are deleted, or about to be. */
  readonly collectedThrough: number;
  /** Hash of log entry `through`; '' before the first. */
  readonly logHash: string;
  /** Newest first; may overlap. */
  readonly l0: readonly SstRef[];
  /** `levels[0]` is L1. Each sorted by `minKey`, without overlap. */
  readonly levels: readonly (readonly SstRef[])[];
  /** What operators have forgotten by `through`: rows that may be in the SSTs and are not there any more. Left out: nothing. */
  readonly forgotten?: Forgotten | undefined;
  /**
   * SSTs that were written before this, by the store's clock, and are not named here are condemned: no edit names them ever
   * again, and they are deleted. Epoch ms, only grows; 0: none.
   */
  readonly condemnedMs: number;
  /** A batch that cannot run; the partition waits until it is repaired. */
  readonly halted: Halt | null;
  /** Rows that a person has said to skip. */
  readonly skips?: readonly Skip[] | undefined;
  /** Outputs up to this batch are published. */
  readonly publishedThrough: number;
  /** What became of the rows of batches up to `through`. Left out: folded before 0.2, or nothing was folded yet. */
  readonly totals?: RowTotals | undefined;
  /** The time of log entry `through`, where entries have one: the planner's do. It never goes back. */
  readonly timeMs?: number | undefined;
  /** The greatest time that flushes up to `through` have closed here, epoch ms. Left out: none has closed anything. */
  readonly closedTo?: number | undefined;
  /** The newest layout of the job's file in which SSTs have rows: ⚑ newer-layout. Left out: the first. */
  readonly layoutVersion?: number | undefined;
  /** The processing time at which the partition wants to run even if no row comes, as of `through`, epoch ms. Left out: it does not. */
  readonly wakeMs?: number | undefined;
  /** What else keeps SSTs of this manifest alive: checkpoints, later epochs. */
  readonly roots: readonly Root[];
}

/** SSTs that are kept for others, with what was forgotten where they make up a state. */
export interface Root {
  readonly name: string;
  readonly ssts: readonly string[];
  readonly forgotten?: Forgotten | undefined;
}

export const EMPTY_MANIFEST: Manifest = {
  version: 0,
  nonces: [],
  through: 0,
  folds: [],
  collectedThrough: 0,
  logHash: '',
  l0: [],
  levels: [],
  condemnedMs: 0,
  halted: null,
  publishedThrough: 0,
  roots: [],
};

/** A manifest as read: with the version token for compare-and-set and the store's time of the answer. */
export interface LoadedManifest {
  readonly manifest: Manifest;
  /** `undefined`: there is none yet. */
  readonly etag: string | undefined;
  readonly dateMs: number;
}

/** All SSTs a manifest names for reading, newest first. */
export function sstsOf(manifest: Manifest): SstRef[] {
  return [...manifest.l0, ...manifest.levels.flat()];
}

/** Ids of all SSTs that a manifest keeps, for reading or for its roots. */
export function namedBy(manifest: Manifest): Set<string> {
  return new Set([...sstsOf(manifest).map(({ id }) => id), ...manifest.roots.flatMap(({ ssts }) => ssts)]);
}
