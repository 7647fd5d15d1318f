/**
 * What a run tells while it is under way: the same data for a program (`onEvent`) and for the command line (`--json`).
 * Plain data; fields are only ever added. Times are epoch ms, durations ms.
 */

/** Rows of state that were read, by the tier that had them; `requests`: to the object store for them, which have read so many `bytes`. */
export interface TierReads {
  readonly memory: number;
  readonly lmdb: number;
  readonly warm: number;
  readonly store: number;
  readonly requests: number;
  readonly bytes?: number | undefined;
  /** Left out: nothing was brought into memory ahead of its batch. */
  readonly preloaded?: PreloadedRows | undefined;
}

/**
 * Rows that were brought into memory before their batch asked for them; those of them that it `used`; the memory of the others; and the
 * requests to the object store for all, with the bytes that they have read.
 */
export interface PreloadedRows {
  readonly rows: number;
  readonly used: number;
  readonly wastedBytes: number;
  readonly requests: number;
  readonly bytes: number;
}

/**
 * Steps of a batch, as in `misa timeline`: `ingest` rows read and decoded, `plan` its plan stored, `preload` state brought
 * near, `wait` for the commit side, `batch` the operators, `log` its commit stored, `publish` results stored, `output`
 * results given to the output and to `onBatch`. They overlap: `ingest`, `preload` and `plan` run beside the batch before.
 * Over several partitions the greatest counts.
 */
export type RunStep = 'ingest' | 'plan' | 'preload' | 'wait' | 'batch' | 'log' | 'publish' | 'output';

/** The store is open; nothing has run yet. */
export interface RunStarted {
  readonly type: 'started';
  /** Names this run, as `misa timeline --run` knows it. */
  readonly run: string;
  readonly job: string;
  readonly epoch: number;
  readonly partitions: number;
  readonly outputMode: 'append' | 'update' | 'complete';
  readonly commit: 'async' | 'sync';
  /** The last batch of earlier runs; 0: none. */
  readonly position: number;
  /** Bytes of the input files. */
  readonly inputBytes: number;
}

/** A batch is done: committed, published, and given to the output and to `onBatch`. */
export interface RunProgress {
  readonly type: 'progress';
  readonly batch: number;
  /** `empty`: the watermark moved and no rows came. `flush`: closed all windows. */
  readonly kind: 'data' | 'empty' | 'flush';
  /** Input rows; rows = applied + late + skipped + quarantined. */
  readonly rows: number;
  readonly rowsBySource: Readonly<Record<string, number>>;
  /** By source that is a stream: its rows, from its beginning, that are planned for good: they need not be sent again. */
  readonly planned: Readonly<Record<string, number>>;
  readonly late: number;
  readonly skipped: number;
  readonly quarantined: number;
  /** Result rows, quarantined ones aside. */
  readonly emitted: number;
  /** The watermark that the batch used; `null`: there was none yet. */
  readonly watermark: number | null;
  /** From the start of the operators until the results were published. */
  readonly durationMs: number;
  readonly steps: Readonly<Partial<Record<RunStep, number>>>;
  /** Batches that are durable and not yet folded into SSTs, in the partition with the most. */
  readonly commitLag: number;
  /** What is folded into SSTs: entries (an older version of a row counts, too, until it is compacted away) and bytes. */
  readonly state: { readonly entries: number; readonly bytes: number };
  readonly reads: TierReads;
  /** Of the input: bytes read, and bytes known to be there. */
  readonly readBytes: number;
  readonly totalBytes: number;
}

/** All input that is there is read; the run waits for more (`watch`, or a stream that has not ended). */
export interface RunIdle {
  readonly type: 'idle';
  readonly position: number;
  readonly watermark: number | null;
}

/** Something that a person should know; the run goes on. */
export interface RunWarning {
  readonly type: 'warning';
  /**
   * Of rows, each told once a run and source: `bad-rows` and `late-rows` are more than anyone expects, `event-times` look
   * like seconds. `state`: a column of the job's state has come, gone or got another name with this run. Left out: something that costs time but no results, keys of another type, text that is no UTF-8.
   */
  readonly about?: 'bad-rows' | 'late-rows' | 'event-times' | 'state' | undefined;
  readonly message: string;
}

/** Nothing more comes: the last event, also after a failure. */
export type RunTerminated =
  | ({ readonly type: 'terminated' } & RunSummary)
  | { readonly type: 'terminated'; readonly reason: 'failed'; readonly error: unknown };

/** What a run tells of itself; `event` says which. */
export type RunEvent = RunStarted | RunProgress | RunIdle | RunWarning | RunTerminated;

/** What one run did. */
export interface RunSummary {
  readonly job: string;
  readonly epoch: number;
  /** `read`: all input is read. `stopped`: it was asked to stop. */
  readonly reason: 'read' | 'stopped';
  /** The last batch of the job. */
  readonly position: number;
  readonly batches: number;
  /** rows = applied + late + skipped + quarantined. */
  readonly rows: number;
  readonly rowsBySource: Readonly<Record<string, number>>;
  /** As in {@link RunProgress}: of each stream, the rows that need not be sent again. */
  readonly planned: Readonly<Record<string, number>>;
  readonly applied: number;
  readonly late: number;
  readonly skipped: number;
  readonly quarantined: number;
  readonly emitted: number;
  readonly watermark: number | null;
  readonly reads: TierReads;
  readonly elapsedMs: number;
  /** Shares of rows that are bad or late beyond what anyone expects, each in one line, as they are at the end. */
  readonly warnings: readonly string[];
  /** Result files that this run wrote. */
  readonly files: readonly string[];
}
