/**
 * The commit side of the embedded engine in a worker thread that opens the same store for itself, so that building SSTs and
 * compacting never hold a batch up.
 */
import { Worker } from 'node:worker_threads';
import { errorText, MisaError } from '../errors.ts';
import type { Committer } from '../job/committer.ts';
import type { StoredJobContext } from '../job/job-context.ts';
import type { PartitionPath } from '../object-store/names.ts';
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './commit-messages.ts';
import type { ManifestListener } from './committers.ts';
import { workerEntry } from './worker-entry.ts';

/** Of what a fold or a compaction makes, little outlives a few thousand entries: more room would be filled with garbage, up to 48 MB. */
const YOUNG_GENERATION_MB = 12;

/** What the thread is given at its start; it reads the rest from the store. */
type WorkerContext = Pick<StoredJobContext, 'file' | 'retentionMs' | 'trace' | 'keepResultsMs'>;

export function workerCommitter(spec: StoreSpec, context: WorkerContext): Committer {
  return new WorkerCommitter(spec, context);
}

class WorkerCommitter implements Committer {
  readonly #worker: Worker;
  readonly #trace: WorkerContext['trace'];
  readonly #listeners: ManifestListener[] = [];
  readonly #waiting = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  #calls = 0;
  #failure: MisaError | undefined;
  #closed: Promise<void> | undefined;

  constructor(spec: StoreSpec, { file, retentionMs, trace, keepResultsMs }: WorkerContext) {
    const workerData: WorkerSettings = { spec, file, retentionMs, keepResultsMs };
    this.#trace = trace;
    this.#worker = new Worker(workerEntry('commit-worker'), {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#worker.on('message', (message: FromWorker) => this.#take(message));
    this.#worker.on('error', (error) =>
      this.#fail(new MisaError('COMMIT_FAILED', `the commit worker failed: ${errorText(error)}`, { cause: error })),
    );
    this.#worker.on('exit', (code) => {
      if (this.#closed === undefined) {
        this.#fail(new MisaError('COMMIT_FAILED', `the commit worker ended with code ${code}`));
      }
    });
  }

  committed(path: PartitionPath, n: number): void {
    this.#post({ kind: 'committed', path, n });
  }

  taken(n: number): void {
    this.#post({ kind: 'taken', n });
  }

  onManifest(listener: ManifestListener): void {
    this.#listeners.push(listener);
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  relieve(path: PartitionPath): Promise<void> {
    return this.#call((id) => ({ kind: 'relieve', id, path }));
  }

  close({ drain }: { readonly drain: boolean }): Promise<void> {
    this.#closed ??= this.#end(drain);
    return this.#closed;
  }

  async #end(drain: boolean): Promise<void> {
    try {
      if (drain) await this.#call((id) => ({ kind: 'drain', id }));
      else if (this.#failure === undefined) await this.#call((id) => ({ kind: 'stop', id }));
    } finally {
      await this.#worker.terminate();
    }
    if (drain) this.check();
  }

  #take(message: FromWorker): void {
    switch (message.kind) {
      case 'manifest':
        for (const listener of this.#listeners) listener(message.path, message.loaded);
        break;
      case 'span':
        this.#trace.span(message.span);
        break;
      case 'trouble':
        this.#trace.trouble?.(message.what, toError(message.error));
        break;
      case 'done': {
        const caller = this.#waiting.get(message.id);
        this.#waiting.delete(message.id);
        if (message.error === undefined) caller?.resolve();
        else caller?.reject(toError(message.error));
        break;
      }
      case 'failed':
        this.#fail(toError(message.error));
        break;
    }
  }

  #fail(error: MisaError): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** Settles when the thread has answered. */
  #call(make: (id: number) => ToWorker): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#post(make(id));
    });
  }
}

function toError({ code, message, retryable }: { code: string; message: string; retryable: boolean }): MisaError {
  return new MisaError(code, message, { retryable });
}
