/** The commit worker thread: opens the store for itself and runs the commit loop on what the batch thread tells it. */
import { parentPort, workerData } from 'node:worker_threads';
import { CommitLoop } from '../commit/commit-loop.ts';
import { commitPaths, commitWork } from '../commit/commit-work.ts';
import { errorText, MisaError } from '../errors.ts';
import type { StoredJobContext } from '../job/job-context.ts';
import { names } from '../object-store/names.ts';
import { openStore } from '../object-store/store-spec.ts';
import { systemClock } from '../util/clock.ts';
import { systemRandom } from '../util/random.ts';
import type { Trace } from '../util/trace.ts';
import type { ErrorData, FromWorker, ToWorker, WorkerSettings } from './commit-messages.ts';
import { COLLECT_EVERY_MS, COMMIT_TROUBLE, FOLD_AFTER_MS, foldEvery } from './committers.ts';
import { yieldToOtherThreads } from './thread-priority.ts';

const TICK_MS = 100;

// Batches go first: a compaction takes a processor for seconds.
yieldToOtherThreads();

const port = parentPort!;
const { spec, file, retentionMs, keepResultsMs } = workerData as WorkerSettings;
const clock = systemClock;
let taken: number | undefined;
const say = (message: FromWorker): void => port.postMessage(message);

const toData = (error: unknown): ErrorData =>
  error instanceof MisaError
    ? { code: error.code, message: error.message, retryable: error.retryable }
    : { code: 'COMMIT_FAILED', message: `the commit worker failed: ${errorText(error)}`, retryable: false };

const trace: Trace = {
  span: (span) => say({ kind: 'span', span }),
  trouble: (what, error) => say({ kind: 'trouble', what, error: toData(error) }),
};

const onError = (error: unknown): void => {
  // A retryable failure is not the end: the next hint tries again.
  if (error instanceof MisaError && error.retryable) trace.trouble?.(COMMIT_TROUBLE, error);
  else say({ kind: 'failed', error: toData(error) });
};

/** Each message waits for the store to be open, so that none is lost. */
const ready = (async () => {
  const store = await openStore(spec, { clock, random: systemRandom });
  const context: StoredJobContext = {
    store,
    clock,
    random: systemRandom,
    trace,
    names: names(file.name, file.epoch),
    file,
    retentionMs,
    keepResultsMs,
  };
  const loop = new CommitLoop(
    {
      work: commitWork(context, () => taken ?? 0),
      foldEvery,
      foldAfterMs: FOLD_AFTER_MS,
      collectEveryMs: COLLECT_EVERY_MS,
      onManifest: (path, loaded) => say({ kind: 'manifest', path, loaded }),
      onError,
    },
    // The first garbage collection runs at once, or, where results are deleted too, as soon as it is known which may be.
    keepResultsMs === undefined ? clock.now() - COLLECT_EVERY_MS : clock.now(),
  );
  return loop;
})();

let ended = false;

async function ticking(): Promise<void> {
  const loop = await ready;
  while (!ended) {
    await clock.sleep(TICK_MS);
    loop.tick(clock.now());
  }
}

async function handle(message: ToWorker): Promise<void> {
  const loop = await ready;
  switch (message.kind) {
    case 'committed':
      loop.hint(message.path, message.n, clock.now());
      break;
    case 'taken': {
      const first = taken === undefined;
      taken = message.n;
      // A short run might never come to its next collection, so garbage of earlier runs is collected at the start.
      if (first && keepResultsMs !== undefined) loop.collect().catch(onError);
      break;
    }
    case 'relieve':
      await loop.foldNow(message.path);
      break;
    case 'drain':
      await loop.drain(commitPaths(file));
      break;
    case 'stop':
      ended = true;
      await loop.close();
      break;
  }
}

port.on('message', (message: ToWorker) => {
  handle(message).then(
    () => {
      if ('id' in message) say({ kind: 'done', id: message.id });
    },
    (error: unknown) => {
      if ('id' in message) say({ kind: 'done', id: message.id, error: toData(error) });
      else say({ kind: 'failed', error: toData(error) });
    },
  );
});
ticking().catch((error: unknown) => say({ kind: 'failed', error: toData(error) }));
