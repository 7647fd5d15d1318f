/** What `run` is given, and what it gives. */

import type { OutputOptions } from './output/settings.ts';
import type { Output } from './result-places.ts';
import type { RunEvent } from './run-events.ts';

/**
 * Rows (plain objects), or bytes and text that are decoded as they come: an async iterable, an iterable, or a readable stream
 * of Node. It is read no further ahead than one batch, and ends the input when it ends.
 */
export type RowStream = AsyncIterable<unknown> | Iterable<unknown>;

/** A stream with what there is to say about it. */
export interface StreamInput {
  /**
   * The stream; or a function that is told how many of its rows are planned already, and gives those after them. Rows that are
   * planned are never lost; rows that are not (a run was killed) are the caller's to give again.
   */
  readonly from: RowStream | ((planned: number) => RowStream | Promise<RowStream>);
  /**
   * Names the stream for good: given again under the same id, with the same rows in the same order, what is planned of it is
   * passed over. Without it a stream is new in each run, and all of it is read.
   */
  readonly id?: string | undefined;
  /** Of bytes and text. Default `ndjson`. */
  readonly format?: 'ndjson' | 'csv' | 'tsv' | undefined;
  /** Of bytes. Default `none`. */
  readonly compression?: 'none' | 'gzip' | 'zstd' | undefined;
}

/**
 * Files of a source, or objects in S3 (a path, `s3://bucket/key`, or a glob of either; or several; formats by extension), or a
 * stream.
 */
export type RunInput = string | readonly string[] | RowStream | StreamInput;

/** A row that could not be used, as the output `_quarantine` has it. */
export interface QuarantinedResult {
  readonly source: string;
  /** The file or stream it came from. */
  readonly object: string;
  /** Its line, or its number where there are no lines; from 1. */
  readonly line: number;
  readonly reason: string;
  /** The row as it was read, cut to 500 characters. */
  readonly text: string;
}

/** Results of one output of one batch, in one partition. */
export interface OutputRows<Output extends string, Row> {
  /** Number of the micro-batch, from 1, over all runs of the job on its store. */
  readonly batch: number;
  readonly partition: number;
  /** The output's name; `out` where the job has a single one; `_quarantine`: rows that could not be used. */
  readonly output: Output;
  /** As JSON has them: a `Date` is ISO 8601 text. Never empty, unless the output is a table (mode `complete`). */
  readonly rows: Row[];
}

/** What `onBatch` is given; `output` tells which rows it has. */
export type BatchResults<Out = unknown> =
  | (unknown extends Out
      ? OutputRows<string, unknown>
      : Out extends readonly (infer Row)[]
        ? OutputRows<'out', Row>
        : {
            [Name in keyof Out & string]: OutputRows<Name, Out[Name] extends readonly (infer Row)[] ? Row : never>;
          }[keyof Out & string])
  | OutputRows<'_quarantine', QuarantinedResult>;

/** What `run` is given, beside the job. Only `inputs` is needed. */
export interface RunOptions<Out = unknown> {
  /** What each source of the job reads, by its name. Every source needs one. */
  readonly inputs: { readonly [source: string]: RunInput };
  /** Where the state is: a directory, or `s3://bucket/prefix`. Default: `.misa`. */
  readonly store?: string | undefined;
  /** Of an S3-compatible service other than AWS, for the store and for inputs. */
  readonly endpoint?: string | undefined;
  /** Where results go, beside the store: a directory, and in which form. Default: in the store only. */
  readonly output?: string | DirectoryOutput | Output | undefined;
  /**
   * What to do with files whose content was read under another name: `skip` it and read what follows, or `read` all of it as
   * new rows. Default: the run is refused with `INPUT_MOVED`.
   */
  readonly moved?: 'skip' | 'read' | undefined;
  /** When all is read, or watching is stopped, close the windows that are open and fire all timers. Default false. */
  readonly flush?: boolean | undefined;
  /** When all is read, wait for new files and for new lines of those that were read, until stopped. Default false. */
  readonly watch?: boolean | undefined;
  /** Overrides the job's `commit.mode`; fixed once the job has run on a store. */
  readonly commit?: 'async' | 'sync' | undefined;
  /** Overrides the job's `preload`. */
  readonly preload?: 'off' | 'metadata' | 'keys' | undefined;
  /** Rows of a micro-batch at most: overrides the job's `trigger.maxRows`. */
  readonly batchRows?: number | undefined;
  /**
   * Is given the results, in the order of batch, output and partition, one call after the other; it may answer a promise,
   * and the run waits for it (one batch runs ahead). How far it is, is kept in the store under the name `consumer`: after a
   * crash it is called again with the same batch, partition and output, and the same rows, from the first batch on of which
   * not every call had been fulfilled. So what is written under a key made of the three, or in one transaction with them, is
   * there exactly once. What it throws ends the run (`ON_BATCH`); the next run calls it with that batch again.
   */
  readonly onBatch?: ((results: BatchResults<Out>) => Promise<void> | void) | undefined;
  /**
   * Names who takes the results by `onBatch`; a new name begins with the first batch whose results the store has. Default
   * `onBatch`.
   */
  readonly consumer?: string | undefined;
  /** As `Running.stop`, when it is aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Told what happens, in order: `started`, then `progress` after each batch, `idle` and `warning`, and in the end
   * `terminated`. Called synchronously; what it throws ends the run.
   */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/** A directory of result files; `docs/results.md` describes each option. */
export interface DirectoryOutput extends OutputOptions {
  readonly directory: string;
}
