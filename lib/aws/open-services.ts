/** Opens what a deployed function works with: clients of S3 and SQS, the user's job, a block cache under `/tmp`. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { errorText } from '../errors.ts';
import { holdCacheDirectory } from '../job/cache-directory.ts';
import { openStore } from '../object-store/store-spec.ts';
import { SqsQueues } from '../queue/sqs-queue.ts';
import { type BlockCache, LmdbBlockCache } from '../state/block-cache.ts';
import type { Job } from '../stream/api/job.ts';
import { compileJob } from '../stream/compile/compile.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { type Random, systemRandom } from '../util/random.ts';
import { invocationClock, invocationQueue, invocationStore } from './invocation.ts';
import type { Report } from './report.ts';
import type { Services } from './services.ts';
import type { Settings } from './settings.ts';

/** R: twice the longest invocation that there is. */
const RETENTION_MS = 30 * 60_000;
/** On AWS each environment has its own /tmp. Local clouds share one, so each environment takes its own directory in it. */
const CACHE_ROOT = path.join(tmpdir(), 'misa');

/**
 * @param cached whether this function reads state again and again, so that a block cache pays
 * @throws {JobError} the module has no job
 */
export async function openServices(
  job: Job<unknown>,
  settings: Settings,
  report: Report,
  cached = false,
): Promise<Services> {
  const [clock, random] = [invocationClock(systemClock), systemRandom];
  const compiled = compileJob(job);
  const partitions = settings.partitions ?? compiled.partitions;
  // The engine shares memory among all partitions of all stages; a function holds one.
  const cacheBytes = compiled.state.cacheBytes * partitions * compiled.stages.length;
  const { onRequest } = report;
  const queues = await SqsQueues.open({ clock, random, onRequest });
  return {
    job: { ...compiled, partitions, state: { ...compiled.state, cacheBytes } },
    settings,
    store: invocationStore(await openStore(settings.store, { clock, random, onRequest })),
    queue: (url) => invocationQueue(queues.queue(url)),
    clock,
    random,
    report,
    cache: cached ? openCache(settings.cacheBytes, clock, random, report) : undefined,
    retentionMs: RETENTION_MS,
  };
}

/** The block cache of this environment; `undefined` if the disk cannot be written. */
function openCache(bytes: number, clock: Clock, random: Random, report: Report): BlockCache | undefined {
  if (bytes === 0) return undefined;
  try {
    const { directory } = holdCacheDirectory(`${CACHE_ROOT}/${process.env.AWS_LAMBDA_FUNCTION_NAME ?? 'local'}`, {
      clock,
      random,
    });
    return LmdbBlockCache.open(directory, bytes, (what, error) => report.trouble?.(what, error));
  } catch (error) {
    report.warn('there is no local cache: state is read from the object store', { error: errorText(error) });
    return undefined;
  }
}
