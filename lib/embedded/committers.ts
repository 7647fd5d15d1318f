/**
 * Ways to run the commit side of the embedded engine: in the same thread (tests, `testJob`), or in a worker thread that
 * opens the same store for itself, so that building SSTs and compacting never hold a batch up.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { CommitLoop } from '../commit/commit-loop.ts';
import { commitPaths, commitWork } from '../commit/commit-work.ts';
import { errorText, MisaError } from '../errors.ts';
import type { Committer } from '../job/committer.ts';
import type { StoredJobContext } from '../job/job-context.ts';
import type { LoadedManifest } from '../manifest/manifest.ts';
import type { PartitionPath } from '../object-store/names.ts';
import type { StoreSpec } from '../object-store/store-spec.ts';
import type { FromWorker, ToWorker, WorkerSettings } from './commit-messages.ts';

/** Log entries of a partition that are folded together. */
export const FOLD_EVERY = 4;
/** The oldest unfolded log entry waits no longer than this. */
export const FOLD_AFTER_MS = 2000;
export const COLLECT_EVERY_MS = 60_000;
export const COMMIT_TROUBLE = 'commit work failed and is tried again';

type Listener = (path: PartitionPath, loaded: LoadedManifest) => void;

/** The commit side in this thread: folds when enough is there, or when asked. */
export function inlineCommitter(context: StoredJobContext): Committer {
  const listeners: Listener[] = [];
  let taken: number | undefined;
  let failure: unknown;
  const onError = (error: unknown): void => {
    // What may pass by itself is tried again with the next hint.
    if (error instanceof MisaError && error.retryable) context.trace.trouble?.(COMMIT_TROUBLE, error);
    else failure ??= error;
  };
  const loop = new CommitLoop(
    {
      work: commitWork(context, () => taken ?? 0),
      foldEvery: FOLD_EVERY,
      foldAfterMs: FOLD_AFTER_MS,
      collectEveryMs: COLLECT_EVERY_MS,
      onManifest: (path, loaded) => {
        for (const listener of listeners) listener(path, loaded);
      },
      onError,
    },
    context.clock.now(),
  );
  let closed = false;
  return {
    committed(path, n) {
      if (closed) return;
      loop.hint(path, n, context.clock.now());
      loop.tick(context.clock.now());
    },
    taken(n) {
      const first = taken === undefined;
      taken = n;
      // Runs may be short and many: what the ones before left is collected first.
      if (first && context.keepResultsMs !== undefined) loop.collect().catch(onError);
    },
    onManifest: (listener) => void listeners.push(listener),
    check() {
      if (failure !== undefined) throw failure;
    },
    async relieve(path) {
      if (failure !== undefined) throw failure;
      await loop.foldNow(path);
    },
    async close({ drain }) {
      if (closed) return;
      closed = true;
      if (drain) await loop.drain(commitPaths(context.file));
      await loop.close();
      if (drain && failure !== undefined) throw failure;
    },
  };
}

/** The commit side in a worker thread. */
export function workerCommitter(
  spec: StoreSpec,
  {
    file,
    retentionMs,
    trace,
    keepResultsMs,
  }: Pick<StoredJobContext, 'file' | 'retentionMs' | 'trace' | 'keepResultsMs'>,
): Committer {
  const settings: WorkerSettings = { spec, file, retentionMs, keepResultsMs };
  const worker = new Worker(workerEntry(), { workerData: settings });
  const listeners: Listener[] = [];
  const waiting = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
  let calls = 0;
  let failure: MisaError | undefined;
  let closed: Promise<void> | undefined;
  const fail = (error: MisaError): void => {
    failure ??= error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const post = (message: ToWorker): void => worker.postMessage(message);
  const call = (make: (id: number) => ToWorker): Promise<void> => {
    if (failure !== undefined) return Promise.reject(failure);
    const id = ++calls;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      post(make(id));
    });
  };
  worker.on('message', (message: FromWorker) => {
    switch (message.kind) {
      case 'manifest':
        for (const listener of listeners) listener(message.path, message.loaded);
        break;
      case 'span':
        trace.span(message.span);
        break;
      case 'trouble':
        trace.trouble?.(message.what, toError(message.error));
        break;
      case 'done': {
        const caller = waiting.get(message.id);
        waiting.delete(message.id);
        if (message.error === undefined) caller?.resolve();
        else caller?.reject(toError(message.error));
        break;
      }
      case 'failed':
        fail(toError(message.error));
        break;
    }
  });
  worker.on('error', (error) =>
    fail(new MisaError('COMMIT_FAILED', `the commit worker failed: ${errorText(error)}`, { cause: error })),
  );
  worker.on('exit', (code) => {
    if (closed === undefined) fail(new MisaError('COMMIT_FAILED', `the commit worker ended with code ${code}`));
  });
  return {
    committed: (path, n) => post({ kind: 'committed', path, n }),
    taken: (n) => post({ kind: 'taken', n }),
    onManifest: (listener) => void listeners.push(listener),
    check() {
      if (failure !== undefined) throw failure;
    },
    relieve: (path) => call((id) => ({ kind: 'relieve', id, path })),
    close({ drain }) {
      closed ??= (async () => {
        try {
          if (drain) await call((id) => ({ kind: 'drain', id }));
          else if (failure === undefined) await call((id) => ({ kind: 'stop', id }));
        } finally {
          await worker.terminate();
        }
        if (drain && failure !== undefined) throw failure;
      })();
      return closed;
    },
  };
}

/** The worker's module; from TypeScript sources (tests) by way of the same loader. */
function workerEntry(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./commit-worker.js', import.meta.url);
  const loader = pathToFileURL(
    createRequire(import.meta.url)
      .resolve('tsx/esm/api')
      .replace(/cjs$/, 'mjs'),
  );
  const entry = new URL('./commit-worker.ts', import.meta.url);
  const code = `import { register } from '${loader}'; register(); await import('${entry}');`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}

function toError({ code, message, retryable }: { code: string; message: string; retryable: boolean }): MisaError {
  return new MisaError(code, message, { retryable });
}
