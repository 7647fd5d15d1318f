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
  /** Batches up to this are in files that stay. */
  readonly through: number;
  /** Those that files have; `undefined`: the format has none, or they are kept elsewhere. */
  readonly columns: readonly StoredColumn[] | undefined;
  /** Whether a batch matters, when they are taken up to `through`. */
  wants(n: number, through: number): boolean;
  /** Takes the next batch that it wants. */
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
