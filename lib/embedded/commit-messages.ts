/** The messages between the batch thread and the commit worker thread. Plain data. */

import type { JobFile } from '../job/job-file.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { PartitionPath } from '../object-store/names.ts';
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { Span } from '../util/trace.ts';

export interface WorkerSettings {
  readonly spec: StoreSpec;
  readonly file: JobFile;
  readonly retentionMs: number;
  readonly keepResultsMs: number | undefined;
}

export interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

export type ToWorker =
  | { readonly kind: 'committed'; readonly path: PartitionPath; readonly n: number }
  /** The results of batches up to n have been copied out by this run, and may be deleted from the store. */
  | { readonly kind: 'taken'; readonly n: number }
  /** Answered by `done` when a fold of this partition has been tried. */
  | { readonly kind: 'relieve'; readonly id: number; readonly path: PartitionPath }
  /** Answered by `done` when everything is folded. */
  | { readonly kind: 'drain'; readonly id: number }
  /** Answered by `done` when nothing is under way any more. */
  | { readonly kind: 'stop'; readonly id: number };

export type FromWorker =
  | { readonly kind: 'manifest'; readonly path: PartitionPath; readonly loaded: LoadedManifest }
  | { readonly kind: 'span'; readonly span: Span }
  /** Something failed, and the work went on without it. */
  | { readonly kind: 'trouble'; readonly what: string; readonly error: ErrorData }
  | { readonly kind: 'done'; readonly id: number; readonly error?: ErrorData | undefined }
  | { readonly kind: 'failed'; readonly error: ErrorData };
