/** The two ways in which a directory is laid out, seen from the copying of results. */

/** Reads the results of the batch under way, as NDJSON. */
export type ReadPart = (output: string, stage: number, partition: number) => Promise<Uint8Array>;

export interface Layout {
  /** Batches up to this need not be given any more. */
  readonly taken: number;
  /** Batches up to this are in files that stay. */
  readonly through: number;
  /** Batches up to this are not asked for again, wherever this run is killed. */
  readonly kept: number;
  /** Takes a batch after {@link taken}; `through`: the last that is to come at once. */
  take(n: number, through: number, read: ReadPart): Promise<void>;
  /** Makes durable how far it is. */
  settle(): Promise<void>;
  /** Writes what is due by its time. */
  tick(): Promise<void>;
  /** Writes all that waits. */
  finish(): Promise<void>;
}
