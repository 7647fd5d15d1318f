/** What the copying of results asks of a directory layout. There are two: flat, and with folders. */

/** Reads the results of the batch under way, as NDJSON. */
export type ReadPart = (output: string, stage: number, partition: number) => Promise<Uint8Array>;

export interface Layout {
  /** Batches up to this have been passed to {@link take}. */
  readonly taken: number;
  /** Batches up to this are in files that will not be written again. */
  readonly through: number;
  /** Wherever this run is killed, the next one does not ask for batches up to this. */
  readonly kept: number;
  /** Takes a batch after {@link taken}; `through`: the last that is to come at once. */
  take(n: number, through: number, read: ReadPart): Promise<void>;
  /** Saves the position durably. */
  settle(): Promise<void>;
  /** Writes files whose time has come. */
  tick(): Promise<void>;
  /** Writes all that waits. */
  finish(): Promise<void>;
}
