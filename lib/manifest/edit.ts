/** What commit code may do to a manifest: edits as data, and why one cannot be applied. */
import type { Forgotten } from '../log/forgotten.ts';
import type { Halt, Root, RowTotals, Skip, SstRef } from './manifest.ts';

export type Edit =
  /** Log entries after+1 … through are in `sst`; `null`: they change nothing. */
  | {
      readonly type: 'fold';
      /** The `through` that it starts from. */
      readonly after: number;
      readonly through: number;
      /** Hash of log entry `through`. */
      readonly logHash: string;
      readonly sst: SstRef | null;
      /** `sst` was written after this, by the store's clock. */
      readonly writtenAfterMs: number;
      readonly publishedThrough: number;
      /** What these entries forget; left out: nothing. */
      readonly forgotten?: Forgotten | undefined;
      /** Of log entry `through`; left out: it has none. */
      readonly timeMs?: number | undefined;
      /** The greatest time that flushes among these entries have closed; `undefined`: none. */
      readonly closedTo?: number | undefined;
      /** The newest layout in which these entries have rows of state; left out: the first. */
      readonly layoutVersion?: number | undefined;
      /** As log entry `through` says; `undefined`: it says nothing. */
      readonly wakeMs?: number | undefined;
      /** What became of the rows of these entries. */
      readonly totals?: RowTotals | undefined;
    }
  /**
   * `outputs` take the place of `inputs`. What is both is moved as it is.
   * Level 0: a run of adjacent L0 SSTs becomes one. Level i: from L(i−1) and Li, or Li alone (from all L0 SSTs but newer ones, if i = 1).
   */
  | {
      readonly type: 'compact';
      /** Ids, in the order of the manifest: newest first, then by level. */
      readonly inputs: readonly string[];
      /** Sorted by key, without overlap. */
      readonly outputs: readonly SstRef[];
      /** Outputs that are no inputs were written after this, by the store's clock. */
      readonly writtenAfterMs: number;
      readonly level: number;
    }
  /** GC: condemns what was written before a time and is not named, and announces that the log up to `collectedThrough` goes. */
  | { readonly type: 'collect'; readonly condemnedMs: number; readonly collectedThrough: number }
  | { readonly type: 'halt'; readonly halt: Halt }
  /** Takes the halt out; `skip`: and sets the row aside that it was halted at. */
  | { readonly type: 'resume'; readonly skip?: Skip | undefined }
  | { readonly type: 'published'; readonly through: number }
  /** Replaces the root of that name if there is one. Only of SSTs that this manifest names. */
  | ({ readonly type: 'setRoot' } & Root)
  | { readonly type: 'removeRoot'; readonly name: string };

export type ConflictKind =
  /** Another fold went through. */
  | 'through'
  /** An SST that it names is or may be condemned. */
  | 'condemned'
  /** The inputs of a compaction are not all there in order. */
  | 'inputs'
  /** The outputs overlap what is at that level by now. */
  | 'overlap'
  /** An SST that a root needs is not named any more. */
  | 'gone';

/** Why an edit cannot be applied to this manifest: a value, because losing a race is no error. */
export interface Conflict {
  readonly conflict: ConflictKind;
  readonly reason: string;
}

export function isConflict(value: object): value is Conflict {
  return 'conflict' in value;
}
