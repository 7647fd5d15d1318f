/** How one output is written into its folder: what the layout with folders asks of it, whatever files come of it. */
import type { StoredColumn } from './columns.ts';

/** Result rows of one partition in a batch, as NDJSON. */
export interface Part {
  readonly partition: number;
  readonly rows: Uint8Array;
}

export interface OutputWriter {
  /** The last batch that was taken. */
  readonly taken: number;
  /** Batches up to this are in files that will not be written again. */
  readonly through: number;
  /** Columns of the files; `undefined`: the format has none, or they are kept elsewhere. */
  readonly columns: readonly StoredColumn[] | undefined;
  /** Whether batch n must be taken, given that batches up to `through` follow at once. */
  wants(n: number, through: number): boolean;
  /** Takes the next wanted batch. */
  take(n: number, parts: readonly Part[], nowMs: number): void;
  /** Whether a file is to be written now. */
  due(nowMs: number): boolean;
  /**
   * Writes what was taken.
   * @param beforeFile makes {@link columns} durable; no file is there before that
   * @returns the file; `undefined`: there is nothing to write
   */
  write(nowMs: () => number, beforeFile: () => Promise<void>): Promise<string | undefined>;
}
