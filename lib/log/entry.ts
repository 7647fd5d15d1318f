/**
 * Log entry n of a partition: all that batch n changed there. Its creation is the batch's commit point, so it holds
 * everything that anyone needs later: state changes for folding and for rebuilding what no SST holds, result rows for publishing,
 * rows for the next stage. Entries of a partition form a chain by hash, and each names the plan it ran.
 *
 * Sections: 0 state changes (see `changes.ts`), then one an output (NDJSON bytes, exactly as published), then one
 * a partition of the next stage (see `plan/rows.ts`; none in the last stage).
 */
import type { Entry } from '../sst/entry.ts';
import { decodeContainer, decodeHead, encodeContainer } from '../util/container.ts';
import type { ChangeColumns } from './change-columns.ts';
import { decodeChanges, readChanges } from './changes.ts';
import type { Forgotten } from './forgotten.ts';
import type { ReadCounts } from './read-counts.ts';

const MAGIC = 'MLOG';
/** Version 3 had state changes row by row. */
const VERSION = 4;

/** What became of the batch's input rows in this partition. */
export interface BatchCounts {
  /** Rows this partition was given that stand for an input row. */
  readonly rows: number;
  readonly late: number;
  readonly skipped: number;
  readonly quarantined: number;
  /** Rows of the quarantine that stand for no input row: results, and rows of earlier stages. Left out: none. */
  readonly setAside?: number;
  /** Result rows, all outputs together. */
  readonly emitted: number;
}

export interface LogHeader {
  readonly n: number;
  /** Random id of the attempt that made it: how a retried PUT recognises its own entry. */
  readonly attempt: string;
  readonly planHash: string;
  /** Hash of log entry n − 1; '' for n = 1. */
  readonly previousHash: string;
  /** Outputs of this partition were published up to here when it was made. */
  readonly publishedThrough: number;
  readonly outputs: readonly string[];
  /** Number of partitions of the next stage; 0: this is the last. */
  readonly nextPartitions: number;
  /** Number of state changes. */
  readonly changes: number;
  /** How far the batch has forgotten, by table; none of the changes is at or below. Left out: it has forgotten nothing. */
  readonly forgotten?: Forgotten | undefined;
  readonly counts: BatchCounts;
  readonly reads: ReadCounts;
  /** Of the job's file: ⚑ newer-layout. Left out: 1. */
  readonly layoutVersion?: number | undefined;
  /** The processing time at which this partition wants to run even if no row comes, epoch ms. Left out: it does not. */
  readonly wakeMs?: number | undefined;
  /** In a flush: the greatest time that was closed in this partition, epoch ms. Left out: nothing was open. */
  readonly closedTo?: number | undefined;
}

/** A log entry in memory. */
export interface LogEntry {
  readonly header: LogHeader;
  readonly hash: string;
  /** Sorted by key; verified when they are gone over. @throws {CorruptionError} before the first one */
  changes(): Iterable<Entry>;
  /** Puts them behind those that are there, as they come: see {@link readChanges}. @throws {CorruptionError} */
  addChangesTo(columns: ChangeColumns): void;
  /** Result rows of output i as NDJSON. */
  output(i: number): Uint8Array;
  /** Rows for partition q of the next stage. */
  next(q: number): Uint8Array;
}

export function encodeLogEntry(
  header: LogHeader,
  changes: Uint8Array,
  outputs: readonly Uint8Array[],
  next: readonly Uint8Array[],
): { bytes: Uint8Array; hash: string } {
  return encodeContainer(MAGIC, VERSION, header, [changes, ...outputs, ...next]);
}

/** The header alone, from the first bytes of an entry. @throws {CorruptionError} @throws {MisaError} `NEWER_FORMAT`, `OLDER_FORMAT` */
export function decodeLogHeader(bytes: Uint8Array, object: string): LogHeader {
  return decodeHead<LogHeader>(MAGIC, VERSION, bytes, object, VERSION).header;
}

/** @throws {CorruptionError} @throws {MisaError} `NEWER_FORMAT`, `OLDER_FORMAT` */
export function decodeLogEntry(bytes: Uint8Array, object: string): LogEntry {
  const container = decodeContainer<LogHeader>(MAGIC, VERSION, bytes, object, VERSION);
  const { header } = container;
  return {
    header,
    hash: container.hash,
    changes: () => decodeChanges(container.section(0), header.changes, object),
    addChangesTo: (columns) => readChanges(columns, container.section(0), header.changes, object),
    output: (i) => container.section(1 + i),
    next: (q) => container.section(1 + header.outputs.length + q),
  };
}
